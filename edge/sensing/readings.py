"""Raw readings: what devices saw, before anybody decides what it means."""

from typing import NamedTuple, Protocol

from protocol.ids import Epc


class TagReading(NamedTuple):
    """One tag as one antenna reported it, times on the gateway's clock.

    Phase (degrees, 0 to 360) and Doppler shift are of the last read, from readers that tell them.
    """

    reader: str
    antenna: int
    epc: Epc
    rssi_dbm: float
    first_seen_ms: int
    last_seen_ms: int
    seen_count: int
    phase_deg: float | None = None
    doppler_hz: float | None = None


class TagSink(Protocol):
    """Where reader drivers put what they read."""

    def observe(self, readings: list[TagReading]) -> None:
        """Take readings in; blocks while the sink is full, so TCP pushes back on the reader."""
