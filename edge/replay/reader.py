"""One reader of a recording: the real `LlrpDriver`, connected to the messages that were recorded.

The driver decodes, corrects clocks and judges exactly as it does live, since it is the same code;
what it sends goes nowhere. A fault ends it as it ended the live one, until the recording connects
again.
"""

import logging
from typing import Any, Final, cast

import msgspec

from edge.devices.driver import Driver
from edge.devices.llrp_settings import LlrpSettings
from edge.errors import DeviceFault
from edge.recording.nowhere import SILENT
from edge.replay.clock import VirtualClock
from edge.sensing.readings import TagReading

FOREVER_MS: Final = 2**62
"""Silence is for the live driver to judge: it has closed the connection, or it has not."""

_log = logging.getLogger(__name__)


class RecordedStream:
    """The part of a socket that a driver uses: what was fed is received, what is sent is lost."""

    def __init__(self) -> None:
        self._pending = b""

    @property
    def is_drained(self) -> bool:
        """Whether everything fed was received."""
        return not self._pending

    def feed(self, data: bytes) -> None:
        """Have this received next."""
        self._pending += data

    def recv(self, size_bytes: int) -> bytes:
        """Return what is there; never waits."""
        if not self._pending:
            raise TimeoutError
        data, self._pending = self._pending[:size_bytes], self._pending[size_bytes:]
        return data

    def sendall(self, data: bytes) -> None:
        """Lose what the driver says to the reader."""

    def settimeout(self, timeout_s: float | None) -> None:
        """Nothing waits."""

    def setsockopt(self, *option: int) -> None:
        """Nothing has options."""

    def close(self) -> None:
        """Nothing is held."""


class ReaderReplay:
    """Turns one reader's recorded messages into reports of readings."""

    def __init__(self, settings: LlrpSettings, clock: VirtualClock) -> None:
        self._settings = msgspec.structs.replace(settings, silence_timeout_ms=FOREVER_MS)
        self._clock = clock
        self._stream = RecordedStream()
        self._driver: Driver | None = None
        self._is_faulty = False
        self._reports: list[list[TagReading]] = []
        self.faults = 0
        """How often what was recorded ended the driver."""

    def opened(self) -> None:
        """The live driver connected here."""
        # Imported here only: a recording without readers never loads the GPL-licensed client.
        from edge.devices.llrp import LlrpDriver  # noqa: PLC0415

        stream = self._stream = RecordedStream()
        self._driver = LlrpDriver(
            self._settings,
            self,
            self._clock.utc_ms,
            self._clock.monotonic_ms,
            connect=lambda _address, _timeout_s: cast("Any", stream),
        )
        self._driver.open(SILENT)
        self._is_faulty = False

    def take(self, message: bytes) -> list[list[TagReading]]:
        """Decode a message; return the reports in it, none of them empty."""
        if self._driver is None and not self._is_faulty:
            self.opened()  # That it connected is missing in the recording.
        self._stream.feed(message)
        try:
            while self._driver is not None and not self._stream.is_drained:
                self._driver.poll()
        except DeviceFault as error:
            self._end(str(error))
        except Exception as error:  # noqa: BLE001 # As live: whatever a driver raises ends it.
            self._end(f"{self._settings.name}: {error!r}")
        reports, self._reports = self._reports, []
        return reports

    def observe(self, readings: list[TagReading]) -> None:
        """See `TagSink.observe`."""
        self._reports.append(readings)

    def _end(self, why: str) -> None:
        _log.info("%s", why)
        self.faults += 1
        self._driver = None
        self._is_faulty = True
