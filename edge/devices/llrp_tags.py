"""From a decoded RO_ACCESS_REPORT to tag readings on the gateway's clock.

Pure. A report is the mapping that sllurp makes of one (LLRP 1.0.1, section 13.2.3): EPCs are
hexadecimal bytes, times are microseconds of the reader's UTC clock, or of its uptime when it has
no UTC clock.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from edge.devices.llrp_clock import ReaderClock, Received
from edge.devices.llrp_framing import LlrpViolation
from edge.sensing.readings import TagReading
from protocol.ids import Epc

EPC_BYTES_MAX: Final = 62
"""The longest EPC that a tag can hold: 31 words (GS1 Gen2, section 6.3.2.1.2.2)."""

_EPC_96_DIGITS: Final = 24
_RSSI_UNKNOWN_DBM: Final = -128.0

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

    def hear_report(self, tags: Iterable[Tag], received: Received) -> None:
        """Learn from a report: its freshest tag was seen just before it was sent."""
        for kind, clock in (("UTC", self.utc), ("Uptime", self.uptime)):
            stamps = [tag[key] for tag in tags if (key := f"LastSeenTimestamp{kind}") in tag]
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
    reader: str, report: Mapping[str, Any], clocks: ReaderClocks, received: Received
) -> list[TagReading]:
    """Return the readings of one report. Raises `LlrpViolation`.

    What names no antenna or has an empty EPC is left out: nothing can be concluded from it, and a
    report that another client asked for may be so.
    """
    tags: list[Tag] = report.get("TagReportData", [])
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
    return TagReading(
        reader=reader,
        antenna=antenna,
        epc=epc,
        rssi_dbm=float(tag.get("PeakRSSI", _RSSI_UNKNOWN_DBM)),
        first_seen_ms=min(last_ms, clocks.seen_ms("FirstSeen", tag, received)),
        last_seen_ms=last_ms,
        seen_count=tag.get("TagSeenCount", 1),
    )


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
