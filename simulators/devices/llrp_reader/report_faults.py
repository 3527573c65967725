"""What a faulty reader or network does to reports on their way (pure).

`duplicate_reports` sends each twice, `lose_reports` loses every second one, `late_reports` holds
every second one back, so that it comes after younger ones. At most `late_reports_max` are on
their way; beyond it the oldest is sent at once, since late is not lost.
"""

from collections import deque
from collections.abc import Set

from simulators.devices.llrp_reader.reports import TagReport
from simulators.devices.llrp_reader.settings import ReaderSettings, ReaderStats


class ReportFaults:
    """Between a reader's buffer and its client. `active` has the faults that are on."""

    def __init__(self, active: Set[str], settings: ReaderSettings, stats: ReaderStats) -> None:
        self._active = active
        self._settings = settings
        self._stats = stats
        self._number = 0
        self._late: deque[tuple[int, TagReport]] = deque()

    @property
    def due_ms(self) -> int | None:
        """When the oldest late report is to be sent."""
        return self._late[0][0] if self._late else None

    def sent(self, report: TagReport, now_ms: int) -> list[TagReport]:
        """Return what to send now instead of a report."""
        if not self._active:
            return [report]
        self._number += 1
        is_second = self._number % 2 == 0
        if "lose_reports" in self._active and is_second:
            self._stats.reads_dropped += report.reads
            return []
        if "late_reports" in self._active and is_second:
            self._late.append((now_ms + self._settings.late_ms, report))
            if len(self._late) <= self._settings.late_reports_max:
                return []
            report = self._late.popleft()[1]
        return [report, report] if "duplicate_reports" in self._active else [report]

    def due(self, now_ms: int) -> list[TagReport]:
        """Return the late reports whose time has come; all of them when the fault is over."""
        due = []
        is_over = "late_reports" not in self._active
        while self._late and (is_over or self._late[0][0] <= now_ms):
            due.append(self._late.popleft()[1])
        return due

    def forget(self) -> None:
        """Lose power."""
        self._stats.reads_forgotten += sum(report.reads for _, report in self._late)
        self._late.clear()
