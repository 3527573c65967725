"""The outbox's writer: one thread that commits everything that waits as one transaction.

The rules:

- A caller is answered after the commit that holds its facts, never before.
- Trims ride along with the next commit, or go alone after `TRIM_DELAY_S`: each commit wears the SD
  card, and a lost trim only sends facts again.
- A full disk refuses what waits (`OutboxFull`) and the writer goes on. SQLite reports it from a
  write, before the transaction's last frame, so a rollback takes everything back, and the caller
  still has what it wanted to store.
- Any other failure ends the writer, and everybody is told `OutboxFailed`, now and later. A failed
  fsync above all: the kernel forgets what it could not write, so trying again proves nothing.
- So the log is moved into the database here, by checkpoints whose errors we see. SQLite's
  automatic ones, after a commit and on closing, hide a failed fsync and try again.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import apsw

from edge.errors import EdgeError, OutboxFailed, OutboxFull
from edge.outbox import budget
from edge.outbox.budget import ROW_BYTES, FactClass
from edge.outbox.table import FactTable, Row, Tally
from protocol.ids import Epoch

APPENDS_WAITING_MAX: Final = 256
"""Appends that wait for the writer. Further callers block: that is their back-pressure."""
APPENDS_PER_COMMIT_MAX: Final = 256
TRIM_DELAY_S: Final = 1.0
LOG_PAGES_MAX: Final = 1_000
"""Above so many pages (4 kB each) in the write-ahead log, they are moved into the database."""
SHED_STEPS: Final = 20
"""Stored telemetry is shed in parts of the budget so large, not anew for every append."""

_log = logging.getLogger(__name__)


class Append(NamedTuple):
    """Facts and checkpoints that are stored together or not at all."""

    fact_class: FactClass
    rows: Sequence[Row]
    checkpoints: Mapping[str, bytes | None]
    done: "Future[None]"

    @property
    def size_bytes(self) -> int:
        """What it takes of the budget."""
        return sum(len(row.data) + ROW_BYTES for row in self.rows)

    @property
    def telemetry(self) -> int:
        """How many of its facts are telemetry."""
        return sum(row.fact_class == FactClass.TELEMETRY for row in self.rows)


class StartEpoch(NamedTuple):
    """Begin a new epoch, keeping facts from this number on."""

    keep_from: int
    done: "Future[Epoch]"


class Close(NamedTuple):
    """Commit what waits, then end."""


Job = Append | StartEpoch | Close


@dataclass(slots=True)
class Hooks:
    """What the writer asks of others; all are called on its thread."""

    mint_epoch: Callable[[], int]
    on_failure: Callable[[str], None] | None
    on_append: list[Callable[[], None]]


class Writer:
    """Owns the connection that writes. `name` says in errors which outbox it is."""

    def __init__(
        self, name: str, db: apsw.Connection, table: FactTable, budget_bytes: int, hooks: Hooks
    ) -> None:
        self._name = name
        self._db = db
        self._table = table
        self._budget_bytes = budget_bytes
        self._hooks = hooks
        self._jobs: queue.Queue[Job | None] = queue.Queue(APPENDS_WAITING_MAX)
        self._state = threading.Lock()
        self._tally = table.load()
        self._trim_through = 0
        self._ended: str | None = None
        self._log_pages = 0
        self._disk_is_full = False
        db.set_wal_hook(self._count_log_pages)
        self._thread = threading.Thread(target=self._run, name="outbox-writer", daemon=True)

    def start(self) -> None:
        """Begin to serve jobs, on a thread of our own."""
        self._thread.start()

    # Any thread.

    @property
    def ended(self) -> str | None:
        """Why nothing is stored any more; `None` while it is."""
        return self._ended

    def tally(self) -> Tally:
        """Return where the outbox stands, acknowledged facts left out."""
        with self._state:
            first_seq = max(self._tally.first_seq, self._trim_through + 1)
            return replace(self._tally, first_seq=first_seq)

    def submit(self, job: Job) -> None:
        """Hand a job over; blocks while `APPENDS_WAITING_MAX` wait. Its future is always set."""
        self._jobs.put(job)
        if self._ended is not None:
            self._refuse_waiting(self._ended)

    def trim(self, epoch: int, through: int) -> None:
        """Forget facts through this number, soon. Never blocks."""
        with self._state:
            if epoch != self._tally.epoch or through < self._tally.first_seq:
                return
            if through >= self._tally.next_seq:
                detail = f"{through} is acknowledged, but {self._tally.next_seq} comes next"
                raise ValueError(f"outbox {self._name}: {detail}")
            is_news = not self._trim_through
            self._trim_through = max(self._trim_through, through)
        if is_news:
            self.trim_soon()

    def trim_soon(self) -> None:
        """Let a trim ride along with the next commit, or go alone after `TRIM_DELAY_S`."""
        try:
            self._jobs.put_nowait(None)
        except queue.Full:
            return  # The writer is busy, and trims with its next commit.

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()

    def _refuse_waiting(self, reason: str) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                _refuse([job], OutboxFailed, reason)

    # The writer's thread.

    def _run(self) -> None:
        while self._ended is None:
            self.serve(self._next_group())

    def serve(self, jobs: list[Job]) -> None:
        """Commit a group of jobs, or trims alone when it is empty, and answer. Never raises."""
        try:
            self._serve(jobs)
            if any(isinstance(job, Close) for job in jobs):
                self._empty_log()
                self._end(f"outbox {self._name} is closed")
        except Exception as error:  # noqa: BLE001 # It ends the writer, and the agent by its hook.
            self._fail(jobs, error)

    def _next_group(self) -> list[Job]:
        """Wait for jobs; an empty group means that a trim has waited long enough."""
        due_s: float | None = None
        while True:
            if due_s is None and self._trim_through:
                due_s = time.monotonic() + TRIM_DELAY_S
            wait_s = None if due_s is None else max(0.0, due_s - time.monotonic())
            try:
                job = self._jobs.get(timeout=wait_s)
            except queue.Empty:
                return []
            if job is not None:
                return [job, *self._also_waiting()]

    def _also_waiting(self) -> Iterator[Job]:
        for _ in range(APPENDS_PER_COMMIT_MAX - 1):
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                yield job

    def _serve(self, jobs: list[Job]) -> None:
        try:
            self._commit(jobs)
        except apsw.FullError as error:
            self._tell_disk_is_full(error)
            self._count_shed(jobs)
            _refuse(jobs, OutboxFull, "the disk is full; nothing was stored")
        else:
            self._disk_is_full = False
        if self._log_pages >= LOG_PAGES_MAX or self._disk_is_full:
            self._empty_log()

    def _commit(self, jobs: list[Job]) -> None:
        with self._state:
            tally, trim_through = replace(self._tally), self._trim_through
        answers: list[Callable[[], None]] = []
        with _transaction(self._db):
            if trim_through:
                self._table.delete_through(trim_through, tally)
            for job in jobs:
                if isinstance(job, Append):
                    answers.append(self._append(job, tally))
                elif isinstance(job, StartEpoch):
                    answers.append(self._start_epoch(job, tally))
            limit_bytes = self._budget_bytes * budget.RECOVERED_SHARE
            if tally.telemetry_shed and tally.pending_bytes <= limit_bytes:
                self._table.report_shed(tally)
            has_news = (tally.epoch, tally.next_seq) != (self._tally.epoch, self._tally.next_seq)
            # Otherwise all was refused, and to count that is not worth a write.
            if has_news or trim_through or any(isinstance(job, Close) for job in jobs):
                self._table.save(tally)
        self._adopt(tally, trim_through)
        for answer in answers:
            answer()
        if has_news:
            for notify in self._hooks.on_append:
                notify()

    def _append(self, job: Append, tally: Tally) -> Callable[[], None]:
        """Store the job if the budget admits it; return what to tell its caller."""
        verdict = budget.judge(
            job.fact_class,
            job.size_bytes,
            tally.pending_bytes,
            tally.telemetry_bytes,
            self._budget_bytes,
        )
        if job.rows and not verdict.admitted:
            # Whoever has stock facts keeps them and offers them again; telemetry is let go.
            tally.telemetry_shed += job.telemetry
            kind = job.fact_class.name.lower()
            detail = f"the disk budget of {self._budget_bytes} bytes admits no {kind} fact now"
            return lambda: job.done.set_exception(OutboxFull(detail))
        if verdict.shed_bytes:
            part_bytes = self._budget_bytes // SHED_STEPS
            shed = self._table.shed(max(verdict.shed_bytes, part_bytes), tally)
            _log.warning("outbox over its disk budget: %d stored telemetry facts shed", shed)
        self._table.insert(job.rows, tally)
        self._table.set_checkpoints(job.checkpoints)
        return lambda: job.done.set_result(None)

    def _start_epoch(self, job: StartEpoch, tally: Tally) -> Callable[[], None]:
        epoch = Epoch(self._hooks.mint_epoch())
        self._table.start_epoch(epoch, job.keep_from, tally)
        return lambda: job.done.set_result(epoch)

    def _adopt(self, tally: Tally, trimmed_through: int) -> None:
        """Make the committed tally the truth."""
        with self._state:
            if tally.epoch != self._tally.epoch or self._trim_through == trimmed_through:
                self._trim_through = 0
            self._tally = tally

    def _count_shed(self, jobs: list[Job]) -> None:
        with self._state:
            for job in jobs:
                if isinstance(job, Append):
                    self._tally.telemetry_shed += job.telemetry

    def _count_log_pages(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _empty_log(self) -> None:
        """Move the log into the database, so that it is written from its start again.

        On a full disk this may still succeed, which leaves room for a trim to make more.
        """
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.FullError as error:
            self._tell_disk_is_full(error)

    def _tell_disk_is_full(self, error: apsw.FullError) -> None:
        if not self._disk_is_full:
            _log.error("outbox %s: %s; nothing is stored until there is room", self._name, error)
        self._disk_is_full = True

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        foreseen = isinstance(error, apsw.Error | OSError)
        reason = f"outbox {self._name}: {error if foreseen else repr(error)}"
        _log.critical(
            "%s; nothing more can be promised, the agent must stop",
            reason,
            exc_info=None if foreseen else error,
        )
        _refuse(jobs, OutboxFailed, reason)
        self._end(reason)
        if self._hooks.on_failure is not None:
            self._hooks.on_failure(reason)

    def _end(self, reason: str) -> None:
        # First the reason, then the queue: whoever puts a job after this empties the queue itself.
        self._ended = reason
        self._refuse_waiting(reason)


@contextmanager
def _transaction(db: apsw.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:  # It was not committed. Some errors have rolled it back already.
            db.execute("ROLLBACK")


def _refuse(jobs: Sequence[Job], kind: type[EdgeError], reason: str) -> None:
    for job in jobs:
        if not isinstance(job, Close) and not job.done.done():
            job.done.set_exception(kind(reason))
