"""What a device driver is, independent of the actor that runs it.

A driver talks to one piece of hardware from one thread: the thread of its device actor. It is
opened, polled until it fails or is closed, and thrown away after a failure; the supervisor then
makes a new one. Readings go to the sinks that the driver was built with.
"""

from typing import Literal, Protocol

Health = Literal["starting", "healthy", "degraded", "lost", "stopped"]

POLL_MAX_MS = 250
"""A poll returns within this time, so that its actor stays responsive."""


class DeviceReport(Protocol):
    """Where a driver says how it is. Calls are cheap and thread-safe."""

    def health(self, health: Health, detail: str = "") -> None:
        """Tell a change of health; repeating the present health is free."""

    def count(self, *, readings: int = 0, facts: int = 0) -> None:
        """Add to the device's counters."""


class Driver(Protocol):
    """One piece of hardware. Every method raises `DeviceFault` when the device misbehaves."""

    name: str
    kind: str

    def open(self, report: DeviceReport) -> None:
        """Connect. Called once, before the first poll."""

    def poll(self) -> None:
        """Do one bounded piece of work, at most `POLL_MAX_MS` of waiting included."""

    def close(self) -> None:
        """Release everything. Never raises; called once, also after a fault or a failed open."""
