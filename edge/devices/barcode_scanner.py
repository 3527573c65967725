"""The `barcode_scanner` device: a hand scanner on a serial line.

In mode `count` and `receive` each accepted scan is a step of an open document, durable before the
next one is looked at, so that neither a pulled plug nor a restart loses a count; the facts commit
in the transaction that forgets the steps. In mode `till` scans are only watched. While the outbox
is full, scans wait: at most one read of the line, the rest in the kernel. Runs on its device
actor's thread.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from edge.devices.barcode_scanner_settings import BarcodeScannerSettings
from edge.devices.driver import POLL_MAX_MS, DeviceReport
from edge.devices.scan_documents import ScanDocuments
from edge.devices.scan_framing import ScanFramer, Unreadable
from edge.devices.serial_line import SerialLine
from edge.devices.weight_board import WeightBoard
from edge.errors import OutboxFull
from edge.mirror.sqlite import MirrorFailed
from edge.outbox.port import Outbox
from edge.recording.tap import NO_TAP, Tap
from edge.sensing.barcodes import Barcode, BarcodeRejected, ItemScan, parse_barcode
from edge.sensing.scan_repeats import RepeatWatch, Run
from edge.sensing.scans import (
    Circumstances,
    Decision,
    Dropped,
    Finished,
    NeedsWeight,
    Refused,
    decide,
    weighed,
)
from protocol.facts import Measure

READ_WAIT_S: Final = 0.15
BEL: Final = b"\x07"
UNREADABLE_MAX: Final = 20
"""So many unreadable scans in a row are a line that is set wrongly, or broken."""

_log = logging.getLogger(__name__)

MeasureOf = Callable[[str], Measure | None]
"""Returns how the cloud counts a GTIN, `None` if it has not said. Raises `MirrorFailed`."""


class BarcodeScannerDriver:
    """Reads one scanner. `clock_ms` dates scans, `monotonic_ms` bounds waiting for a weight."""

    kind = "barcode_scanner"

    def __init__(
        self,
        settings: BarcodeScannerSettings,
        outbox: Outbox,
        weights: WeightBoard,
        measure_of: MeasureOf,
        clock_ms: Callable[[], int],
        monotonic_ms: Callable[[], int],
        *,
        tap: Tap = NO_TAP,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._weights = weights
        self._measure_of = measure_of
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._tap = tap
        self._sleep = sleep
        self._line = SerialLine(settings.name, settings, READ_WAIT_S, tap)
        self._framer = ScanFramer()
        self._scans: deque[str | Unreadable] = deque()
        self._repeats = RepeatWatch(settings.repeats_told)
        self._unreadable = 0
        self._waiting: tuple[ItemScan, int] | None = None
        purpose = settings.mode
        self._documents = None if purpose == "till" else ScanDocuments(settings, purpose, outbox)

    def open(self, report: DeviceReport) -> None:
        """Open the line and take up the document that was open. Raises `DeviceFault`."""
        self._report = report
        self._line.open()
        self._tap.opened(self.name, self._monotonic_ms(), self._clock_ms())
        if self._documents is not None:
            try:
                self._documents.restore()
            except msgspec.MsgspecError as error:
                raise self._line.fault(f"its stored document is damaged: {error}") from error
        self._tell_well()

    def poll(self) -> None:
        """Handle one scan, or wait for one. Raises `DeviceFault`."""
        if not self._scans:
            self._scans.extend(self._framer.feed(self._line.read()))
        try:
            if self._scans:
                self._handle(self._scans[0])
                self._scans.popleft()
            else:
                self._when_quiet()
        except OutboxFull:
            # The scan stays in front; nothing more is read, so the line itself pushes back.
            self._report.health("degraded", "the outbox is full; scans wait")
            self._sleep(POLL_MAX_MS / 1000)

    def close(self) -> None:
        """Release the line. An open document stays, with all that was scanned."""
        self._line.close()

    def _handle(self, scan: str | Unreadable) -> None:
        if isinstance(scan, Unreadable):
            self._refuse(f"unreadable scan: {scan}")
            self._unreadable += 1
            if self._unreadable >= UNREADABLE_MAX:
                raise self._line.fault(f"{self._unreadable} unreadable scans in a row: {scan}")
            return
        self._unreadable = 0
        try:
            barcode = parse_barcode(scan, self._settings.weight_prefixes)
        except BarcodeRejected as error:
            self._refuse(str(error))
            return
        if self._documents is None:
            self._watch(barcode)
        else:
            self._decide(self._documents, barcode)
        self._report.count(readings=1)

    def _watch(self, barcode: Barcode) -> None:
        if isinstance(barcode, ItemScan):
            run = self._repeats.scanned(barcode.gtin, self._monotonic_ms())
            self._report.health("healthy", _told(run))

    def _decide(self, documents: ScanDocuments, barcode: Barcode) -> None:
        if self._waiting is not None:
            item, _ = self._waiting
            self._waiting = None
            _log.info("%s: %s was not weighed; the next code came first", self.name, item.gtin)
        scale = self._settings.scale
        known: Measure | None = None
        if isinstance(barcode, ItemScan):
            try:
                known = self._measure_of(barcode.gtin)
            except MirrorFailed as error:
                self._refuse(f"how {barcode.gtin} is counted cannot be looked up: {error}")
                return
        at = Circumstances(
            now_ms=self._clock_ms(),
            measure=known,
            has_scale=scale is not None,
            placement=None if scale is None else self._weights.on(scale),
        )
        self._carry_out(documents, decide(documents.desk, barcode, at))

    def _carry_out(self, documents: ScanDocuments, decision: Decision) -> None:
        match decision:
            case Refused():
                self._refuse(decision.reason)
                return
            case NeedsWeight():
                self._waiting = (decision.item, self._monotonic_ms())
                return
            case Finished():
                if documents.is_taken(decision):
                    documents.drop()
                    self._refuse(f"{decision.document} was received before, with the same goods")
                    return
                documents.finish(decision)
                self._report.count(facts=len(decision.facts))
                _log.info("%s: %s: %d items", self.name, decision.document, len(decision.facts))
            case Dropped():
                documents.drop()
                _log.info("%s: %s was cancelled", self.name, decision.document)
            case _:
                documents.take(decision)
        self._tell_well()

    def _when_quiet(self) -> None:
        if self._documents is None:
            run = self._repeats.quiet(self._monotonic_ms())
            if run is not None:
                self._report.health("healthy", _told(run))
        elif self._waiting is not None:
            self._weigh(self._documents, *self._waiting)

    def _weigh(self, documents: ScanDocuments, item: ItemScan, since_ms: int) -> None:
        scale = self._settings.scale
        placement = None if scale is None else self._weights.on(scale)
        if placement is not None:
            decision = weighed(documents.desk, item, placement, self._clock_ms())
            self._carry_out(documents, decision)
            self._waiting = None
        elif self._monotonic_ms() - since_ms > self._settings.weighing_timeout_ms:
            self._waiting = None
            self._refuse(f"{item.gtin} was not laid on the scale {scale} in time")

    def _refuse(self, reason: str) -> None:
        shown = "".join(each if each.isprintable() else "?" for each in reason)
        _log.warning("%s: %s", self.name, shown)
        self._report.health("degraded", shown[:200])
        if self._settings.beep_on_refusal:
            self._line.write(BEL)

    def _tell_well(self) -> None:
        document = None if self._documents is None else self._documents.desk.document
        self._report.health("healthy", "" if document is None else f"{document.document} is open")


def _told(run: Run | None) -> str:
    return "" if run is None else f"{run.gtin} was scanned {run.times} times in a row"
