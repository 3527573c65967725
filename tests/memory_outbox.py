"""An outbox without a disk: the port's meaning in its shortest form, for tests of its users."""

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from edge.outbox.port import OutboxStatus, PendingFact
from protocol.codec import encode_fact
from protocol.facts import AnyFact
from protocol.ids import Epoch, Seq


class MemoryOutbox:
    """Holds facts as bytes. Epochs count from 1, so that tests can name them."""

    def __init__(self) -> None:
        self._epochs: Iterator[int] = iter(range(2, 1_000_000))
        self._epoch = Epoch(1)
        self._first_seq = 1
        self._facts: list[bytes] = []
        self._notify: list[Callable[[], None]] = []
        self._checkpoints: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        with self._lock:
            self._facts += [encode_fact(fact) for fact in facts]
            for name, value in (checkpoints or {}).items():
                if value is None:
                    self._checkpoints.pop(name, None)
                else:
                    self._checkpoints[name] = value
        for notify in self._notify:
            notify()

    def checkpoints(self, prefix: str) -> dict[str, bytes]:
        with self._lock:
            return {n: v for n, v in self._checkpoints.items() if n.startswith(prefix)}

    def status(self) -> OutboxStatus:
        with self._lock:
            return OutboxStatus(
                epoch=self._epoch,
                first_seq=Seq(self._first_seq),
                next_seq=Seq(self._first_seq + len(self._facts)),
                pending_bytes=sum(map(len, self._facts)),
                telemetry_shed=0,
                stock_shed=0,
            )

    def read(self, after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        with self._lock:
            start = max(0, after + 1 - self._first_seq)
            found: list[PendingFact] = []
            size_bytes = 0
            for index, data in enumerate(self._facts[start : start + facts_max], start):
                size_bytes += len(data)
                if found and size_bytes > bytes_max:
                    break
                found.append(PendingFact(Seq(self._first_seq + index), data))
            return found

    def trim(self, epoch: Epoch, through: Seq) -> None:
        with self._lock:
            if epoch == self._epoch and through >= self._first_seq:
                del self._facts[: through + 1 - self._first_seq]
                self._first_seq = through + 1

    def start_epoch(self, keep_from: Seq) -> Epoch:
        with self._lock:
            del self._facts[: max(0, keep_from - self._first_seq)]
            self._first_seq = 1
            self._epoch = Epoch(next(self._epochs))
            return self._epoch

    def on_append(self, notify: Callable[[], None]) -> None:
        self._notify.append(notify)

    def close(self) -> None:
        """Nothing is held."""

    # What only tests do to an outbox.

    def image(self) -> tuple[Epoch, int, list[bytes]]:
        """Return a copy of the disk."""
        return self._epoch, self._first_seq, copy.copy(self._facts)

    def restore(self, image: tuple[Epoch, int, list[bytes]]) -> None:
        """Put a copy of the disk back. Epochs stay unique, as random ones do."""
        self._epoch, self._first_seq, facts = image
        self._facts = copy.copy(facts)

    def shed(self, seq: int, marker: bytes) -> bytes:
        """Replace a fact by a marker in place, and return what it was."""
        index = seq - self._first_seq
        shed, self._facts[index] = self._facts[index], marker
        return shed
