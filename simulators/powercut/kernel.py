"""What a guest asks of its own kernel: mounts, modules, switching off, block devices."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
from pathlib import Path
from random import Random
from typing import Final

from simulators.powercut.errors import PowercutFailed
from simulators.powercut.write_cache import WriteCache, serve

DISK: Final = Path("/dev/ubda")
CACHED_DISK: Final = Path("/dev/nbd0")
MAPPED_DISK: Final = Path("/dev/mapper/stocktruth")
MODULES: Final = Path("/usr/lib/uml/modules")
SECTOR_BYTES: Final = 512
FOR_EVER_S: Final = 1_000_000

_FINIT_MODULE: Final = 313
"""The number of this system call on x86-64, which has no function in glibc."""
_SET_SOCKET, _SET_BLOCK_SIZE, _SET_BLOCKS, _SET_FLAGS = 0xAB00, 0xAB01, 0xAB07, 0xAB0A
_DO_IT: Final = 0xAB03
_HAS_FLAGS, _SENDS_FLUSH, _SENDS_FUA = 1, 4, 8

_libc: Final = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str) -> None:
    """Mount a file system. Raises `OSError`."""
    done = _libc.mount(source.encode(), target.encode(), kind.encode(), 0, None)
    _raise_if_failed(done, f"mount {source} on {target}")


def unmount(target: str) -> None:
    """Unmount a file system. Raises `OSError`."""
    _raise_if_failed(_libc.umount(target.encode()), f"unmount {target}")


def load_module(path: str, parameters: str = "") -> None:
    """Load a module, given by its place below the kernel's folder. Raises `OSError`."""
    file = MODULES / os.uname().release / "kernel" / f"{path}.ko"
    descriptor = os.open(file, os.O_RDONLY)
    try:
        done = _libc.syscall(_FINIT_MODULE, descriptor, parameters.encode(), 0)
        _raise_if_failed(done, f"load {path}")
    finally:
        os.close(descriptor)


def switch_off() -> None:
    """Switch the guest off, without syncing anything. Does not return."""
    Path("/proc/sysrq-trigger").write_text("o")
    signal.pause()


def cached_disk(rng: Random, *, flushes: bool) -> Path:
    """Put a cache in front of the disk (`write_cache`), and return the device to use."""
    load_module("drivers/block/nbd", "nbds_max=1")
    kernel_end, our_end = socket.socketpair()
    disk = os.open(DISK, os.O_RDWR | os.O_DSYNC)
    if os.fork() == 0:
        kernel_end.close()
        serve(our_end, WriteCache(disk, rng, flushes=flushes))
        os._exit(0)
    our_end.close()
    device = os.open(CACHED_DISK, os.O_RDWR)
    fcntl.ioctl(device, _SET_BLOCK_SIZE, SECTOR_BYTES)
    fcntl.ioctl(device, _SET_BLOCKS, disk_sectors())
    fcntl.ioctl(device, _SET_FLAGS, _HAS_FLAGS | _SENDS_FLUSH | _SENDS_FUA)
    fcntl.ioctl(device, _SET_SOCKET, kernel_end.fileno())
    if os.fork() == 0:
        fcntl.ioctl(device, _DO_IT)  # It returns when the device is disconnected.
        os._exit(0)
    kernel_end.close()
    os.close(device)
    return CACHED_DISK


def mapped_disk() -> Path:
    """Map the disk through dm-flakey, which may spoil it later, and return the device to use."""
    load_module("drivers/md/dm-mod")
    load_module("drivers/md/dm-flakey")
    _dmsetup("create", MAPPED_DISK.name, "--table", _table(up_s=FOR_EVER_S, down_s=0, feature=None))
    return MAPPED_DISK


class DiskSwitch:
    """Makes the mapped disk fail or vanish. Prepared beforehand, so that nothing waits for it."""

    def __init__(self, feature: str) -> None:
        self._feature: Final = feature

    def suspend(self) -> None:
        """Let what is under way end, and nothing new begin."""
        _dmsetup("suspend", "--noflush", "--nolockfs", MAPPED_DISK.name)

    def resume_spoilt(self) -> None:
        """Go on as a disk that fails (`error_writes`) or that writes nothing (`drop_writes`)."""
        table = _table(up_s=0, down_s=FOR_EVER_S, feature=self._feature)
        _dmsetup("load", MAPPED_DISK.name, "--table", table)
        _dmsetup("resume", MAPPED_DISK.name)


def disk_sectors() -> int:
    """Return the size of the disk."""
    return int(Path(f"/sys/block/{DISK.name}/size").read_text())


def _table(*, up_s: int, down_s: int, feature: str | None) -> str:
    features = "" if feature is None else f" 1 {feature}"
    return f"0 {disk_sectors()} flakey {DISK} 0 {up_s} {down_s}{features}"


def _dmsetup(*arguments: str) -> None:
    command = ["dmsetup", *arguments]
    # No udev runs in the guest: dmsetup makes the device's name itself.
    environment = os.environ | {"DM_DISABLE_UDEV": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PowercutFailed(f"{' '.join(command)}: {done.stderr.strip()}")


def _raise_if_failed(done: int, what: str) -> None:
    if done:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
