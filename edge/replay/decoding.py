"""From records to what sensing is given, in virtual time.

A running agent records when tag sensing decided and about which reports, and a replay then decides
at the same moments about the same reports. A recording made without an agent has no decisions: a
replay decides about each report as it comes, and every `TICK_MS` in between, as an agent would.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Final

from edge.devices.llrp_settings import LlrpSettings
from edge.recording.records import (
    CheckpointsHeld,
    DocumentLeftOut,
    DocumentTaken,
    Header,
    LlrpMessage,
    Opened,
    Record,
    RecordsDropped,
    RegistersRead,
    SensingStarted,
    SerialBytes,
    Stamped,
    TagsDecided,
)
from edge.replay.clock import VirtualClock
from edge.replay.inputs import (
    Begins,
    Document,
    Held,
    Input,
    ScaleOpened,
    ShelvesWeighed,
    TagsRead,
)
from edge.replay.reader import ReaderReplay
from edge.sensing.readings import TagReading

TICK_MS: Final = 100
"""How often tag sensing decides when nothing is read; the tag tracker's own pace."""
TICKS_PER_GAP_MAX: Final = 36_000
"""An hour; a longer gap between two records is jumped over after that."""
REPORTS_WAITING_MAX: Final = 100_000
"""Reports of one reader that no decision has taken: only a damaged recording has so many."""


class Decoding:
    """Decodes one recording. Counts what it could not use."""

    def __init__(self, header: Header, readers: Iterable[LlrpSettings]) -> None:
        self._clock = VirtualClock()
        self._started_ms = header.started_monotonic_ms
        self._readers = {each.name: ReaderReplay(each, self._clock) for each in readers}
        self._kinds = {each.name: each.kind for each in header.devices}
        self._reports: dict[str, deque[list[TagReading]]] = {
            name: deque(maxlen=REPORTS_WAITING_MAX) for name in self._readers
        }
        self._has_decisions = False
        self._ticked_ms: int | None = None
        self.records = 0
        self.readings = 0
        self.dropped_records = 0
        self.documents_left_out = 0
        self.serial_bytes = 0
        self.at_ms = 0
        """How far the recording was read, in milliseconds since it began."""
        self.unknown_devices: Counter[str] = Counter()
        """Records of devices that the settings do not have, or as another kind."""

    @property
    def faults(self) -> int:
        """How often what a reader sent ended its driver."""
        return sum(reader.faults for reader in self._readers.values())

    def inputs(self, record: Record) -> Iterator[Input]:
        """Yield what sensing is given because of one record."""
        self.records += 1
        self._clock.set(record.monotonic_ms, record.utc_ms)
        self.at_ms = max(self.at_ms, record.monotonic_ms - self._started_ms)
        if not isinstance(record, CheckpointsHeld):
            yield from self._ticks(record)
        yield from self._decoded(record)

    def _decoded(self, record: Record) -> Iterator[Input]:
        match record:
            case LlrpMessage():
                yield from self._message(record)
            case TagsDecided():
                yield self._decided(record)
            case RegistersRead():
                yield ShelvesWeighed(
                    self.at_ms, record.utc_ms, record.device, record.address, record.registers
                )
            case DocumentTaken():
                yield Document(self.at_ms, record.device, record.data)
            case CheckpointsHeld():
                yield Held(self.at_ms, record.values)
            case SensingStarted():
                self._has_decisions = True
                yield Begins(self.at_ms, record.utc_ms)
            case Opened():
                yield from self._opened(record)
            case _:
                self._count(record)

    def _count(self, record: Record) -> None:
        match record:
            case RecordsDropped():
                self.dropped_records += record.records
            case DocumentLeftOut():
                self.documents_left_out += 1
            case SerialBytes():
                self.serial_bytes += len(record.data)

    def _opened(self, record: Opened) -> Iterator[Input]:
        reader = self._readers.get(record.device)
        if reader is not None:
            reader.opened()
        elif self._kinds.get(record.device) == "shelf_scale":
            yield ScaleOpened(self.at_ms, record.device)

    def _message(self, record: LlrpMessage) -> Iterator[Input]:
        reader = self._readers.get(record.device)
        if reader is None:
            self.unknown_devices[record.device] += 1
            return
        for report in reader.take(record.data):
            self.readings += len(report)
            if self._has_decisions:
                self._reports[record.device].append(report)
            else:
                self._ticked_ms = record.monotonic_ms
                yield TagsRead(self.at_ms, record.utc_ms, report)

    def _decided(self, record: TagsDecided) -> TagsRead:
        readings: list[TagReading] = []
        for name in record.readers:
            waiting = self._reports.get(name)
            if waiting:  # Else it was dropped, or its reader is not in the settings.
                readings += waiting.popleft()
        return TagsRead(self.at_ms, record.utc_ms, readings)

    def _ticks(self, record: Stamped) -> Iterator[Input]:
        if self._has_decisions or not self._readers:
            return
        if self._ticked_ms is None:
            self._ticked_ms = record.monotonic_ms
            yield Begins(self.at_ms, record.utc_ms)
            return
        due = max(0, record.monotonic_ms - self._ticked_ms) // TICK_MS
        for number in range(min(due, TICKS_PER_GAP_MAX)):
            before_ms = record.monotonic_ms - self._ticked_ms - (number + 1) * TICK_MS
            utc_ms = max(0, record.utc_ms - before_ms)
            yield TagsRead(max(0, self.at_ms - before_ms), utc_ms, [])
        self._ticked_ms += due * TICK_MS
