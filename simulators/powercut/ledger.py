"""What a data set has promised over its whole life, from the notes of all its boots. Pure.

It hears what was acknowledged and which numbers were used, and `judging` compares a survey with it.
"""

from typing import Final

from simulators.powercut.findings import Findings
from simulators.powercut.goods import expected_digest, names_of
from simulators.powercut.notes import (
    AnyNote,
    Appended,
    Committed,
    EpochStarted,
    Input,
    Minted,
    Numbered,
    Owned,
    Sent,
)


class Ledger:
    """One data set. Violations that show at once, such as a reused number, go to `findings`."""

    def __init__(self, findings: Findings) -> None:
        self.findings: Final = findings
        self.appended: Final[dict[str, int]] = {}
        self.used: Final[dict[tuple[int, int], str]] = {}
        self.highest_used: Final[dict[int, int]] = {}
        self.epochs: Final[list[int]] = []
        """The last epoch that is known to have begun, and those minted since."""
        self.owner_epoch = 0
        self.batches: Final[dict[str, int]] = {}
        self.commands: Final[dict[str, int]] = {}
        self.seen_inputs: Final[dict[int, Input]] = {}
        self._minted: Final[set[int]] = set()
        self._digests: Final[dict[str, str]] = {}

    def hear(self, note: AnyNote) -> None:
        """Take down what a guest has promised."""
        if isinstance(note, Appended):
            self.appended[note.line] = note.n
            self.findings.acknowledged_appends += 1
            self.findings.acknowledged_facts += len(names_of(note.line, note.n))
        elif isinstance(note, Sent):
            for fact in note.facts:
                self.use(note.epoch, fact)
        elif isinstance(note, Minted):
            self._mint(note.epoch)
        elif isinstance(note, EpochStarted):
            self.begun(note.epoch)
        elif isinstance(note, Owned):
            self._own(note.owner_epoch)
        elif isinstance(note, Committed):
            self._commit(note)

    def use(self, epoch: int, fact: Numbered) -> None:
        """A number was seen with a content: it may never have another."""
        key = (epoch, fact.seq)
        self.findings.facts_compared += 1
        known = self.used.setdefault(key, fact.name)
        self.highest_used[epoch] = max(self.highest_used.get(epoch, 0), fact.seq)
        if known != fact.name:
            text = f"number {fact.seq} of epoch {epoch} was {known} and is {fact.name}"
            self.findings.violate("reused", text)
        if fact.digest != self.digest_of(fact.name):
            text = f"number {fact.seq} of epoch {epoch} does not say what {fact.name!r} said"
            self.findings.violate("altered", text)

    def begun(self, epoch: int) -> None:
        """An epoch has begun for certain: an older one may not come back."""
        since = self.epochs.index(epoch) if epoch in self.epochs else len(self.epochs)
        self.epochs[:] = self.epochs[since:] or [epoch]

    def digest_of(self, name: str) -> str:
        """Return what the digest of the fact of this name must be."""
        known = self._digests.get(name)
        if known is None:
            known = self._digests[name] = expected_digest(name) if name else ""
        return known

    def _mint(self, epoch: int) -> None:
        if epoch in self._minted:
            self.findings.violate("reused", f"epoch {epoch} was minted twice")
        self._minted.add(epoch)
        self.epochs.append(epoch)

    def _own(self, owner_epoch: int) -> None:
        if owner_epoch <= self.owner_epoch:
            text = f"owner epoch {owner_epoch} was given after {self.owner_epoch}"
            self.findings.violate("lost", text)
        self.owner_epoch = owner_epoch

    def _commit(self, note: Committed) -> None:
        self.findings.acknowledged_groups += 1
        self.findings.acknowledged_commands += len(note.commands)
        self.batches.update(dict.fromkeys(note.batches, note.position))
        self.commands.update(note.commands)
