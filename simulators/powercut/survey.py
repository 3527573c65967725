"""What a guest found when it opened a data set after a cut, put together from its notes. Pure."""

from msgspec import Struct, field

from simulators.powercut.notes import (
    AnyNote,
    FoundFacts,
    FoundInputs,
    FoundJournal,
    FoundOutbox,
    Input,
    Numbered,
)


class Survey(Struct, kw_only=True):
    """One opening. It is whole when both parts have been told."""

    outbox: FoundOutbox | None = None
    journal: FoundJournal | None = None
    facts: list[Numbered] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)

    def take(self, note: AnyNote) -> None:
        """Add what a note tells; notes of another kind tell nothing here."""
        if isinstance(note, FoundOutbox):
            self.outbox = note
        elif isinstance(note, FoundJournal):
            self.journal = note
        elif isinstance(note, FoundFacts):
            self.facts.extend(note.facts)
        elif isinstance(note, FoundInputs):
            self.inputs.extend(note.rows)
