"""A journal that suspends its process at a chosen moment of a commit.

It is put around the real journal from outside and uses nothing but the port: rows are handed over
in lists, and a list that is being read inside a transaction knows that it is. Owner's main thread.
"""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

from cloud.journal.port import Journal
from cloud.journal.rows import JournalWrite
from simulators.fencing.moments import INSIDE, Moment

R = TypeVar("R")


class StopOrder:
    """At most one order to suspend, given on one thread and carried out on another."""

    def __init__(self, tell: Callable[[Moment], None]) -> None:
        self._tell: Final = tell
        self._moment: Moment | None = None

    def give(self, moment: Moment) -> None:
        """Have the process suspended when it next comes to this moment."""
        self._moment = moment

    def pending(self) -> Moment | None:
        """Return the moment that is waited for."""
        return self._moment

    def reached(self, moment: Moment) -> None:
        """Suspend this process if this is the moment; returns when somebody lets it go on."""
        if self._moment == moment:
            self._moment = None
            self._tell(moment)
            os.kill(os.getpid(), signal.SIGSTOP)


class StoppingJournal:
    """Passes everything on to a journal; `commit` may suspend the process on its way."""

    def __init__(self, journal: Journal, order: StopOrder) -> None:
        self._journal: Final = journal
        self._order: Final = order

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        """See `Journal.commit`."""
        order, moment = self._order, self._order.pending()
        order.reached("before")
        if moment in INSIDE:
            write = replace(
                write,
                inputs=_Watched(write.inputs, 0, lambda: order.reached("first_input")),
                states=_Watched(write.states, 0, lambda: order.reached("between_tables")),
                business_keys=_Watched(
                    write.business_keys,
                    len(write.business_keys) - 1,
                    lambda: order.reached("last_key"),
                ),
            )
        self._journal.commit(owner_epoch, write)
        order.reached("after")


class _Watched(list[R]):
    """Rows that say when one of them is about to be read."""

    def __init__(self, rows: list[R], index: int, reached: Callable[[], None]) -> None:
        super().__init__(rows)
        self._index: Final = index
        self._reached: Final = reached

    def __iter__(self) -> Iterator[R]:
        for index, row in enumerate(super().__iter__()):
            if index == self._index:
                self._reached()
            yield row
