"""`stocktruth-sim fault`: what it asks of a running store, and what it prints."""

from collections.abc import Iterator
from pathlib import Path

from simulators.devices.fault_control import SOCKET_NAME, FaultRequest, ask
from simulators.errors import FaultRefused


def newest_store(folder: Path) -> Path:
    """Return the store that was started last below a folder. Raises `FaultRefused`."""
    sockets = sorted(folder.glob(f"**/{SOCKET_NAME}"), key=lambda path: path.stat().st_mtime_ns)
    if not sockets:
        raise FaultRefused(f"no store runs below {folder}: start one, or name its folder by --dir")
    return sockets[-1].parent


def fault_lines(
    folder: Path, device: str, kind: str, *, for_s: float, heal: bool, listing: bool
) -> Iterator[str]:
    """Carry a fault out and return what is to be printed. Raises `FaultRefused`."""
    if not listing and not (device and (kind or heal)):
        raise FaultRefused("say DEVICE and KIND; --list shows which there are")
    if listing:
        answer = ask(folder, FaultRequest())
        for name, kinds in sorted(answer.kinds.items()):
            yield name
            for each, meaning in kinds.items():
                yield f"  {each:<20} {meaning}"
        return
    answer = ask(folder, FaultRequest(device=device, kind=kind, heal=heal, for_s=for_s))
    if answer.refused:
        raise FaultRefused(answer.refused)
    yield answer.done
