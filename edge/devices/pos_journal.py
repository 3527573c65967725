"""The `pos_journal` device: takes the POSLog documents that a till drops into a spool directory.

The till writes a document under another name and renames it to `*.xml`. Documents are taken in
name order: read, understood whole, recorded in the outbox, and deleted only when their facts are
durable. A crash in between reads them again, which counts once (P2). What cannot be understood
goes to quarantine with its reason and holds nothing else up. Runs on its device actor's thread.
"""

import heapq
import logging
import os
import stat
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge.devices.driver import DeviceReport
from edge.devices.pos_journal_settings import PosJournalSettings
from edge.devices.quarantine import Quarantine
from edge.devices.spool_watch import SpoolWatch
from edge.devices.till_documents import TillDocuments
from edge.errors import DeviceFault, OutboxFull
from edge.outbox.port import Outbox
from edge.recording.tap import NO_TAP, Tap
from edge.sensing.poslog_xml import PoslogRejected
from protocol.facts import AnyFact

FILES_PER_SCAN_MAX: Final = 10_000
"""A scan takes the first so many names; the others wait for the next one."""
FILES_PER_BATCH_MAX: Final = 32
BYTES_PER_BATCH_MAX: Final = 262_144
"""No further file joins a batch that has so many bytes; one file always goes as a whole."""
WAIT_MS: Final = 200
"""The longest wait for a change. Every wait ends in a scan, since notifications can be lost."""

_SETTLE_MS: Final = 5
_REASON_LENGTH_MAX: Final = 200

_log = logging.getLogger(__name__)


class _Batch:
    """Documents that are recorded in one append, all or none."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.size_bytes = 0
        self.transactions = 0
        self.facts: list[AnyFact] = []
        self.documents: dict[str, bytes] = {}
        self.texts: list[bytes] = []


class PosJournalDriver:
    """Reads one till's spool. `clock_ms` dates what goes to quarantine."""

    kind = "pos_journal"

    def __init__(
        self,
        settings: PosJournalSettings,
        outbox: Outbox,
        clock_ms: Callable[[], int],
        tap: Tap = NO_TAP,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._outbox = outbox
        self._clock_ms = clock_ms
        self._tap = tap
        self._spool = Path(settings.spool)
        beside = self._spool.parent / "quarantine"
        self._quarantine = Quarantine(Path(settings.quarantine) if settings.quarantine else beside)
        self._archive = Path(settings.archive) if settings.archive else None
        self._watch: SpoolWatch | None = None
        self._waiting: deque[str] = deque()
        self._files_max = FILES_PER_BATCH_MAX
        self._full = False

    def open(self, report: DeviceReport) -> None:
        """Make the directories and start to watch. Raises `DeviceFault`."""
        self._report = report
        try:
            self._spool.mkdir(parents=True, exist_ok=True)
            if self._archive is not None:
                self._archive.mkdir(parents=True, exist_ok=True)
            self._waiting.extend(self._scan())
        except OSError as error:
            raise DeviceFault(f"{self.name}: spool {self._spool}: {error}") from error
        if not os.access(self._spool, os.W_OK | os.X_OK):
            # What cannot be deleted would be recorded again after every restart.
            raise DeviceFault(f"{self.name}: spool {self._spool}: it must be writable")
        self._watch = SpoolWatch(self._spool)
        self._documents = TillDocuments(self._settings, self._outbox)
        report.health("healthy")

    def poll(self) -> None:
        """Take what is there, after waiting for it up to `WAIT_MS`. Raises `DeviceFault`."""
        try:
            if self._full or not self._waiting:
                self._wait()
            if not self._waiting:
                self._waiting.extend(self._scan())
            self._record(self._next_batch())
        except OSError as error:
            raise DeviceFault(f"{self.name}: spool {self._spool}: {error}") from error

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()

    def _wait(self) -> None:
        assert self._watch is not None, "poll before open"  # noqa: S101 # The caller's mistake.
        self._watch.wait(WAIT_MS, _SETTLE_MS)

    def _scan(self) -> list[str]:
        with os.scandir(self._spool) as entries:
            names = (entry.name for entry in entries)
            documents = (name for name in names if name.endswith(".xml") and name[0] != ".")
            return heapq.nsmallest(FILES_PER_SCAN_MAX, documents)

    def _next_batch(self) -> _Batch:
        batch = _Batch()
        while (
            self._waiting
            and len(batch.files) < self._files_max
            and batch.size_bytes < BYTES_PER_BATCH_MAX
        ):
            name = self._waiting.popleft()
            try:
                self._add(name, batch)
            except FileNotFoundError:
                continue  # Somebody took it away after the scan.
            except PoslogRejected as error:
                # A poll refuses one file at most, and records what came before it first.
                if batch.files:
                    self._waiting.appendleft(name)
                else:
                    self._refuse(name, str(error))
                break
        return batch

    def _add(self, name: str, batch: _Batch) -> None:
        data = self._read(name)
        try:
            found = self._documents.understand(name, data, batch.documents)
        except PoslogRejected:
            if not batch.files:  # Else it is read once more, after what came before it.
                self._tap.document(self.name, data)
            raise
        batch.files.append(name)
        batch.texts.append(data)
        batch.size_bytes += len(data)
        batch.transactions += found.transactions
        batch.facts += found.facts
        batch.documents |= found.documents

    def _read(self, name: str) -> bytes:
        most = self._settings.file_bytes_max
        path = self._spool / name
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise PoslogRejected("it is no regular file")
        if found.st_size > most:
            raise PoslogRejected(f"it has {found.st_size} bytes; at most {most} are read")
        try:
            with path.open("rb") as file:
                data = file.read(most + 1)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise PoslogRejected(f"it cannot be read: {error.strerror}") from error
        if len(data) > most:
            raise PoslogRejected(f"it grew beyond {most} bytes while it was read")
        return data

    def _record(self, batch: _Batch) -> None:
        if not batch.files:
            return
        try:
            if batch.facts:
                self._outbox.append(batch.facts, self._documents.checkpoints(batch.documents))
        except OutboxFull:
            self._put_back(batch)
            return
        self._documents.committed(batch.documents)
        for text in batch.texts:
            self._tap.document(self.name, text)
        for name in batch.files:
            self._dispose(name)
        self._report.count(readings=batch.transactions, facts=len(batch.facts))
        self._report.health("healthy")
        self._full = False
        self._files_max = FILES_PER_BATCH_MAX

    def _put_back(self, batch: _Batch) -> None:
        # Nothing is lost: the files wait. Trying one at a time uses what room there is.
        self._waiting.extendleft(reversed(batch.files))
        if not self._full:
            _log.warning("%s: the outbox is full; sales wait in %s", self.name, self._spool)
        self._full = True
        self._files_max = 1
        self._report.health("degraded", f"the outbox is full; {len(self._waiting)} files wait")

    def _dispose(self, name: str) -> None:
        path = self._spool / name
        if self._archive is None:
            path.unlink(missing_ok=True)
        else:
            path.replace(_unused(self._archive, name))

    def _refuse(self, name: str, reason: str) -> None:
        at = datetime.fromtimestamp(self._clock_ms() // 1000, UTC)
        told = f"{reason}\n\ndevice {self.name}, spool {self._spool}, {at:%Y-%m-%dT%H:%M:%SZ}\n"
        target = self._quarantine.take(self._spool / name, told)
        line = " ".join(reason.split())[:_REASON_LENGTH_MAX]
        _log.warning("%s: %r is in quarantine as %r: %s", self.name, name, str(target), line)
        self._report.health("degraded", f"quarantined {name!r:.40}: {line}")


def _unused(directory: Path, name: str) -> Path:
    target = directory / name
    copy = 0
    while target.exists():
        copy += 1
        target = directory / f"{name}.{copy}"
    return target
