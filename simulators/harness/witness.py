"""Sees what the system promised, from outside: commits, answers, published documents.

The checkers hold what was seen here against what is left at the end.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from cloud.journal.rows import InputRow, JournalWrite
from cloud.journal.sqlite import SqliteJournal


class Acknowledged(NamedTuple):
    """An input that a journal said to be durable, and under which owner epoch."""

    position: int
    owner_epoch: int
    digest: bytes


def digest_of(row: InputRow) -> bytes:
    """Return what tells an input from another, besides its position."""
    return blake2b(repr(row).encode(), digest_size=12).digest()


class Witness:
    """What was seen in one run."""

    def __init__(self) -> None:
        self.acknowledged: Final[list[Acknowledged]] = []
        self.owner_epochs: Final[list[int]] = []
        self.versions: Final[dict[str, int]] = {}
        self.violations: Final[list[str]] = []
        self.commits = 0

    def owned(self, owner_epoch: int) -> None:
        """A cloud became the owner."""
        if self.owner_epochs and owner_epoch <= self.owner_epochs[-1]:
            before = self.owner_epochs[-1]
            self.violations.append(f"one writer: owner epoch {owner_epoch} after {before}")
        self.owner_epochs.append(owner_epoch)

    def committed(self, owner_epoch: int, write: JournalWrite) -> None:
        """A commit returned: all of it must be there for ever."""
        self.commits += 1
        if owner_epoch != self.owner_epochs[-1]:
            detail = f"{owner_epoch} committed although {self.owner_epochs[-1]} owns the journal"
            self.violations.append(f"one writer: owner epoch {detail}")
        for row in write.inputs:
            self.acknowledged.append(Acknowledged(row.position, owner_epoch, digest_of(row)))


class WitnessedJournal(SqliteJournal):
    """The journal, with somebody watching."""

    def __init__(self, path: Path, witness: Witness) -> None:
        super().__init__(path)
        self._witness: Final = witness

    def take_ownership(self, shard: str, logic: int, now_ms: int) -> int:
        """See `Journal.take_ownership`."""
        owner_epoch = super().take_ownership(shard, logic, now_ms)
        self._witness.owned(owner_epoch)
        return owner_epoch

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        """See `Journal.commit`."""
        super().commit(owner_epoch, write)
        self._witness.committed(owner_epoch, write)
