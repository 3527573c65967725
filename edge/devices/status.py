"""How every device of the store is: written by drivers and supervisor, read by anybody."""

import threading
from collections.abc import Callable

import msgspec

from edge.devices.driver import Health
from protocol.documents import DeviceStatus


class StatusBoard:
    """Health and counters per device. All methods are thread-safe and never wait for a device.

    `on_health(name, health, detail)` is called on the thread that tells a change.
    """

    def __init__(self, on_health: Callable[[str, Health, str], None]) -> None:
        self._on_health = on_health
        self._lock = threading.Lock()
        self._devices: dict[str, DeviceStatus] = {}

    def add(self, name: str, kind: str) -> "DeviceLine":
        """Begin a device's line and return where its driver reports."""
        with self._lock:
            self._devices[name] = DeviceStatus(name=name, kind=kind, health="starting")
        return DeviceLine(self, name)

    def snapshot(self) -> list[DeviceStatus]:
        """Return the present status of all devices, by name."""
        with self._lock:
            return sorted(self._devices.values(), key=lambda device: device.name)

    def tell_health(self, name: str, health: Health, detail: str) -> None:
        """Record a health; the present one again is free."""
        with self._lock:
            device = self._devices[name]
            if (device.health, device.detail) == (health, detail):
                return
            self._devices[name] = msgspec.structs.replace(device, health=health, detail=detail)
        self._on_health(name, health, detail)

    def add_counts(self, name: str, readings: int, facts: int, restarts: int) -> None:
        """Add to a device's counters."""
        with self._lock:
            device = self._devices[name]
            self._devices[name] = msgspec.structs.replace(
                device,
                readings=device.readings + readings,
                facts=device.facts + facts,
                restarts=device.restarts + restarts,
            )


class DeviceLine:
    """One device's line on the board: the `DeviceReport` its driver is given."""

    def __init__(self, board: StatusBoard, name: str) -> None:
        self._board = board
        self._name = name

    def health(self, health: Health, detail: str = "") -> None:
        """See `DeviceReport.health`."""
        self._board.tell_health(self._name, health, detail)

    def count(self, *, readings: int = 0, facts: int = 0) -> None:
        """See `DeviceReport.count`."""
        self._board.add_counts(self._name, readings, facts, 0)

    def restarted(self) -> None:
        """Count one restart."""
        self._board.add_counts(self._name, 0, 0, 1)
