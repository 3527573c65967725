"""The outbox in SQLite: one writer thread, group commit, `synchronous=FULL` (P1).

Callers of `append` wait; the writer takes everything that waits, gives numbers, and commits it as
one transaction. Trims ride along with the next commit, or go alone after a second: each commit
wears the SD card, and a lost trim only sends facts again.

After a failed write nothing more can be promised, so the outbox fails for everybody and stays so:
a failed fsync must never be retried. A full disk is different: SQLite rolls the transaction back
before it is acknowledged, so the caller is told `OutboxFull` and keeps what it has.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from edge.errors import OutboxFailed, OutboxFull
from edge.outbox import budget, sqlite_file
from edge.outbox.budget import ROW_BYTES, FactClass
from edge.outbox.port import OutboxStatus, PendingFact
from protocol.codec import encode_fact
from protocol.facts import AnyFact, FactsShed
from protocol.ids import Epoch, Seq

APPENDS_WAITING_MAX: Final = 256
"""Appends that wait for the writer. Further callers block: that is their back-pressure."""
APPENDS_PER_COMMIT_MAX: Final = 256
TRIM_DELAY_S: Final = 1.0
SHED_STEPS: Final = 20
"""Stored telemetry is shed in parts of the budget so large, not anew for every append."""
SOURCE: Final = "outbox"

_log = logging.getLogger(__name__)


class _Append(NamedTuple):
    fact_class: FactClass
    rows: list[tuple[FactClass, bytes]]
    checkpoints: Mapping[str, bytes | None]
    done: "Future[None]"

    @property
    def size_bytes(self) -> int:
        return sum(len(data) + ROW_BYTES for _, data in self.rows)


class _StartEpoch(NamedTuple):
    keep_from: int
    done: "Future[Epoch]"


class _Close(NamedTuple):
    done: "Future[None]"


_Job = _Append | _StartEpoch | _Close


class SqliteOutbox:
    """An `Outbox` in the file `path`. Raises `OutboxFailed` when it cannot be opened."""

    def __init__(
        self,
        path: Path,
        *,
        disk_budget_bytes: int,
        mint_epoch: Callable[[], int],
        clock_ms: Callable[[], int],
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self._budget_bytes = disk_budget_bytes
        self._mint_epoch = mint_epoch
        self._clock_ms = clock_ms
        self._on_failure = on_failure
        self._notify: list[Callable[[], None]] = []
        self._jobs: queue.Queue[_Job | None] = queue.Queue(APPENDS_WAITING_MAX)
        self._state = threading.Lock()
        self._reading = threading.Lock()
        self._failure: str | None = None
        self._closed = False
        self._trim_wanted = 0
        self._telemetry_shed = self._stock_shed = 0
        self._epoch, self._first_seq, self._next_seq = 0, 1, 1
        self._pending_bytes = self._telemetry_bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = sqlite_file.lock(path)
            self._db = sqlite_file.open_for_writing(path, mint_epoch)
            self._reader = sqlite_file.open_for_reading(path)
            self._load()
        except (apsw.Error, OSError) as error:
            raise OutboxFailed(f"outbox {path}: {error}") from error
        self._path = path
        self._thread = threading.Thread(target=self._write, name="outbox-writer", daemon=True)
        self._thread.start()

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Outbox.append`."""
        rows = [(budget.class_of(fact), encode_fact(fact)) for fact in facts]
        done: Future[None] = Future()
        self._submit(_Append(budget.class_of_append(facts), rows, checkpoints or {}, done))
        done.result()

    def checkpoints(self, prefix: str) -> dict[str, bytes]:
        """See `Outbox.checkpoints`."""
        query = "SELECT name, value FROM checkpoints WHERE name >= ? AND name < ?"
        with self._reading:
            return dict(self._query(query, (prefix, prefix + "\U0010ffff")))

    def status(self) -> OutboxStatus:
        """See `Outbox.status`."""
        with self._state:
            return OutboxStatus(
                epoch=Epoch(self._epoch),
                first_seq=Seq(self._first_seq),
                next_seq=Seq(self._next_seq),
                pending_bytes=self._pending_bytes,
                telemetry_shed=self._telemetry_shed,
                stock_shed=self._stock_shed,
            )

    def read(self, after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        """See `Outbox.read`."""
        first_seq = self.status().first_seq
        query = "SELECT seq, data FROM facts WHERE seq > ? ORDER BY seq LIMIT ?"
        pending: list[PendingFact] = []
        size_bytes = 0
        with self._reading:
            for seq, data in self._query(query, (max(after, first_seq - 1), facts_max)):
                size_bytes += len(data)
                if pending and size_bytes > bytes_max:
                    break
                pending.append(PendingFact(Seq(seq), data))
        return pending

    def trim(self, epoch: Epoch, through: Seq) -> None:
        """See `Outbox.trim`. Facts of another epoch are left alone."""
        with self._state:
            if epoch != self._epoch or through < self._first_seq:
                return
            assert through < self._next_seq, "acknowledged beyond the end"  # noqa: S101 # Ours.
            self._trim_wanted = through
            self._first_seq = through + 1
        try:
            self._jobs.put_nowait(None)
        except queue.Full:
            return  # The writer is busy and trims with its next commit.

    def start_epoch(self, keep_from: Seq) -> Epoch:
        """See `Outbox.start_epoch`."""
        done: Future[Epoch] = Future()
        self._submit(_StartEpoch(keep_from, done))
        return done.result()

    def on_append(self, notify: Callable[[], None]) -> None:
        """See `Outbox.on_append`."""
        self._notify.append(notify)

    def close(self) -> None:
        """See `Outbox.close`."""
        if self._closed:
            return
        done: Future[None] = Future()
        if self._failure is None:
            self._jobs.put(_Close(done))
            done.result()
        self._closed = True
        self._thread.join()
        with self._reading:
            self._reader.close()
        self._db.close()
        os.close(self._lock)

    def _submit(self, job: _Job) -> None:
        if self._failure is not None or self._closed:
            raise OutboxFailed(self._failure or f"outbox {self._path} is closed")
        self._jobs.put(job)
        self._drain_if_failed()

    def _drain_if_failed(self) -> None:
        """A failure while a job was being put leaves nobody to come for it."""
        if self._failure is not None:
            self._drain(self._failure)

    def _query(self, query: str, bindings: tuple[int | str, ...]) -> list[tuple[Any, ...]]:
        try:
            return list(self._reader.execute(query, bindings))
        except apsw.Error as error:
            raise OutboxFailed(f"outbox {self._path}: {error}") from error

    def _load(self) -> None:
        ((self._epoch, self._next_seq),) = self._rows("SELECT epoch, next_seq FROM life")
        query = "SELECT class, min(seq), sum(length(data) + ?) FROM facts GROUP BY class"
        stored = self._rows(query, ROW_BYTES)
        self._first_seq = min((first for _, first, _ in stored), default=self._next_seq)
        self._pending_bytes = sum(size for _, _, size in stored)
        self._telemetry_bytes = sum(s for kind, _, s in stored if kind == FactClass.TELEMETRY)

    def _rows(self, query: str, *bindings: int) -> list[tuple[Any, ...]]:
        return list(self._db.execute(query, bindings))

    # From here on: the writer's thread.

    def _write(self) -> None:
        while self._failure is None:
            jobs = self._wait_for_jobs()
            try:
                if self._commit(jobs):
                    return
            except apsw.FullError as error:
                self._disk_full(jobs, str(error))
            except (apsw.Error, OSError) as error:
                self._fail(jobs, f"outbox {self._path}: {error}")

    def _wait_for_jobs(self) -> list[_Job]:
        try:
            first = self._jobs.get(timeout=TRIM_DELAY_S if self._trim_wanted else None)
        except queue.Empty:
            return []
        if first is None:  # Only a trim was wanted: let it wait for company.
            return self._wait_for_jobs_after_trim()
        return [first, *self._waiting(APPENDS_PER_COMMIT_MAX - 1)]

    def _wait_for_jobs_after_trim(self) -> list[_Job]:
        try:
            first = self._jobs.get(timeout=TRIM_DELAY_S)
        except queue.Empty:
            return []
        waiting = self._waiting(APPENDS_PER_COMMIT_MAX - 1)
        return waiting if first is None else [first, *waiting]

    def _waiting(self, jobs_max: int) -> list[_Job]:
        jobs: list[_Job] = []
        while len(jobs) < jobs_max:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                jobs.append(job)
        return jobs

    def _commit(self, jobs: list[_Job]) -> bool:
        """Make the jobs durable as one transaction; return whether the outbox was closed."""
        tally = _Tally(self._epoch, self._next_seq, self._pending_bytes, self._telemetry_bytes)
        accepted: list[_Append] = []
        refused: list[_Append] = []
        started: list[tuple[_StartEpoch, int]] = []
        with self._state:
            trim_through, trim_epoch = self._trim_wanted, self._epoch
        with self._db:
            if trim_through:
                self._delete_through(trim_through, tally)
            for job in jobs:
                if isinstance(job, _Append):
                    (accepted if self._store(job, tally) else refused).append(job)
                elif isinstance(job, _StartEpoch):
                    started.append((job, self._renumber(job.keep_from, tally)))
            self._report_shed(tally)
            self._db.execute(
                "UPDATE life SET epoch = ?, next_seq = ?", (tally.epoch, tally.next_seq)
            )
        self._adopt(tally, trim_through if trim_epoch == tally.epoch else 0)
        self._answer(accepted, refused, started)
        closing = [job for job in jobs if isinstance(job, _Close)]
        for job in closing:
            job.done.set_result(None)
        return bool(closing)

    def _adopt(self, tally: "_Tally", trimmed_through: int) -> None:
        with self._state:
            if self._trim_wanted <= trimmed_through or tally.epoch != self._epoch:
                self._trim_wanted = 0
            if tally.epoch != self._epoch:
                self._first_seq = 1
            self._epoch, self._next_seq = tally.epoch, tally.next_seq
            self._pending_bytes, self._telemetry_bytes = tally.pending_bytes, tally.telemetry_bytes
            self._telemetry_shed, self._stock_shed = (
                (0, 0) if tally.reported else (self._telemetry_shed, self._stock_shed)
            )

    def _answer(
        self,
        accepted: list[_Append],
        refused: list[_Append],
        started: list[tuple[_StartEpoch, int]],
    ) -> None:
        for append in accepted:
            append.done.set_result(None)
        for append in refused:
            kind = append.fact_class.name.lower()
            with self._state:
                if append.fact_class == FactClass.TELEMETRY:
                    self._telemetry_shed += len(append.rows)
                else:
                    self._stock_shed += len(append.rows)
            detail = f"the disk budget of {self._budget_bytes} bytes admits no {kind} fact now"
            append.done.set_exception(OutboxFull(detail))
        for job, epoch in started:
            job.done.set_result(Epoch(epoch))
        if accepted:
            for notify in self._notify:
                notify()

    def _store(self, append: _Append, tally: "_Tally") -> bool:
        verdict = budget.judge(
            append.fact_class,
            append.size_bytes,
            tally.pending_bytes,
            tally.telemetry_bytes,
            self._budget_bytes,
        )
        if not verdict.admitted and append.rows:
            return False
        if verdict.shed_bytes:
            self._shed_stored(max(verdict.shed_bytes, self._budget_bytes // SHED_STEPS), tally)
        self._insert(append.rows, tally)
        for name, value in append.checkpoints.items():
            if value is None:
                self._db.execute("DELETE FROM checkpoints WHERE name = ?", (name,))
            else:
                upsert = "INSERT OR REPLACE INTO checkpoints VALUES (?, ?)"
                self._db.execute(upsert, (name, value))
        return True

    def _insert(self, rows: list[tuple[FactClass, bytes]], tally: "_Tally") -> None:
        numbered = []
        for fact_class, data in rows:
            numbered.append((tally.next_seq, int(fact_class), data))
            tally.next_seq += 1
            tally.pending_bytes += len(data) + ROW_BYTES
            if fact_class == FactClass.TELEMETRY:
                tally.telemetry_bytes += len(data) + ROW_BYTES
        self._db.executemany("INSERT INTO facts VALUES (?, ?, ?)", numbered)

    def _shed_stored(self, shed_bytes: int, tally: "_Tally") -> None:
        """Replace the oldest stored telemetry by markers; the numbers stay taken."""
        marker = encode_fact(
            FactsShed(occurred_at_ms=self._clock_ms(), source=SOURCE, telemetry=1, stock=0)
        )
        freed_bytes = 0
        chosen: list[int] = []
        query = "SELECT seq, length(data) FROM facts WHERE class = 0 ORDER BY seq"
        for seq, length in self._rows(query):
            if freed_bytes >= shed_bytes:
                break
            chosen.append(seq)
            freed_bytes += max(0, length - len(marker))
            tally.telemetry_bytes -= length + ROW_BYTES
            tally.pending_bytes -= length - len(marker)
        update = "UPDATE facts SET class = ?, data = ? WHERE seq = ?"
        self._db.executemany(update, [(int(FactClass.SALE), marker, seq) for seq in chosen])
        _log.warning("outbox over its disk budget: %d stored telemetry facts shed", len(chosen))

    def _report_shed(self, tally: "_Tally") -> None:
        shed = (self._telemetry_shed, self._stock_shed)
        if shed == (0, 0) or tally.pending_bytes > self._budget_bytes * budget.RECOVERED_SHARE:
            return
        fact = FactsShed(
            occurred_at_ms=self._clock_ms(), source=SOURCE, telemetry=shed[0], stock=shed[1]
        )
        self._insert([(FactClass.SALE, encode_fact(fact))], tally)
        tally.reported = True

    def _delete_through(self, through: int, tally: "_Tally") -> None:
        query = "SELECT class, sum(length(data) + ?) FROM facts WHERE seq <= ? GROUP BY class"
        for fact_class, size_bytes in self._rows(query, ROW_BYTES, through):
            tally.pending_bytes -= size_bytes
            if fact_class == FactClass.TELEMETRY:
                tally.telemetry_bytes -= size_bytes
        self._db.execute("DELETE FROM facts WHERE seq <= ?", (through,))

    def _renumber(self, keep_from: int, tally: "_Tally") -> int:
        self._delete_through(keep_from - 1, tally)
        shift = keep_from - 1
        # Ascending, so that each number is free before a fact moves down to it.
        kept = [seq for (seq,) in self._rows("SELECT seq FROM facts ORDER BY seq")]
        move = "UPDATE facts SET seq = ? WHERE seq = ?"
        self._db.executemany(move, [(seq - shift, seq) for seq in kept])
        tally.epoch = self._mint_epoch()
        tally.next_seq = max(tally.next_seq - shift, 1)
        return tally.epoch

    def _disk_full(self, jobs: list[_Job], detail: str) -> None:
        _log.error("outbox %s: the disk is full; nothing is taken until there is room", self._path)
        for job in jobs:
            job.done.set_exception(OutboxFull(f"the disk is full: {detail}"))

    def _fail(self, jobs: list[_Job], detail: str) -> None:
        self._failure = detail
        _log.critical("%s; nothing more can be promised, the agent must stop", detail)
        for job in jobs:
            job.done.set_exception(OutboxFailed(detail))
        self._drain(detail)
        if self._on_failure is not None:
            self._on_failure(detail)

    def _drain(self, detail: str) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                job.done.set_exception(OutboxFailed(detail))


class _Tally:
    """What the outbox will look like if the present transaction commits."""

    __slots__ = ("epoch", "next_seq", "pending_bytes", "reported", "telemetry_bytes")

    def __init__(self, epoch: int, next_seq: int, pending_bytes: int, telemetry_bytes: int) -> None:
        self.epoch = epoch
        self.next_seq = next_seq
        self.pending_bytes = pending_bytes
        self.telemetry_bytes = telemetry_bytes
        self.reported = False
