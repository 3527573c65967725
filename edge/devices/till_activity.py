"""When each till last did business: noted as its facts go to the outbox, read by the printers.

The note is made after the facts are durable, on a clock that is never set. All methods are
thread-safe.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

from edge.outbox.port import Outbox, OutboxStatus, PendingFact
from protocol.facts import AnyFact, TillLine
from protocol.ids import Epoch, Seq


class TillActivity:
    """The last transaction of each till, by the name of its `pos_journal` device."""

    def __init__(self, monotonic_ms: Callable[[], int]) -> None:
        self._monotonic_ms = monotonic_ms
        self._lock = threading.Lock()
        self._last_ms: dict[str, int] = {}

    def note(self, till: str) -> None:
        """Tell that a till did business now."""
        with self._lock:
            self._last_ms[till] = self._monotonic_ms()

    def last_ms(self, till: str) -> int | None:
        """Return when a till last did business, `None` if it has not since the agent started."""
        with self._lock:
            return self._last_ms.get(till)


class NotedOutbox:
    """An outbox that notes whose till lines it took. Everything else is the outbox's own."""

    def __init__(self, outbox: Outbox, activity: TillActivity) -> None:
        self._outbox = outbox
        self._activity = activity

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Outbox.append`."""
        self._outbox.append(facts, checkpoints)
        for till in {fact.source for fact in facts if isinstance(fact, TillLine)}:
            self._activity.note(till)

    def checkpoints(self, prefix: str) -> dict[str, bytes]:
        """See `Outbox.checkpoints`."""
        return self._outbox.checkpoints(prefix)

    def status(self) -> OutboxStatus:
        """See `Outbox.status`."""
        return self._outbox.status()

    def read(self, after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        """See `Outbox.read`."""
        return self._outbox.read(after, facts_max, bytes_max)

    def trim(self, epoch: Epoch, through: Seq) -> None:
        """See `Outbox.trim`."""
        self._outbox.trim(epoch, through)

    def start_epoch(self, keep_from: Seq) -> Epoch:
        """See `Outbox.start_epoch`."""
        return self._outbox.start_epoch(keep_from)

    def on_append(self, notify: Callable[[], None]) -> None:
        """See `Outbox.on_append`."""
        self._outbox.on_append(notify)

    def close(self) -> None:
        """See `Outbox.close`."""
        self._outbox.close()
