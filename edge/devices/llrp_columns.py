"""The tags of an RO_ACCESS_REPORT, read straight into tag readings: the fast way.

Pure. A reader sends thousands of tags a second that look the same, as our ROSpec asked for them:
the same parameters in the same order (LLRP 1.0.1, 16.2.7.3), only their values differ. So one tag
is looked at for its *layout*, and those behind it that have this layout are unpacked in one go.
Whatever is not simply that is left to sllurp and `llrp_tags`: these two are the judges of what a
report says, and a test holds every answer given here against theirs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from struct import Struct, calcsize
from typing import Any, Final, NamedTuple

from edge.devices.llrp_clock import Received
from edge.devices.llrp_framing import HEADER_BYTES
from edge.devices.llrp_tags import (
    DOPPLER_HZ,
    EPC_BYTES_MAX,
    PHASE_DEG,
    RSSI_PER_DB,
    RSSI_UNKNOWN_DBM,
    ReaderClocks,
)
from edge.sensing.readings import TagReading

RUN_MAX: Final = 256
"""Tags that are compared with a layout in one go: one that differs costs no more than that."""
LAYOUTS_MAX: Final = 64
"""Layouts remembered, by the length of a tag. Our ROSpec makes one per length of an EPC."""

_TAG_HEAD: Final = b"\x00\xf0"
_EPC_DATA_HEAD: Final = b"\x00\xf1"
_CUSTOM_HEAD: Final = b"\x03\xff"
_TLV: Final = Struct("!2sH")
_BIT_COUNT_BYTES: Final = 2
_TV_BIT: Final = 0x80
_TV_FORMATS: Final = {
    1: ("antenna", "H"),
    2: ("first_utc", "Q"),
    3: ("first_uptime", "Q"),
    4: ("last_utc", "Q"),
    5: ("last_uptime", "Q"),
    6: ("rssi", "b"),
    8: ("count", "H"),
    13: ("epc", "12s"),
    **dict.fromkeys((7, 10, 11, 12, 14), ("", "2x")),
    **dict.fromkeys((9, 16), ("", "4x")),
}
"""TV parameters by type (section 16.1.2): field and format of the value; of no interest without."""
_IMPINJ_FORMATS: Final = {
    b"\x00\x00\x65\x1a\x00\x00\x00\x38": ("phase", "H"),
    b"\x00\x00\x65\x1a\x00\x00\x00\x39": ("precise_rssi", "h"),
    b"\x00\x00\x65\x1a\x00\x00\x00\x44": ("doppler", "h"),
}
"""Impinj's extensions by vendor and subtype (Impinj, "Octane LLRP")."""


_IMPINJ_BYTES: Final = 14
"""Head, vendor, subtype and two bytes of value."""
_NEEDED: Final = frozenset(("epc", "antenna", "first", "last"))

_made: Final[Callable[[Iterable[Any]], TagReading]] = partial(tuple.__new__, TagReading)
"""Makes a reading of its values, faster than by their names."""


class _Parameter(NamedTuple):
    """Bytes that are the same in each tag, then the value of a field, or of none that matters."""

    head_bytes: int
    field: str
    format: str


class _Layout(NamedTuple):
    """How a tag looks: which bytes of it are always the same, and what the others are."""

    size: int
    heads: list[tuple[int, bytes]]
    unpack: Struct
    fields: list[str]
    clock: str


class _Run(NamedTuple):
    """Tags of one layout, a column a field."""

    clock: str
    columns: dict[str, tuple[Any, ...]]


class TagColumns:
    """Reads the reports of one reader."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._layouts: dict[int, _Layout] = {}

    def readings(
        self, report: bytes, clocks: ReaderClocks, received: Received
    ) -> list[TagReading] | None:
        """Return what `tag_readings` would, or `None`, with nothing heard, if that must judge."""
        runs = self._runs(report)
        if runs is None:
            return None
        for name, clock in (("utc", clocks.utc), ("uptime", clocks.uptime)):
            stamps = [max(run.columns["last"]) for run in runs if run.clock == name]
            if stamps:
                clock.observe(max(stamps), received)
        return [reading for run in runs for reading in self._read(run, clocks, received)]

    def _runs(self, report: bytes) -> list[_Run] | None:
        runs: list[_Run] = []
        at = HEADER_BYTES
        while at < len(report):
            length = int.from_bytes(report[at + 2 : at + _TLV.size], "big")
            layout = self._layouts.get(length)
            count = 0 if layout is None else _alike(report, at, layout)
            if layout is None or not count:
                layout = _layout(report[at : at + length])
                if layout is None:
                    return None
                if len(self._layouts) >= LAYOUTS_MAX:
                    self._layouts.clear()
                self._layouts[length] = layout
                count = _alike(report, at, layout)
            end = at + count * layout.size
            columns = zip(*layout.unpack.iter_unpack(report[at:end]), strict=True)
            runs.append(_Run(layout.clock, dict(zip(layout.fields, columns, strict=True))))
            at = end
        return runs

    def _read(self, run: _Run, clocks: ReaderClocks, received: Received) -> Iterator[TagReading]:
        columns = run.columns
        clock = clocks.utc if run.clock == "utc" else clocks.uptime
        last_ms = first_ms = clock.all_to_gateway_ms(columns["last"], received)
        if columns["first"] != columns["last"]:
            seen_ms = clock.all_to_gateway_ms(columns["first"], received)
            first_ms = list(map(min, seen_ms, last_ms))
        values = zip(
            repeat(self._reader),
            columns["antenna"],
            columns["epc"],
            _rssi_dbm(columns),
            first_ms,
            last_ms,
            columns.get("count", repeat(1)),
            _scaled(columns.get("phase"), PHASE_DEG),
            _scaled(columns.get("doppler"), DOPPLER_HZ),
            strict=False,  # What is the same for all is given for ever.
        )
        return map(_made, values)


def _rssi_dbm(columns: dict[str, tuple[Any, ...]]) -> Iterable[float]:
    if "precise_rssi" in columns:
        return [value / RSSI_PER_DB for value in columns["precise_rssi"]]
    return map(float, columns["rssi"]) if "rssi" in columns else repeat(RSSI_UNKNOWN_DBM)


def _scaled(column: Sequence[int] | None, scale: float) -> Iterable[float | None]:
    return repeat(None) if column is None else [value * scale for value in column]


def _alike(report: bytes, at: int, layout: _Layout) -> int:
    """Return how many tags from here on have this layout, up to `RUN_MAX`."""
    size = layout.size
    count = min((len(report) - at) // size, RUN_MAX)
    for offset, byte in layout.heads:
        column = report[at + offset : at + count * size : size]
        count = len(column) - len(column.lstrip(byte))
    return count


def _layout(tag: bytes) -> _Layout | None:
    """Return how a tag looks, or `None` when it is cut off or not plainly what we asked for."""
    if len(tag) < _TLV.size or _TLV.unpack_from(tag) != (_TAG_HEAD, len(tag)):
        return None
    code = f"!{_TLV.size}x"
    fields: list[str] = []
    heads = list(range(_TLV.size))
    at = _TLV.size
    while at < len(tag):
        found = _parameter(tag, at)
        if found is None or found.field in fields:
            return None
        if found.field:
            fields.append(found.field)
        heads += range(at, at + found.head_bytes)
        code += f"{found.head_bytes}x{found.format}"
        at += found.head_bytes + calcsize(f"!{found.format}")
    # A tag that names no antenna, or bears the stamps of two clocks, is for others to judge.
    clocks = {each.partition("_")[2] for each in fields if each.startswith(("first_", "last_"))}
    if at != len(tag) or len(clocks) != 1:
        return None
    clock = clocks.pop()
    names = [each.removesuffix(f"_{clock}") for each in fields]
    if not _NEEDED.issubset(names):
        return None
    constant = [(each, tag[each : each + 1]) for each in heads]
    return _Layout(len(tag), constant, Struct(code), names, clock)


def _parameter(tag: bytes, at: int) -> _Parameter | None:
    """Return which parameter there is, if it is one of those that are read here."""
    if tag[at] & _TV_BIT:
        known = _TV_FORMATS.get(tag[at] & ~_TV_BIT)
        return None if known is None else _Parameter(1, *known)
    if at + _TLV.size > len(tag):
        return None
    head, length = _TLV.unpack_from(tag, at)
    if head == _EPC_DATA_HEAD:
        head_bytes = _TLV.size + _BIT_COUNT_BYTES
        epc_bytes = length - head_bytes
        if not 1 <= epc_bytes <= EPC_BYTES_MAX:
            return None
        return _Parameter(head_bytes, "epc", f"{epc_bytes}s")
    name = tag[at + _TLV.size : at + _IMPINJ_BYTES - 2]
    if head == _CUSTOM_HEAD and length == _IMPINJ_BYTES and name in _IMPINJ_FORMATS:
        return _Parameter(_IMPINJ_BYTES - 2, *_IMPINJ_FORMATS[name])
    return None
