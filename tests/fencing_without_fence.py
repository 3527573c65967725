"""Owners of a journal whose commit forgets to compare the owner epoch: what fencing must notice.

Run in place of `simulators.fencing.owner`. The fault is planted here, outside of the journal.
"""

from cloud.journal.rows import JournalWrite
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_file import transaction
from simulators.fencing import owner


def commit_without_a_fence(self: SqliteJournal, owner_epoch: int, write: JournalWrite) -> None:
    """Make all of `write` durable, whoever asks for it."""
    del owner_epoch
    with self._storage(), transaction(self._connection):
        self._write(write)


if __name__ == "__main__":
    SqliteJournal.commit = commit_without_a_fence  # type: ignore[method-assign] # The planted bug.
    owner.main()
