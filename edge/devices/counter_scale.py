"""The `counter_scale` device: a weighing scale on a serial line that is asked for its weight.

It makes no facts: what lies at rest goes to the board, where a scanner that counts or receives
finds it, and how the scale is goes to its health. Trouble is told when two answers in a row say
so, since a hand on the plate is none. Runs on its device actor's thread.
"""

from collections.abc import Callable
from typing import Final

from edge.devices.counter_scale_settings import CounterScaleSettings
from edge.devices.driver import DeviceReport
from edge.devices.scale_dialects import Answer, Garbled, Nci, ScaleDialect, Toledo8217
from edge.devices.serial_line import SerialLine
from edge.devices.weight_board import WeightBoard
from edge.recording.tap import NO_TAP, Tap
from edge.sensing.placements import CounterReading, Placements, trouble_of

READ_WAIT_S: Final = 0.1
UNANSWERED_MAX: Final = 3
"""So many questions in a row without an answer are a scale that is not there."""
GARBLED_MAX: Final = 5
"""So many garbled answers in a row are a line that is set wrongly, or broken."""
ANSWERS_UNTIL_TOLD: Final = 2
MOVING_MS_MAX: Final = 30_000
"""Goods come to rest within a second; something leans on a scale that moves for so long."""


class CounterScaleDriver:
    """Asks one scale. `clock_ms` numbers placements, `monotonic_ms` times the questions."""

    kind = "counter_scale"

    def __init__(
        self,
        settings: CounterScaleSettings,
        weights: WeightBoard,
        clock_ms: Callable[[], int],
        monotonic_ms: Callable[[], int],
        *,
        tap: Tap = NO_TAP,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._weights = weights
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._tap = tap
        self._line = SerialLine(settings.name, settings, READ_WAIT_S, tap)
        self._dialect: ScaleDialect = (
            Nci() if settings.dialect == "nci" else Toledo8217(settings.unit)
        )
        self._asked_ms: int | None = None
        self._due_ms = 0
        self._unanswered = 0
        self._garbled = 0
        self._moving_since_ms: int | None = None
        self._seen: tuple[str | None, int] = (None, 0)

    def open(self, report: DeviceReport) -> None:
        """Open the line; the scale is healthy once it has answered. Raises `DeviceFault`."""
        self._report = report
        self._line.open()
        self._tap.opened(self.name, self._monotonic_ms(), self._clock_ms())
        # Unique among all lives of this device, so that no two placements share a number.
        self._placements = Placements(self._clock_ms())
        self._due_ms = self._monotonic_ms()

    def poll(self) -> None:
        """Ask when it is due, and take in what comes. Raises `DeviceFault`."""
        if self._asked_ms is None and self._monotonic_ms() >= self._due_ms:
            self._line.write(self._dialect.request)
            self._asked_ms = self._monotonic_ms()
        for answer in self._dialect.feed(self._line.read()):
            self._take(answer)
        self._check_silence()

    def close(self) -> None:
        """Release the line."""
        self._weights.put(self.name, None)
        self._line.close()

    def _take(self, answer: Answer) -> None:
        self._answered()
        if isinstance(answer, Garbled):
            self._garbled += 1
            self._weights.put(self.name, None)
            if self._garbled >= GARBLED_MAX:
                raise self._line.fault(f"{self._garbled} garbled answers in a row: {answer.reason}")
            self._tell(f"garbled answer: {answer.reason}")
            return
        self._garbled = 0
        self._weights.put(self.name, self._placements.read(answer))
        self._report.count(readings=1)
        self._tell(self._trouble(answer))

    def _trouble(self, reading: CounterReading) -> str | None:
        if not reading.is_moving:
            self._moving_since_ms = None
        elif self._moving_since_ms is None:
            self._moving_since_ms = self._monotonic_ms()
        elif self._monotonic_ms() - self._moving_since_ms > MOVING_MS_MAX:
            return trouble_of(reading) or "it does not come to rest"
        return trouble_of(reading)

    def _answered(self) -> None:
        self._unanswered = 0
        if self._asked_ms is not None:
            self._due_ms = self._asked_ms + self._settings.poll_ms
            self._asked_ms = None

    def _check_silence(self) -> None:
        if self._asked_ms is None:
            return
        if self._monotonic_ms() - self._asked_ms <= self._settings.timeout_ms:
            return
        self._weights.put(self.name, None)
        self._unanswered += 1
        self._asked_ms = None
        if self._unanswered >= UNANSWERED_MAX:
            silent_ms = UNANSWERED_MAX * self._settings.timeout_ms
            raise self._line.fault(
                f"silent: no answer to {UNANSWERED_MAX} questions, {silent_ms} ms"
            )

    def _tell(self, trouble: str | None) -> None:
        before, times = self._seen
        times = times + 1 if trouble == before else 1
        self._seen = (trouble, times)
        if trouble is None:
            self._report.health("healthy")
        elif times == ANSWERS_UNTIL_TOLD:
            self._report.health("degraded", trouble[:200])
