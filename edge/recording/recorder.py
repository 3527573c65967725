"""The recorder: a tap whose records wait in a bounded buffer for a thread that writes them.

A device's call only takes a lock and appends. When the buffer is full, what comes is dropped and
counted, and the file says how much is missing and where (`RecordsDropped`). A disk that fails ends
the recording with one line in the log and nothing else: the agent lives without it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, Literal

from edge.recording.file import RecordingFile
from edge.recording.records import (
    RECORD_BYTES_MAX,
    CheckpointsHeld,
    DocumentLeftOut,
    DocumentTaken,
    Ended,
    LlrpMessage,
    Opened,
    Record,
    RecordsDropped,
    RegistersRead,
    SensingStarted,
    SerialBytes,
    TagsDecided,
)

BUFFER_BYTES_MAX: Final = 16 * 1_048_576
RECORD_OVERHEAD_BYTES: Final = 256
"""What a waiting record costs in memory beside its data, roughly."""
CHECKPOINTS_PER_RECORD_MAX: Final = 1_000
SYNC_EVERY_S: Final = 1.0
"""The most that a power cut takes from a recording."""
CLOSE_TIMEOUT_S: Final = 10.0
DIGEST_BYTES: Final = 8

_log = logging.getLogger(__name__)

ClockMs = Callable[[], int]
State = Literal["recording", "full", "failed", "closed"]


class Recorder:
    """Writes what it is shown into `file`, on a thread of its own, until it is closed.

    `keeps_documents` false leaves the text of tills' documents out.
    """

    def __init__(
        self,
        file: RecordingFile,
        clock_ms: ClockMs,
        monotonic_ms: ClockMs,
        *,
        keeps_documents: bool = True,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
    ) -> None:
        self._file = file
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._keeps_documents = keeps_documents
        self._buffer_bytes_max = buffer_bytes_max
        self._changed = threading.Condition()
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._missing_records = self._missing_bytes = 0
        self.dropped_records = 0
        """How many records did not fit into the buffer, in all."""
        self.written_records = 0
        self.written_bytes = file.size_bytes
        self.state: State = "recording"
        self.failure = ""
        """Why the recording failed, if it did."""
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what waits, end the file, and return; waits for the disk a bounded time."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread.ident is None:  # It never began; what waits is written here and now.
            self._run()
            return
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            _log.warning("the recording's disk does not answer; its last records are lost")

    def wait_until_over(self, timeout_s: float) -> bool:
        """Wait until the file is full or has failed; return whether it is."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def checkpoints(self, values: Mapping[str, bytes]) -> None:
        """Record what sensing remembers from before."""
        names = sorted(values)
        for start in range(0, len(names), CHECKPOINTS_PER_RECORD_MAX):
            part = names[start : start + CHECKPOINTS_PER_RECORD_MAX]
            held = CheckpointsHeld(
                monotonic_ms=self._monotonic_ms(),
                utc_ms=self._clock_ms(),
                values={name: values[name] for name in part},
            )
            self._offer(held, sum(len(name) + len(values[name]) for name in part))

    def opened(self, device: str, monotonic_ms: int, utc_ms: int) -> None:
        """See `Tap.opened`."""
        self._offer(Opened(monotonic_ms=monotonic_ms, utc_ms=utc_ms, device=device), 0)

    def llrp_message(self, device: str, data: bytes, monotonic_ms: int, utc_ms: int) -> None:
        """See `Tap.llrp_message`."""
        record = LlrpMessage(monotonic_ms=monotonic_ms, utc_ms=utc_ms, device=device, data=data)
        self._offer(record, len(data))

    def registers(
        self, device: str, address: int, values: Sequence[int], monotonic_ms: int, utc_ms: int
    ) -> None:
        """See `Tap.registers`."""
        record = RegistersRead(
            monotonic_ms=monotonic_ms,
            utc_ms=utc_ms,
            device=device,
            address=address,
            registers=list(values),
        )
        self._offer(record, 8 * len(values))

    def document(self, device: str, data: bytes) -> None:
        """See `Tap.document`."""
        monotonic_ms, utc_ms = self._monotonic_ms(), self._clock_ms()
        if self._keeps_documents:
            taken = DocumentTaken(
                monotonic_ms=monotonic_ms, utc_ms=utc_ms, device=device, data=data
            )
            self._offer(taken, len(data))
            return
        left_out = DocumentLeftOut(
            monotonic_ms=monotonic_ms,
            utc_ms=utc_ms,
            device=device,
            size_bytes=len(data),
            digest=blake2b(data, digest_size=DIGEST_BYTES).digest(),
        )
        self._offer(left_out, 0)

    def serial_bytes(self, device: str, data: bytes) -> None:
        """See `Tap.serial_bytes`."""
        monotonic_ms, utc_ms = self._monotonic_ms(), self._clock_ms()
        record = SerialBytes(monotonic_ms=monotonic_ms, utc_ms=utc_ms, device=device, data=data)
        self._offer(record, len(data))

    def sensing_started(self, utc_ms: int) -> None:
        """See `Tap.sensing_started`."""
        self._offer(SensingStarted(monotonic_ms=self._monotonic_ms(), utc_ms=utc_ms), 0)

    def decided(self, utc_ms: int, readers: Iterable[str]) -> None:
        """See `Tap.decided`."""
        record = TagsDecided(
            monotonic_ms=self._monotonic_ms(), utc_ms=utc_ms, readers=list(readers)
        )
        self._offer(record, 8 * len(record.readers))

    def _offer(self, record: Record, data_bytes: int) -> None:
        cost = data_bytes + RECORD_OVERHEAD_BYTES
        with self._changed:
            if self.state != "recording" or self._is_stopping:
                return
            is_too_long = cost > RECORD_BYTES_MAX
            if is_too_long or self._waiting_bytes + cost > self._buffer_bytes_max:
                self._missing_records += 1
                self._missing_bytes += data_bytes
                self.dropped_records += 1
                return
            if self._missing_records:
                self._tell_missing(record)
            self._waiting.append(record)
            self._waiting_bytes += cost
            if self._waiting_bytes > self._buffer_bytes_max // 4:
                self._changed.notify()

    def _tell_missing(self, before: Record) -> None:
        """Put the gap where it is: before the first record that fits again."""
        self._waiting.append(
            RecordsDropped(
                monotonic_ms=before.monotonic_ms,
                utc_ms=before.utc_ms,
                records=self._missing_records,
                size_bytes=self._missing_bytes,
            )
        )
        self._missing_records = self._missing_bytes = 0

    def _run(self) -> None:
        try:
            while self._write_waiting():
                pass
            self._end()
        except OSError as error:
            self._fail(error)

    def _write_waiting(self) -> bool:
        """Write what waits, and say whether there may be more to come."""
        with self._changed:
            if not self._is_stopping:
                self._changed.wait(SYNC_EVERY_S)
            records, self._waiting = self._waiting, deque()
            self._waiting_bytes = 0
            is_last = self._is_stopping
        for record in records:
            if not self._file.append(record):
                return False
            self.written_records += 1
        if records:
            self._file.sync()
            self.written_bytes = self._file.size_bytes
        return not is_last

    def _end(self) -> None:
        is_full = self._file.is_full
        now = self._monotonic_ms(), self._clock_ms()
        if self._missing_records and not is_full:
            gap = RecordsDropped(
                monotonic_ms=now[0],
                utc_ms=now[1],
                records=self._missing_records,
                size_bytes=self._missing_bytes,
            )
            self._file.append(gap)
        reason: Literal["stopped", "full"] = "full" if is_full else "stopped"
        self._file.close(Ended(monotonic_ms=now[0], utc_ms=now[1], reason=reason))
        self.written_bytes = self._file.size_bytes
        self._finish("full" if is_full else "closed")

    def _fail(self, error: OSError) -> None:
        self._file.abandon()
        self.failure = error.strerror or str(error)
        _log.warning("the recording ended: %s; the agent goes on without it", self.failure)
        self._finish("failed")

    def _finish(self, state: State) -> None:
        with self._changed:
            self.state = state
            self._waiting.clear()
            self._waiting_bytes = 0
        if state == "full":
            _log.warning("the recording is full at %d bytes and has ended", self.written_bytes)
