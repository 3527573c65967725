"""The first program of a guest: check what the last cut left, then write until the next one.

Runs as process 1 of a User-Mode Linux whose root is the host's file system, read-only. Its disk is
a file of the host, and what it has to say goes to a serial line.
"""

import os
import shutil
import sys
import threading
import time
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from simulators.powercut import kernel, notes
from simulators.powercut.load import Load
from simulators.powercut.old_release import leave_old_data_set
from simulators.powercut.opening import DataSet
from simulators.powercut.options import RENEW, Orders
from simulators.powercut.planted import plant_synchronous_normal
from simulators.powercut.told import Testimony

OLD_EPOCH: Final = 1
"""The epoch of a data set that an older release has made; ours are larger."""
EPOCHS_PER_BOOT: Final = 10_000
RESTARTS: Final = 0.3
"""How likely both programs are ended in peace and started again before they write."""
FEATURES: Final = {"failing": "error_writes", "vanishing": "drop_writes"}


class Guest:
    """One boot."""

    def __init__(self, orders: Orders, testimony: Testimony) -> None:
        self._orders: Final = orders
        self._testimony: Final = testimony
        self._rng: Final = Random(f"{orders.seed}/guest")
        self._root: Final = Path(orders.mount_point)
        self._epochs: Final = count(orders.boot * EPOCHS_PER_BOOT + 1)

    def run(self) -> None:
        """Do as ordered. Returns when nothing more is to be done."""
        orders, tell = self._orders, self._testimony.tell
        if orders.planted == "synchronous-normal":
            plant_synchronous_normal()
        device = self._device()
        tell(notes.Opening())
        kernel.mount(str(device), orders.mount_point, "ext4")
        os.environ["TMPDIR"] = os.environ["SQLITE_TMPDIR"] = orders.mount_point
        name = orders.data_set
        data = None if name is None else self._checked(name)
        if orders.is_check_only:
            return
        if data is None or name is None or self._testimony.answer() == RENEW:
            data = self._new_data_set(data, orders.new_data_set)
        elif self._rng.random() < RESTARTS:
            data.close()
            data = self._opened(name)
        if orders.disk in FEATURES:
            threading.Thread(target=self._spoil_disk, daemon=True).start()
        tell(notes.Loading())
        Load(data, orders.boot, orders.seed, self._testimony).run()

    def _device(self) -> Path:
        if self._orders.disk == "caching":
            flushes = self._orders.planted != "ignored-flush"
            return kernel.cached_disk(Random(f"{self._orders.seed}/disk"), flushes=flushes)
        return kernel.mapped_disk() if self._orders.disk in FEATURES else kernel.DISK

    def _checked(self, name: str) -> DataSet:
        began_s = time.monotonic()
        data = self._opened(name)
        data.survey()
        self._testimony.tell(notes.Opened(took_s=round(time.monotonic() - began_s, 3)))
        return data

    def _opened(self, name: str) -> DataSet:
        return DataSet(self._root / name, self._epochs, self._testimony)

    def _new_data_set(self, old: DataSet | None, name: str) -> DataSet:
        if old is not None:
            old.close()
        for entry in self._root.iterdir():
            if entry.name != "lost+found":
                shutil.rmtree(entry)
        os.sync()
        if not self._orders.is_old:
            self._testimony.tell(notes.Emptied())
            return self._opened(name)
        line = f"{self._orders.boot}.old"
        appends = leave_old_data_set(self._root / name, line, OLD_EPOCH)
        self._testimony.tell(notes.Emptied())
        self._testimony.tell(notes.EpochStarted(epoch=OLD_EPOCH))
        for n in range(1, appends + 1):
            self._testimony.tell(notes.Appended(line=line, n=n))
        return self._opened(name)

    def _spoil_disk(self) -> None:
        time.sleep(self._orders.disk_goes_after_ms / 1_000)
        switch = kernel.DiskSwitch(FEATURES[self._orders.disk])
        switch.suspend()
        self._testimony.tell(notes.DiskGone())
        switch.resume_spoilt()


def _end_with(testimony: Testimony, died: threading.ExceptHookArgs) -> None:
    """A thread has died of what nobody foresaw: tell it, and end the guest."""
    threading.__excepthook__(died)
    testimony.tell(notes.Problem(detail=repr(died.exc_value)))
    kernel.switch_off()


def main() -> None:
    """Entry point of the guest's first process; its argument is the file with the orders."""
    kernel.mount("proc", "/proc", "proc")
    kernel.mount("sysfs", "/sys", "sysfs")
    testimony = Testimony()
    threading.excepthook = partial(_end_with, testimony)
    testimony.tell(notes.Up(uptime_s=round(time.monotonic(), 2)))
    orders = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Orders)
    thread = threading.Thread(target=Guest(orders, testimony).run)
    thread.start()
    thread.join()
    kernel.switch_off()


if __name__ == "__main__":
    main()
