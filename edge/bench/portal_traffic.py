"""What a busy portal's reader reports, seeded: goods that come through, past goods that stand.

Each tag that comes through is read `READS_PER_PASSAGE` times, by the outer antennas and then
by the inner ones, loudest when it is next to them. As many tags are under way as the portal holds
at a time, each a little further than the next; goods that stand outside are read all the while. A
read is a TagReportData of its own, as our ROSpec asks for it (LLRP 1.0.1, 16.2.7.3); its times are
written when it is sent, so that they are right however fast the reports are taken.
"""

from collections import Counter
from collections.abc import Iterator
from random import Random
from struct import Struct
from typing import Final, NamedTuple

from msgspec import Struct as Message

from protocol.ids import Epc

READS_PER_PASSAGE: Final = 40
STRAY_SHARE: Final = 0.25
"""Part of the reads that are of tags which stand outside."""

_STRAYS: Final = 400
_UNITS_PER_ARTICLE: Final = 50
_OUTER, _INNER = (1, 2), (3, 4)
_OUTER_AT, _INNER_AT = 0.25, 0.75
"""How far a passage is when it is next to the antennas."""
_NEAR_DBM, _FADING_DB, _FLICKER_DB, _STRAY_DBM = -46.0, 40.0, 3.0, -66.0

_HEAD: Final = Struct("!HII")
_TAG: Final = Struct("!HHB12sBHBbBQBQBH")
_STAMPS: Final = Struct("!BQBQ")
_STAMPS_AT: Final = _TAG.size - _STAMPS.size - 3
_VERSION_AND_TYPE: Final = 1 << 10 | 61
_TAG_REPORT_DATA, _EPC_96, _ANTENNA, _RSSI = 240, 0x8D, 0x81, 0x86
_FIRST_SEEN_UTC, _LAST_SEEN_UTC, _SEEN_COUNT = 0x82, 0x84, 0x88
_SGTIN_96: Final = 0x30 << 88 | 1 << 85 | 5 << 82 | 4_012_345 << 58
"""Header, filter, partition and company prefix; the article has 20 bits, the serial 38."""


class Traffic(Message, frozen=True, kw_only=True):
    """How many reads there are, in reports of how many, and how many tags are under way."""

    seed: int
    reads: int
    tags_per_report: int
    under_way: int


class _Read(NamedTuple):
    epc: Epc
    antenna: int
    rssi_dbm: int


def reports(traffic: Traffic) -> Iterator[bytearray]:
    """Yield all RO_ACCESS_REPORTs, their times still to be written."""
    reads = list(_reads(traffic))
    for start in range(0, len(reads), traffic.tags_per_report):
        some = reads[start : start + traffic.tags_per_report]
        report = bytearray(_HEAD.pack(_VERSION_AND_TYPE, _HEAD.size + _TAG.size * len(some), start))
        for epc, antenna, rssi_dbm in some:
            seen = (_ANTENNA, antenna, _RSSI, rssi_dbm, _FIRST_SEEN_UTC, 0, _LAST_SEEN_UTC, 0)
            report += _TAG.pack(_TAG_REPORT_DATA, _TAG.size, _EPC_96, epc, *seen, _SEEN_COUNT, 1)
        yield report


def stamp(report: bytearray, now_us: int) -> None:
    """Write into a report that its tags were seen just now."""
    for at in range(_HEAD.size + _STAMPS_AT, len(report), _TAG.size):
        _STAMPS.pack_into(report, at, _FIRST_SEEN_UTC, now_us, _LAST_SEEN_UTC, now_us)


def passed(traffic: Traffic) -> set[Epc]:
    """Return the tags that have come through from the first read of theirs to the last."""
    stray = {_epc(serial) for serial in range(_STRAYS)}
    times = Counter(read.epc for read in _reads(traffic))
    return {epc for epc, reads in times.items() if reads == READS_PER_PASSAGE} - stray


def _reads(traffic: Traffic) -> Iterator[_Read]:
    rng = Random(traffic.seed)  # noqa: S311 # Who comes through is no secret.
    strays = [_epc(serial) for serial in range(_STRAYS)]
    serial = _STRAYS
    # In the middle of a day, some are always half-way through.
    steps = [rng.randrange(READS_PER_PASSAGE) for _ in range(traffic.under_way)]
    epcs = [_epc(serial + lane) for lane in range(traffic.under_way)]
    serial += traffic.under_way
    lane = 0
    for _ in range(traffic.reads):
        if rng.random() < STRAY_SHARE:
            flicker_db = rng.uniform(-_FLICKER_DB, _FLICKER_DB)
            yield _Read(rng.choice(strays), rng.choice(_OUTER), round(_STRAY_DBM + flicker_db))
            continue
        yield _passing(epcs[lane], steps[lane] / READS_PER_PASSAGE, rng)
        steps[lane] += 1
        if steps[lane] == READS_PER_PASSAGE:
            epcs[lane], steps[lane] = _epc(serial), 0
            serial += 1
        lane = (lane + 1) % traffic.under_way


def _passing(epc: Epc, progress: float, rng: Random) -> _Read:
    """Return a read by one of the antennas that hear a tag well enough at this point."""
    outer_dbm = _NEAR_DBM - _FADING_DB * abs(progress - _OUTER_AT)
    inner_dbm = _NEAR_DBM - _FADING_DB * abs(progress - _INNER_AT)
    by_inner = rng.random() < 1.0 / (1.0 + 10.0 ** ((outer_dbm - inner_dbm) / 10.0))
    level_dbm = (inner_dbm if by_inner else outer_dbm) + rng.uniform(-_FLICKER_DB, _FLICKER_DB)
    return _Read(epc, rng.choice(_INNER if by_inner else _OUTER), round(level_dbm))


def _epc(serial: int) -> Epc:
    article = serial // _UNITS_PER_ARTICLE
    return Epc((_SGTIN_96 | article << 38 | serial).to_bytes(12, "big"))
