"""Drain one spool in a process of its own and print the peak of its memory in MB."""

import resource
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
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(str(peak_kb // 1024))


if __name__ == "__main__":
    main()
