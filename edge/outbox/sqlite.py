"""The outbox in SQLite: durable when `append` returns (P1), readable while it is written.

Callers of `append` wait for the writer's thread (`writer.py`), which alone changes the file; `read`
and `checkpoints` have a connection of their own and wait for nobody.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from edge.errors import OutboxFailed
from edge.outbox import budget, sqlite_file
from edge.outbox.port import OutboxStatus, PendingFact
from edge.outbox.table import FactTable, Row
from edge.outbox.writer import Append, Close, Hooks, StartEpoch, Writer
from protocol.codec import FACT_BYTES_MAX, decode_fact, encode_fact
from protocol.errors import FrameRejected
from protocol.facts import AnyFact
from protocol.ids import Epoch, Seq


class SqliteOutbox:
    """An `Outbox` in the file `path`. Raises `OutboxFailed` when it cannot be opened.

    `on_failure` is called once, on the writer's thread, when the storage has failed.
    """

    def __init__(
        self,
        path: Path,
        *,
        disk_budget_bytes: int,
        mint_epoch: Callable[[], int],
        clock_ms: Callable[[], int],
        on_failure: Callable[[str], None] | None = None,
        writer_type: type[Writer] = Writer,
    ) -> None:
        self._path = path
        self._hooks = Hooks(mint_epoch, on_failure, [])
        self._reading = threading.Lock()
        self._is_closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = sqlite_file.lock(path)
            try:
                self._db = sqlite_file.open_for_writing(path, mint_epoch)
                self._reader = sqlite_file.open_for_reading(path)
                table = FactTable(self._db, clock_ms)
                self._writer = writer_type(
                    str(path), self._db, table, disk_budget_bytes, self._hooks
                )
                self._writer.start()
            except BaseException:
                os.close(self._lock)
                raise
        except (apsw.Error, OSError) as error:
            raise OutboxFailed(f"outbox {path}: {error}") from error

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Outbox.append`."""
        rows = [Row(budget.class_of(fact), _encoded(fact)) for fact in facts]
        done: Future[None] = Future()
        self._writer.submit(Append(budget.class_of_append(facts), rows, checkpoints or {}, done))
        done.result()

    def checkpoints(self, prefix: str) -> dict[str, bytes]:
        """See `Outbox.checkpoints`."""
        query = "SELECT name, value FROM checkpoints WHERE name >= ? AND name < ?"
        with self._rows(query, (prefix, prefix + "\U0010ffff")) as rows:
            return dict(rows)

    def status(self) -> OutboxStatus:
        """See `Outbox.status`."""
        tally = self._writer.tally()
        return OutboxStatus(
            epoch=Epoch(tally.epoch),
            first_seq=Seq(tally.first_seq),
            next_seq=Seq(tally.next_seq),
            pending_bytes=tally.pending_bytes,
            telemetry_shed=tally.telemetry_shed,
            stock_shed=0,
        )

    def read(self, after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        """See `Outbox.read`."""
        tally = self._writer.tally()
        after = max(after, Seq(tally.first_seq - 1))
        # What is committed and not yet adopted would come under the old epoch, or be acknowledged
        # before the outbox knows that it gave those numbers.
        query = (
            "SELECT seq, data FROM life JOIN facts WHERE only = 1 AND epoch = ?"
            " AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"
        )
        pending: list[PendingFact] = []
        size_bytes = 0
        with self._rows(query, (tally.epoch, after, tally.next_seq, facts_max)) as rows:
            for seq, data in rows:
                size_bytes += len(data)
                if pending and size_bytes > bytes_max:
                    break
                pending.append(PendingFact(Seq(seq), data))
        return pending

    def trim(self, epoch: Epoch, through: Seq) -> None:
        """See `Outbox.trim`. Facts of another epoch are left alone."""
        self._writer.trim(epoch, through)

    def start_epoch(self, keep_from: Seq) -> Epoch:
        """See `Outbox.start_epoch`."""
        done: Future[Epoch] = Future()
        self._writer.submit(StartEpoch(keep_from, done))
        return done.result()

    def on_append(self, notify: Callable[[], None]) -> None:
        """See `Outbox.on_append`."""
        self._hooks.on_append.append(notify)

    def close(self) -> None:
        """See `Outbox.close`. Never raises; what was not durable has been told to its caller."""
        if self._is_closed:
            return
        self._is_closed = True
        self._writer.submit(Close())
        self._writer.join()
        with self._reading:
            self._reader.close()
        self._db.close()
        os.close(self._lock)

    @contextmanager
    def _rows(self, query: str, bindings: tuple[int | str, ...]) -> Iterator[apsw.Cursor]:
        if self._writer.ended is not None:
            raise OutboxFailed(self._writer.ended)
        try:
            # Closed even when it was not read to its end: an open cursor would hold the log back.
            with self._reading, closing(self._reader.execute(query, bindings)) as rows:
                yield rows
        except apsw.Error as error:
            raise OutboxFailed(f"outbox {self._path}: {error}") from error


def _encoded(fact: AnyFact) -> bytes:
    """Return a fact's bytes, or raise `ValueError` when no cloud would take them.

    A bad fact would have the whole batch around it refused for ever. Here its maker is still on
    the stack.
    """
    data = encode_fact(fact)
    if len(data) > FACT_BYTES_MAX:
        raise ValueError(f"{type(fact).__name__}: {len(data)} bytes; at most {FACT_BYTES_MAX}")
    try:
        decode_fact(data)
    except FrameRejected as error:
        raise ValueError(f"{type(fact).__name__}: {error.detail}") from error
    return data
