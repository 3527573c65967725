"""From the decoded tags of an RO_ACCESS_REPORT to tag readings on the gateway's clock.

Pure. A tag is the mapping that sllurp makes of a TagReportData (LLRP 1.0.1, section 13.2.3): EPCs
are hexadecimal bytes, times are microseconds of the reader's UTC clock, or of its uptime when it
has no UTC clock. Impinj's extensions tell RSSI in 1/100 dBm, the phase in 1/4096 of a turn and the
Doppler shift in 1/16 Hz (Impinj, "Octane LLRP", and llrpkit's `TagReport`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from edge.devices.llrp_clock import ReaderClock, Received
from edge.devices.llrp_framing import LlrpViolation
from edge.sensing.readings import TagReading
from protocol.ids import Epc

EPC_BYTES_MAX: Final = 62
"""The longest EPC that a tag can hold: 31 words (GS1 Gen2, section 6.3.2.1.2.2)."""

_EPC_96_DIGITS: Final = 24
RSSI_UNKNOWN_DBM: Final = -128.0
RSSI_PER_DB: Final = 100
PHASE_DEG: Final = 360 / 4_096
DOPPLER_HZ: Final = 1 / 16

Tag = Mapping[str, Any]


class ReaderClocks:
    """The two clocks that a reader may stamp with."""

    def __init__(self) -> None:
        self.utc: Final = ReaderClock()
        self.uptime: Final = ReaderClock()

    def hear_event(self, event: Mapping[str, Any], received: Received) -> None:
        """Learn from the timestamp of a READER_EVENT_NOTIFICATION."""
        for key, clock in (("UTCTimestamp", self.utc), ("Uptime", self.uptime)):
            if key in event:
                clock.observe(event[key]["Microseconds"], received)

    def hear_report(self, tags: Sequence[Tag], received: Received) -> None:
        """Learn from a report: its freshest tag was seen just before it was sent."""
        for kind, clock in (("UTC", self.utc), ("Uptime", self.uptime)):
            key = f"LastSeenTimestamp{kind}"
            stamps = [tag[key] for tag in tags if key in tag]
            if stamps:
                clock.observe(max(stamps), received)

    def seen_ms(self, which: str, tag: Tag, received: Received) -> int:
        """Return a tag's `FirstSeen` or `LastSeen` in gateway UTC; without a stamp it is now."""
        for kind, clock in (("UTC", self.utc), ("Uptime", self.uptime)):
            stamp_us = tag.get(f"{which}Timestamp{kind}")
            if stamp_us is not None and clock.is_known:
                return clock.to_gateway_ms(stamp_us, received)
        return received.utc_ms


def tag_readings(
    reader: str, tags: Sequence[Tag], clocks: ReaderClocks, received: Received
) -> list[TagReading]:
    """Return the readings of one report's tags. Raises `LlrpViolation`.

    What names no antenna or has an empty EPC is left out: nothing can be concluded from it, and a
    report that another client asked for may be so.
    """
    clocks.hear_report(tags, received)
    readings = []
    for tag in tags:
        epc = _epc(tag)
        antenna = tag.get("AntennaID")
        if epc and antenna is not None:
            readings.append(_reading(reader, antenna, epc, tag, clocks, received))
    return readings


def _reading(
    reader: str, antenna: int, epc: Epc, tag: Tag, clocks: ReaderClocks, received: Received
) -> TagReading:
    last_ms = clocks.seen_ms("LastSeen", tag, received)
    phase, doppler = tag.get("ImpinjRFPhaseAngle"), tag.get("ImpinjRFDopplerFrequency")
    return TagReading(
        reader,
        antenna,
        epc,
        _rssi_dbm(tag),
        min(last_ms, clocks.seen_ms("FirstSeen", tag, received)),
        last_ms,
        tag.get("TagSeenCount", 1),
        None if phase is None else phase * PHASE_DEG,
        None if doppler is None else doppler * DOPPLER_HZ,
    )


def _rssi_dbm(tag: Tag) -> float:
    precise = tag.get("ImpinjPeakRSSI")
    if precise is not None:
        return float(precise) / RSSI_PER_DB
    return float(tag.get("PeakRSSI", RSSI_UNKNOWN_DBM))


def _epc(tag: Tag) -> Epc:
    digits = tag.get("EPC")
    if digits is None:
        raise LlrpViolation("it reports a tag without an EPC")
    # sllurp takes whatever is left of a message that was cut off within an EPC-96.
    if len(digits) != _EPC_96_DIGITS and "EPC-96" in tag:
        raise LlrpViolation("it reports an EPC-96 that is cut off")
    if len(digits) > 2 * EPC_BYTES_MAX:
        raise LlrpViolation(f"it reports an EPC of {len(digits) // 2} bytes; Gen2 has at most 62")
    return Epc(bytes.fromhex(digits.decode("ascii")))
