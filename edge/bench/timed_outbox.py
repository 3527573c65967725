"""The real outbox, as an agent opens it, that notes how long each append waited for its commit."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from edge.assembly import clock_ms, mint_epoch
from edge.errors import OutboxFailed
from edge.outbox.sqlite import SqliteOutbox
from edge.outbox.writer import Writer
from protocol.facts import AnyFact

BUDGET_BYTES: Final = 2**40
"""No bench is about a full disk."""


class TimedOutbox(SqliteOutbox):
    """An outbox in the file `path`. Appends of many threads are noted in any order."""

    def __init__(self, path: Path, writer_type: type[Writer] = Writer) -> None:
        self.appends_s: Final[list[float]] = []
        self._failure: str | None = None
        super().__init__(
            path,
            disk_budget_bytes=BUDGET_BYTES,
            mint_epoch=mint_epoch,
            clock_ms=clock_ms,
            on_failure=self._fail,
            writer_type=writer_type,
        )

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Outbox.append`."""
        began_s = time.perf_counter()
        super().append(facts, checkpoints)
        self.appends_s.append(time.perf_counter() - began_s)

    def check(self) -> None:
        """Raise `OutboxFailed` if it has failed meanwhile."""
        if self._failure is not None:
            raise OutboxFailed(self._failure)

    def _fail(self, reason: str) -> None:
        self._failure = reason
