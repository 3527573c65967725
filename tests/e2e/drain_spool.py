"""Drain one spool in a process of its own and print the peak of its memory in MB."""

import sys
from pathlib import Path

from edge.devices.pos_journal import PosJournalDriver
from edge.devices.pos_journal_settings import PosJournalSettings
from tests.device_fakes import MemoryOutbox, RememberingReport, poll_until


def main() -> None:
    folder = Path(sys.argv[1])
    settings = PosJournalSettings(name="till-1", spool=str(folder))
    driver = PosJournalDriver(settings, MemoryOutbox(), lambda: 0)
    driver.open(RememberingReport())
    poll_until(driver, lambda: not any(folder.iterdir()))
    driver.close()
    peak_kb = _peak_kb()
    sys.stdout.write(str(peak_kb // 1024))


def _peak_kb() -> int:
    # `ru_maxrss` would begin with the size of the process that started this one.
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


if __name__ == "__main__":
    main()
