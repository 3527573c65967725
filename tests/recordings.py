"""Recordings made by hand, of a reader at three antennas, for tests of replay and tuning."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from llrpkit.protocol import messages, params

from edge.recording.file import RecordingFile
from edge.recording.framing import MAGIC, encoded, frame
from edge.recording.records import (
    FORMAT_VERSION,
    DeviceHeader,
    Ended,
    Header,
    LlrpMessage,
    Opened,
    Record,
)
from protocol.ids import Epc, parse_gtin, sgtin_tag

STARTED_UTC_MS = 1_773_500_000_000
STARTED_MONOTONIC_MS = 5_000
READER = "dock-reader"
SCALE = "scale-1"
TILL = "till-1"
GTIN = parse_gtin("00614141999996")

CONFIG = f"""
store = "S001"
[broker]
url = "mqtt://127.0.0.1"
[tags]
baseline_min_ms = 500
baseline_quiet_ms = 400
presence_grace_ms = 300
[[llrp]]
name = "{READER}"
host = "10.0.0.5"
antennas = [{{ id = 1, zone = "backroom" }}, {{ id = 2, zone = "sales_floor" }}]
[[shelf_scale]]
name = "{SCALE}"
host = "10.0.0.6"
shelves = [{{ shelf = "A1", index = 0, gtin = "{GTIN}", item_weight_g = 250 }}]
[[pos_journal]]
name = "{TILL}"
spool = "./till-1"
"""

HEADER = Header(
    format_version=FORMAT_VERSION,
    store="S001",
    agent_version="0.1.0",
    started_utc_ms=STARTED_UTC_MS,
    started_monotonic_ms=STARTED_MONOTONIC_MS,
    devices=[
        DeviceHeader(name=READER, kind="llrp", settings={}),
        DeviceHeader(name=SCALE, kind="shelf_scale", settings={}),
        DeviceHeader(name=TILL, kind="pos_journal", settings={}),
    ],
    settings={},
)


class Read(NamedTuple):
    """A tag at an antenna, milliseconds after the recording began."""

    at_ms: int
    antenna: int
    epc: Epc
    rssi_dbm: int = -55


def tag(serial: int) -> Epc:
    return sgtin_tag(GTIN, serial)


def stamps(at_ms: int) -> dict[str, int]:
    return {"monotonic_ms": STARTED_MONOTONIC_MS + at_ms, "utc_ms": STARTED_UTC_MS + at_ms}


def report(at_ms: int, reads: Iterable[Read]) -> LlrpMessage:
    """What the reader sends of these reads, in one message; without stamps, so they are now."""
    tags = [
        params.TagReportData(
            epc_parameter=params.EPC_96(epc=bytes(each.epc)),
            antenna_id=params.AntennaID(antenna_id=each.antenna),
            peak_rssi=params.PeakRSSI(peak_rssi=each.rssi_dbm),
            tag_seen_count=params.TagSeenCount(tag_count=1),
        )
        for each in reads
    ]
    data = messages.RO_ACCESS_REPORT(tag_report_datas=tags).to_bytes(message_id=1)
    return LlrpMessage(**stamps(at_ms), device=READER, data=data)


def records_of(reads: Sequence[Read]) -> list[Record]:
    """A connection and a report for each moment at which something was read."""
    moments = sorted({each.at_ms for each in reads})
    reports = (report(at_ms, [each for each in reads if each.at_ms == at_ms]) for at_ms in moments)
    return [Opened(**stamps(0), device=READER), *reports]


def write_recording(path: Path, records: Iterable[Record], ends_ms: int) -> None:
    file = RecordingFile(path, HEADER, max_bytes=2**30, is_gzip=False)
    for record in records:
        assert file.append(record)
    file.close(Ended(**stamps(ends_ms), reason="stopped"))


def write_bytes(path: Path, payloads: Iterable[bytes]) -> None:
    """A recording of whatever payloads, in sound frames."""
    content = MAGIC + frame(encoded(HEADER)) + b"".join(map(frame, payloads))
    path.write_bytes(content)


def reads_of(serial: int, from_ms: int, for_ms: int, antenna: int = 1) -> list[Read]:
    """A tag at an antenna, ten times a second."""
    return [Read(at_ms, antenna, tag(serial)) for at_ms in range(from_ms, from_ms + for_ms, 100)]


def visitors(*, deliveries: int, stray_ms: int, stay_ms: int) -> tuple[list[Read], list[int]]:
    """Tags that come to the backroom and stay; their reads, and when each came, by serial number.

    After each of them a stray tag is read for `stray_ms` in passing. Two tags are always there.
    """
    period_ms, reads, came_ms = 20_000, [], []
    for number in range(deliveries):
        at_ms = 5_000 + number * period_ms
        came_ms.append(at_ms)
        reads += reads_of(number, at_ms, stay_ms)
        reads += reads_of(1_000 + number, at_ms + 10_000, stray_ms)
    total_ms = 5_000 + deliveries * period_ms
    return reads + reads_of(9_998, 0, total_ms) + reads_of(9_999, 0, total_ms, 2), came_ms
