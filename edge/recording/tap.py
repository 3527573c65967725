"""The tap: where drivers and tag tracker say what came, before anybody decides what it means.

Every call returns at once, whatever becomes of the recording: a device never waits for it.
Thread-safe. Times are milliseconds on the gateway's clocks.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol


class Tap(Protocol):
    """Where raw device data is shown."""

    def opened(self, device: str, monotonic_ms: int, utc_ms: int) -> None:
        """A driver has connected to its device."""

    def llrp_message(self, device: str, data: bytes, monotonic_ms: int, utc_ms: int) -> None:
        """A whole LLRP message came; the times are those it is decoded with."""

    def registers(
        self, device: str, address: int, values: Sequence[int], monotonic_ms: int, utc_ms: int
    ) -> None:
        """A scale's input registers from `address` on were read."""

    def document(self, device: str, data: bytes) -> None:
        """A till's document was taken: its facts are durable; or it was refused."""

    def serial_bytes(self, device: str, data: bytes) -> None:
        """Bytes of a peripheral came."""

    def sensing_started(self, utc_ms: int) -> None:
        """Tag sensing began, at this time of its own clock."""

    def decided(self, utc_ms: int, readers: Iterable[str]) -> None:
        """Tag sensing is about to decide about reports of these readers, in this order."""


class NoTap:
    """Nothing is recorded."""

    def opened(self, device: str, monotonic_ms: int, utc_ms: int) -> None:
        """See `Tap.opened`."""

    def llrp_message(self, device: str, data: bytes, monotonic_ms: int, utc_ms: int) -> None:
        """See `Tap.llrp_message`."""

    def registers(
        self, device: str, address: int, values: Sequence[int], monotonic_ms: int, utc_ms: int
    ) -> None:
        """See `Tap.registers`."""

    def document(self, device: str, data: bytes) -> None:
        """See `Tap.document`."""

    def serial_bytes(self, device: str, data: bytes) -> None:
        """See `Tap.serial_bytes`."""

    def sensing_started(self, utc_ms: int) -> None:
        """See `Tap.sensing_started`."""

    def decided(self, utc_ms: int, readers: Iterable[str]) -> None:
        """See `Tap.decided`."""


NO_TAP: Final = NoTap()
