"""One owner of a journal, as a process: takes it when told, commits under load until it loses it.

`python -m simulators.fencing.owner PLACE NUMBER SEED`. Commands come as lines on standard input:
`take`, `stop MOMENT`, `end`; testimony leaves on standard output. It ends with status 1 and one
line when it has lost its ownership, after it has tried some more to commit.
"""

import os
import queue
import sys
import threading
import time
from contextlib import closing
from random import Random
from typing import Final, cast

from cloud.errors import CloudError, OwnershipLost
from cloud.journal.port import Journal
from cloud.shards.messages import BatchReceived
from cloud.shards.placement import shard_name
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from simulators.fencing.journals import open_journal
from simulators.fencing.load import EPOCH, STALE_EPOCH, STORE, Load, digest_of, facts_in
from simulators.fencing.moments import MOMENTS
from simulators.fencing.stopping import StopOrder, StoppingJournal
from simulators.fencing.testimony import (
    Acknowledged,
    AnyNote,
    NotTaken,
    Ready,
    Refused,
    Stopping,
    Taken,
    Tried,
    encode_note,
)

STATUS_ENDED: Final = 0
STATUS_LOST: Final = 1
STATUS_FAILED: Final = 3
STALE_ATTEMPTS: Final = 3
"""So often a stale owner tries again by its old connection, and once by a new one."""

TAKES_WAITING_MAX: Final = 4
SHARD: Final = shard_name(0, 1)


def testify(note: AnyNote) -> None:
    """Tell whoever listens. One write, so that a suspension leaves no half line behind."""
    os.write(sys.stdout.fileno(), encode_note(note))


class Owner:
    """One process's life. `hear` has a thread of its own; everything else is the main thread's."""

    def __init__(self, place: str, number: int, seed: str) -> None:
        self._place: Final = place
        self._number: Final = number
        self._load: Final = Load(number, Random(f"{seed}/{number}"))
        self._order: Final = StopOrder(lambda moment: testify(Stopping(moment=moment)))
        self._takes: Final[queue.Queue[str]] = queue.Queue(TAKES_WAITING_MAX)
        self._ending: Final = threading.Event()
        self._groups = 0

    def hear(self) -> None:
        """Obey lines until there are no more."""
        # Not `sys.stdin`: its lock, held by a waiting thread, would trip the interpreter's end.
        with os.fdopen(os.dup(sys.stdin.fileno())) as lines:
            for line in lines:
                word, _, what = line.strip().partition(" ")
                if word == "take":
                    self._takes.put(word)
                elif word == "stop" and what in MOMENTS:
                    self._order.give(what)
                elif word == "end":
                    self._ending.set()

    def run(self) -> int:
        """Take, commit, lose; return the exit status."""
        testify(Ready())
        journal, owner_epoch = self._take()
        with closing(journal):
            # Everything but `commit` passes through it untouched, which no type can say.
            stopping = cast("Journal", StoppingJournal(journal, self._order))
            shard = Shard(stopping, SHARD, owner_epoch)
            error = self._commit_until_refused(shard, journal.watermark(STORE, EPOCH))
            if isinstance(error, OwnershipLost):
                self._insist(journal, owner_epoch)
        if error is None:
            return STATUS_ENDED
        sys.stderr.write(f"owner {self._number}: {type(error).__name__}: {error}\n")
        return STATUS_LOST if isinstance(error, OwnershipLost) else STATUS_FAILED

    def _take(self) -> tuple[Journal, int]:
        """Become the owner as soon as that is asked for and can be done."""
        while True:
            self._takes.get()
            began_s = time.monotonic()
            try:
                journal = open_journal(self._place)
                try:
                    return journal, self._taken(journal)
                except CloudError:
                    journal.close()
                    raise
            except CloudError as error:
                waited_ms = round((time.monotonic() - began_s) * 1_000)
                kind = type(error).__name__
                testify(NotTaken(error=kind, detail=str(error), waited_ms=waited_ms))

    def _taken(self, journal: Journal) -> int:
        owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, _now_ms())
        testify(Taken(owner_epoch=owner_epoch, position=journal.position()))
        return owner_epoch

    def _commit_until_refused(self, shard: Shard, after_seq: int) -> CloudError | None:
        while not self._ending.is_set():
            batches = self._load.group(EPOCH, after_seq)
            error = self._commit(shard, batches)
            if error is not None:
                return error
            after_seq += facts_in(batches)
        return None

    def _insist(self, journal: Journal, owner_epoch: int) -> None:
        """Go on trying as a stale owner would who does not understand.

        Each time the shard has just read where the journal stands, so that nothing but the fence
        is in its way.
        """
        for _ in range(STALE_ATTEMPTS):
            self._try_stale(journal, owner_epoch)
        with closing(open_journal(self._place)) as anew:
            self._try_stale(anew, owner_epoch)

    def _try_stale(self, journal: Journal, owner_epoch: int) -> None:
        epoch = STALE_EPOCH + self._number
        batches = self._load.group(epoch, journal.watermark(STORE, epoch))
        self._commit(Shard(journal, SHARD, owner_epoch), batches)

    def _commit(self, shard: Shard, batches: list[BatchReceived]) -> CloudError | None:
        """Commit one group with full testimony, and return what the journal raised."""
        self._groups += 1
        digests = [digest_of(received.frame) for received in batches]
        testify(Tried(group=self._groups, owner_epoch=shard.owner_epoch, digests=digests))
        try:
            committed = shard.commit(batches, _now_ms())
        except CloudError as error:
            kind = type(error).__name__
            testify(Refused(group=self._groups, error=kind, detail=str(error)))
            return error
        testify(Acknowledged(group=self._groups, position=committed.position))
        return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Run one owner."""
    place, number, seed = sys.argv[1:]
    owner = Owner(place, int(number), seed)
    threading.Thread(target=owner.hear, name="commands", daemon=True).start()
    sys.exit(owner.run())


if __name__ == "__main__":
    main()
