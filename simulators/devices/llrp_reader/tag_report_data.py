"""The bytes of a TagReportData parameter (LLRP 1.0.1 §13.2.3, §16.2.7.3; pure).

A reader encodes the same tags thousands of times a second, so what does not change between two
reports of a tag is encoded once by the codec and kept; what changes is packed here. A test holds
every combination against the codec's own encoding.
"""

from struct import Struct
from typing import Final, NamedTuple

from llrpkit.protocol import BitStr, LLRPParameter, impinj, params

from simulators.devices.llrp_reader.accessspec import Accessed
from simulators.devices.llrp_reader.octane import (
    DOPPLER_PER_HZ,
    PHASES_PER_TURN,
    RSSI_PER_DB,
    OctaneContent,
)
from simulators.devices.llrp_reader.tag_memory import protocol_control, stored_crc, tid_of

ENCODED_TAGS_MAX: Final = 65_536
"""Tags whose constant parts are kept; at that number they are all forgotten and kept anew."""

SEEN_COUNT_MAX: Final = 65_535  # §13.2.3.13
_EPC_96_BYTES: Final = 12


_RSSI_MIN_DBM: Final = -128
_RSSI_MAX_DBM: Final = 127
_SIGNED_16_MAX: Final = 2**15 - 1
_TURN_DEG: Final = 360.0


class Sighting:
    """One tag at one antenna, accumulated since it was last reported.

    RSSI is the highest, phase and Doppler shift are those of the last read.
    """

    __slots__ = (
        "access",
        "antenna",
        "channel",
        "count",
        "doppler_hz",
        "epc",
        "first_us",
        "last_us",
        "phase_deg",
        "rssi",
        "since_ms",
    )

    def __init__(
        self,
        epc: bytes,
        antenna: int,
        channel: int,
        rssi_dbm: float,
        phase_deg: float,
        doppler_hz: float,
        access: Accessed | None,
        clock_us: int,
        since_ms: int,
    ) -> None:
        self.epc = epc
        self.antenna = antenna
        self.channel = channel
        self.rssi = rssi_dbm
        self.phase_deg = phase_deg
        self.doppler_hz = doppler_hz
        self.access = access
        self.first_us = self.last_us = clock_us
        self.count = 1
        self.since_ms = since_ms

    def again(self, rssi_dbm: float, phase_deg: float, doppler_hz: float, clock_us: int) -> None:
        """The tag was singulated once more."""
        self.last_us = clock_us
        self.phase_deg = phase_deg
        self.doppler_hz = doppler_hz
        if rssi_dbm > self.rssi:
            self.rssi = rssi_dbm
        if self.count < SEEN_COUNT_MAX:
            self.count += 1

    @property
    def rssi_dbm(self) -> int:
        """The RSSI as PeakRSSI has it."""
        return max(_RSSI_MIN_DBM, min(_RSSI_MAX_DBM, round(self.rssi)))

    @property
    def rssi_cdbm(self) -> int:
        """The RSSI as ImpinjPeakRSSI has it."""
        return _signed_16(self.rssi * RSSI_PER_DB)

    @property
    def phase(self) -> int:
        """The phase as ImpinjRFPhaseAngle has it."""
        return round(self.phase_deg / _TURN_DEG * PHASES_PER_TURN) % PHASES_PER_TURN

    @property
    def doppler(self) -> int:
        """The Doppler shift as ImpinjRFDopplerFrequency has it."""
        return _signed_16(self.doppler_hz * DOPPLER_PER_HZ)


def _signed_16(value: float) -> int:
    return max(-_SIGNED_16_MAX, min(_SIGNED_16_MAX, round(value)))


class _Field(NamedTuple):
    """A changing field: its header, the formats of header and value, and where the value is."""

    head: int | bytes
    format: str
    attribute: str


def _changing(selector: params.TagReportContentSelector, *, utc: bool) -> list[_Field]:
    """The changing fields that were selected, in the order of §16.2.7.3."""
    first = params.FirstSeenTimestampUTC if utc else params.FirstSeenTimestampUptime
    last = params.LastSeenTimestampUTC if utc else params.LastSeenTimestampUptime
    fields: tuple[tuple[bool, type[LLRPParameter], str, str], ...] = (
        (selector.enable_peak_rssi, params.PeakRSSI, "Bb", "rssi_dbm"),
        (selector.enable_channel_index, params.ChannelIndex, "BH", "channel"),
        (selector.enable_first_seen_timestamp, first, "BQ", "first_us"),
        (selector.enable_last_seen_timestamp, last, "BQ", "last_us"),
        (selector.enable_tag_seen_count, params.TagSeenCount, "BH", "count"),
    )
    return [
        _Field(0x80 | kind.PARAM_TYPE, code, attribute)
        for on, kind, code, attribute in fields
        if on
    ]


def _extended(content: OctaneContent) -> list[_Field]:
    """The changing extensions that were selected, as llrpkit's definitions have them."""
    values: tuple[tuple[bool, LLRPParameter, str, str], ...] = (
        (content.phase, impinj.ImpinjRFPhaseAngle(), "H", "phase"),
        (content.peak_rssi, impinj.ImpinjPeakRSSI(), "h", "rssi_cdbm"),
        (content.doppler, impinj.ImpinjRFDopplerFrequency(), "h", "doppler"),
    )
    heads = ((kind.encode()[:-2], code, name) for on, kind, code, name in values if on)
    return [_Field(head, f"{len(head)}s{code}", name) for head, code, name in heads]


class _Packer:
    """Packs some fields of a sighting."""

    def __init__(self, fields: list[_Field]) -> None:
        self._fields = [(field.head, field.attribute) for field in fields]
        self._pack = Struct(">" + "".join(field.format for field in fields)).pack

    def pack(self, sighting: Sighting) -> bytes:
        values: list[object] = []
        for head, attribute in self._fields:
            values += (head, getattr(sighting, attribute))
        return self._pack(*values)


class _Constant(NamedTuple):
    """What is the same in each report of a tag at an antenna: before, between and after."""

    before: bytes
    air: bytes
    unaccessed: bytes
    tid: bytes


class TagReportEncoder:
    """Encodes the sightings of one AISpec as its TagReportContentSelector wants them."""

    def __init__(
        self,
        ro_spec_id: int,
        spec_index: int,
        inventory_id: int,
        selector: params.TagReportContentSelector,
        octane: OctaneContent,
        *,
        utc: bool = True,
    ) -> None:
        self._selector = selector
        self._tid = octane.tid
        self._operation: list[LLRPParameter] = []
        if selector.enable_ro_spec_id:
            self._operation.append(params.ROSpecID(ro_spec_id=ro_spec_id))
        if selector.enable_spec_index:
            self._operation.append(params.SpecIndex(spec_index=spec_index))
        if selector.enable_inventory_parameter_spec_id:
            inventory = params.InventoryParameterSpecID(inventory_parameter_spec_id=inventory_id)
            self._operation.append(inventory)
        self._changing = _Packer(_changing(selector, utc=utc))
        extended = _extended(octane)
        self._extended = _Packer(extended) if extended else None
        self._constant: dict[tuple[bytes, int], _Constant] = {}

    def encode(self, sighting: Sighting) -> bytes:
        """The content of a TagReportData, without its own header."""
        key = (sighting.epc, sighting.antenna)
        constant = self._constant.get(key) or self._remember(key)
        access = constant.unaccessed
        if sighting.access is not None:
            access = self._accessed(sighting.access)
        content = constant.before + self._changing.pack(sighting) + constant.air + access
        if self._extended is not None:
            content += self._extended.pack(sighting)
        return content + constant.tid

    def _accessed(self, access: Accessed) -> bytes:
        """An AccessSpec's id and results (§16.2.7.3)."""
        if not self._selector.enable_access_spec_id:
            return access.results
        return params.AccessSpecID(access_spec_id=access.spec_id).encode() + access.results

    def _remember(self, key: tuple[bytes, int]) -> _Constant:
        if len(self._constant) >= ENCODED_TAGS_MAX:
            self._constant.clear()
        epc, antenna = key
        unaccessed = b""
        if self._selector.enable_access_spec_id:  # No AccessSpec was executed.
            unaccessed = params.AccessSpecID(access_spec_id=0).encode()
        constant = _Constant(
            _join(self._before(epc, antenna)), _join(self._air(epc)), unaccessed, self._tid_of(epc)
        )
        self._constant[key] = constant
        return constant

    def _before(self, epc: bytes, antenna: int) -> list[LLRPParameter]:
        parts: list[LLRPParameter] = [_epc_parameter(epc), *self._operation]
        if self._selector.enable_antenna_id:
            parts.append(params.AntennaID(antenna_id=antenna))
        return parts

    def _air(self, epc: bytes) -> list[LLRPParameter]:
        parts: list[LLRPParameter] = []
        for memory in self._selector.air_protocol_epc_memory_selectors:
            if memory.enable_pc_bits:
                parts.append(params.C1G2_PC(pc_bits=protocol_control(epc)))
            if memory.enable_crc:
                parts.append(params.C1G2_CRC(crc=stored_crc(epc)))
        return parts

    def _tid_of(self, epc: bytes) -> bytes:
        if not self._tid:
            return b""
        tid = tid_of(epc)
        words = [int.from_bytes(tid[at : at + 2], "big") for at in range(0, len(tid), 2)]
        return impinj.ImpinjSerializedTID(t_id=words).encode()


def _epc_parameter(epc: bytes) -> params.EPC_96 | params.EPCData:
    if len(epc) == _EPC_96_BYTES:
        return params.EPC_96(epc=epc)
    return params.EPCData(epc=BitStr.from_bytes(epc))


def _join(parts: list[LLRPParameter]) -> bytes:
    return b"".join(part.encode() for part in parts)
