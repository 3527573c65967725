"""The bytes of a TagReportData parameter (LLRP 1.0.1 §13.2.3, §16.2.7.3; pure).

A reader encodes the same tags thousands of times a second, so what does not change between two
reports of a tag is encoded once by the codec and kept; what changes is packed here. A test holds
every combination against the codec's own encoding.
"""

from binascii import crc_hqx
from struct import Struct
from typing import Final, NamedTuple

from llrpkit.protocol import BitStr, LLRPParameter, params

ENCODED_TAGS_MAX: Final = 65_536
"""Tags whose constant parts are kept; at that number they are all forgotten and kept anew."""

SEEN_COUNT_MAX: Final = 65_535  # §13.2.3.13
_EPC_96_BYTES: Final = 12


class Sighting:
    """One tag at one antenna, accumulated since it was last reported."""

    __slots__ = (
        "antenna",
        "channel",
        "count",
        "epc",
        "first_us",
        "last_us",
        "rssi_dbm",
        "since_ms",
    )

    def __init__(
        self, epc: bytes, antenna: int, channel: int, rssi_dbm: int, clock_us: int, since_ms: int
    ) -> None:
        self.epc = epc
        self.antenna = antenna
        self.channel = channel
        self.rssi_dbm = rssi_dbm
        self.first_us = self.last_us = clock_us
        self.count = 1
        self.since_ms = since_ms

    def again(self, rssi_dbm: int, clock_us: int) -> None:
        """The tag was singulated once more."""
        self.last_us = clock_us
        if rssi_dbm > self.rssi_dbm:
            self.rssi_dbm = rssi_dbm
        if self.count < SEEN_COUNT_MAX:
            self.count += 1


class _Field(NamedTuple):
    """A changing field: its TV type with the high bit, its format, and where its value is."""

    head: int
    format: str
    attribute: str


def _changing(selector: params.TagReportContentSelector) -> list[_Field]:
    """The changing fields that were selected, in the order of §16.2.7.3."""
    fields = (
        (selector.enable_peak_rssi, params.PeakRSSI, "b", "rssi_dbm"),
        (selector.enable_channel_index, params.ChannelIndex, "H", "channel"),
        (selector.enable_first_seen_timestamp, params.FirstSeenTimestampUTC, "Q", "first_us"),
        (selector.enable_last_seen_timestamp, params.LastSeenTimestampUTC, "Q", "last_us"),
        (selector.enable_tag_seen_count, params.TagSeenCount, "H", "count"),
    )
    return [
        _Field(0x80 | kind.PARAM_TYPE, code, attribute)
        for on, kind, code, attribute in fields
        if on
    ]


class TagReportEncoder:
    """Encodes the sightings of one AISpec as its TagReportContentSelector wants them."""

    def __init__(
        self,
        ro_spec_id: int,
        spec_index: int,
        inventory_id: int,
        selector: params.TagReportContentSelector,
    ) -> None:
        self._selector = selector
        self._operation: list[LLRPParameter] = []
        if selector.enable_ro_spec_id:
            self._operation.append(params.ROSpecID(ro_spec_id=ro_spec_id))
        if selector.enable_spec_index:
            self._operation.append(params.SpecIndex(spec_index=spec_index))
        if selector.enable_inventory_parameter_spec_id:
            inventory = params.InventoryParameterSpecID(inventory_parameter_spec_id=inventory_id)
            self._operation.append(inventory)
        self._fields = _changing(selector)
        self._packer = Struct(">" + "".join("B" + field.format for field in self._fields))
        self._constant: dict[tuple[bytes, int], tuple[bytes, bytes]] = {}

    def encode(self, sighting: Sighting) -> bytes:
        """The content of a TagReportData, without its own header."""
        key = (sighting.epc, sighting.antenna)
        constant = self._constant.get(key)
        if constant is None:
            constant = self._remember(key)
        values: list[int] = []
        for head, _, attribute in self._fields:
            values += (head, getattr(sighting, attribute))
        return constant[0] + self._packer.pack(*values) + constant[1]

    def _remember(self, key: tuple[bytes, int]) -> tuple[bytes, bytes]:
        if len(self._constant) >= ENCODED_TAGS_MAX:
            self._constant.clear()
        constant = (_join(self._before(*key)), _join(self._after(key[0])))
        self._constant[key] = constant
        return constant

    def _before(self, epc: bytes, antenna: int) -> list[LLRPParameter]:
        parts: list[LLRPParameter] = [_epc_parameter(epc), *self._operation]
        if self._selector.enable_antenna_id:
            parts.append(params.AntennaID(antenna_id=antenna))
        return parts

    def _after(self, epc: bytes) -> list[LLRPParameter]:
        parts: list[LLRPParameter] = []
        control = protocol_control(epc)
        for memory in self._selector.air_protocol_epc_memory_selectors:
            if memory.enable_pc_bits:
                parts.append(params.C1G2_PC(pc_bits=control))
            if memory.enable_crc:
                parts.append(params.C1G2_CRC(crc=stored_crc(epc)))
        if self._selector.enable_access_spec_id:
            parts.append(params.AccessSpecID(access_spec_id=0))  # No AccessSpec was executed.
        return parts


def protocol_control(epc: bytes) -> int:
    """A tag's PC word: the EPC's length in words (GS1 Gen2 §6.3.2.1.2.2)."""
    return len(epc) // 2 << 11


def stored_crc(epc: bytes) -> int:
    """A tag's CRC-16 over its PC word and EPC (GS1 Gen2 §6.3.1.5)."""
    return crc_hqx(protocol_control(epc).to_bytes(2, "big") + epc, 0xFFFF) ^ 0xFFFF


def _epc_parameter(epc: bytes) -> params.EPC_96 | params.EPCData:
    if len(epc) == _EPC_96_BYTES:
        return params.EPC_96(epc=epc)
    return params.EPCData(epc=BitStr.from_bytes(epc))


def _join(parts: list[LLRPParameter]) -> bytes:
    return b"".join(part.encode() for part in parts)
