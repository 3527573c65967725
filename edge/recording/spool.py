"""A till's spool, looked at while it is recorded without an agent: nothing in it is touched.

The documents stay for the agent that will take them. Runs on its device actor's thread.
"""

import heapq
import os
import threading
from pathlib import Path
from typing import Final

from edge.devices.driver import DeviceReport
from edge.devices.pos_journal_settings import PosJournalSettings
from edge.errors import DeviceFault
from edge.recording.tap import Tap

LOOK_EVERY_S: Final = 0.2
FILES_PER_LOOK_MAX: Final = 10_000


class SpoolRecorder:
    """Shows each document of a spool to the tap once, in name order; a changed one once more."""

    kind = "pos_journal"

    def __init__(self, settings: PosJournalSettings, tap: Tap) -> None:
        self.name = settings.name
        self._spool = Path(settings.spool)
        self._file_bytes_max = settings.file_bytes_max
        self._tap = tap
        self._seen: set[tuple[str, int, int]] = set()
        self._closed = threading.Event()

    def open(self, report: DeviceReport) -> None:
        """Look whether the spool is there. Raises `DeviceFault`."""
        if not self._spool.is_dir():
            raise DeviceFault(f"{self.name}: spool {self._spool}: there is no such directory")
        self._report = report
        report.health("healthy")

    def poll(self) -> None:
        """Show what is new, then wait a little. Raises `DeviceFault`."""
        try:
            self._look()
        except OSError as error:
            raise DeviceFault(f"{self.name}: spool {self._spool}: {error}") from error
        self._closed.wait(LOOK_EVERY_S)

    def close(self) -> None:
        """Wait no longer."""
        self._closed.set()

    def _look(self) -> None:
        with os.scandir(self._spool) as entries:
            names = (each.name for each in entries if each.is_file(follow_symlinks=False))
            documents = (name for name in names if name.endswith(".xml") and name[0] != ".")
            found = heapq.nsmallest(FILES_PER_LOOK_MAX, documents)
        present: set[tuple[str, int, int]] = set()
        for name in found:
            try:
                present.add(self._show(name))
            except FileNotFoundError:
                continue  # Somebody took it away after the look.
        self._seen = present  # What is gone will not be asked for again.

    def _show(self, name: str) -> tuple[str, int, int]:
        path = self._spool / name
        status = path.stat()
        version = (name, status.st_mtime_ns, status.st_size)
        if version not in self._seen and status.st_size <= self._file_bytes_max:
            with path.open("rb") as file:
                self._tap.document(self.name, file.read(self._file_bytes_max))
            self._report.count(readings=1)
        return version
