"""MQTT 5 control packets as bytes, both ways (OASIS standard "MQTT Version 5.0", section 2 and 3).

Only what a client needs that subscribes with QoS 1 at most and publishes with 0 or 1. Property
bytes come and go packed, with their length in front. What a broker sends is checked against its own
lengths: bytes that are no packet raise `PacketInvalid` and nothing else. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

CONNACK: Final = 0x20
PUBLISH: Final = 0x30
PUBACK: Final = 0x40
SUBACK: Final = 0x90
UNSUBACK: Final = 0xB0
PINGRESP: Final = 0xD0
DISCONNECT: Final = 0xE0

FAILURE: Final = 0x80
"""Reason codes from here on say that something was refused."""

NO_PROPERTIES: Final = b"\x00"
PINGREQ_BYTES: Final = b"\xc0\x00"
DISCONNECT_BYTES: Final = b"\xe0\x00"

PACKET_ID_MAX: Final = 65_535
REMAINING_BYTES_MAX: Final = 268_435_455
_RETAIN: Final = 0x01
_QOS_1: Final = 0x02
_QOS_BITS: Final = 0x06
_SESSION_EXPIRY: Final = 0x11
_SERVER_KEEPALIVE: Final = 0x13
_RECEIVE_MAXIMUM: Final = 0x21
_MAXIMUM_PACKET: Final = 0x27
_WORD: Final = Struct("!H")
_LONG: Final = Struct("!I")

_VARIABLE: Final = -1
_STRING: Final = -2
_PAIR: Final = -3
_PROPERTY_SIZES: Final = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((_SERVER_KEEPALIVE, _RECEIVE_MAXIMUM, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, _SESSION_EXPIRY, 0x18, _MAXIMUM_PACKET), 4),
    0x0B: _VARIABLE,
    **dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), _STRING),
    0x26: _PAIR,
}
"""How long each property's value is (section 2.2.2.2): bytes, or one of the three kinds above."""


class PacketInvalid(Exception):
    """The broker sent bytes that are no MQTT 5 packet, or none that a client is sent."""


class Will(NamedTuple):
    """What the broker says when the connection breaks."""

    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    properties: bytes


class Published(NamedTuple):
    """A message for us; `packet_id` is 0 when it wants no confirmation."""

    topic: str
    payload: bytes
    retain: bool
    packet_id: int


class Confirmed(NamedTuple):
    """A PUBACK."""

    packet_id: int
    reason: int


class Answered(NamedTuple):
    """A SUBACK or UNSUBACK, with a reason code a topic."""

    packet_id: int
    reasons: bytes


class Pong(NamedTuple):
    """A PINGRESP."""


class Ended(NamedTuple):
    """A DISCONNECT: the broker ends the connection."""

    reason: int


@dataclass(frozen=True, slots=True)
class Welcomed:
    """A CONNACK, with the limits that it may set."""

    reason: int
    receive_maximum: int = PACKET_ID_MAX
    packet_bytes_max: int = REMAINING_BYTES_MAX
    keepalive_s: int | None = None


Packet = Welcomed | Published | Confirmed | Answered | Pong | Ended


def connect(  # The packet has so many fields.
    client_id: str, keepalive_s: int, *, clean_start: bool, properties: bytes, will: Will | None
) -> bytes:
    """Return a CONNECT."""
    flags = 0x02 if clean_start else 0
    payload = _string(client_id.encode())
    if will is not None:
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        payload += will.properties + _string(will.topic) + _string(will.payload)
    head = b"\x00\x04MQTT\x05" + bytes((flags,)) + _WORD.pack(keepalive_s)
    return _packet(0x10, head + properties + payload)


def publish(
    topic: bytes, payload: bytes, packet_id: int, *, retain: bool, properties: bytes
) -> bytes:
    """Return a PUBLISH with QoS 1, or with QoS 0 when `packet_id` is 0."""
    first = PUBLISH | (_QOS_1 if packet_id else 0) | (_RETAIN if retain else 0)
    name = _WORD.pack(len(topic)) + topic + (_WORD.pack(packet_id) if packet_id else b"")
    size = len(name) + len(properties) + len(payload)
    return b"".join((bytes((first,)), _length(size), name, properties, payload))


def subscribe(packet_id: int, topics: Sequence[tuple[str, int]]) -> bytes:
    """Return a SUBSCRIBE to topics, each with its highest QoS."""
    wanted = b"".join(_string(topic.encode()) + bytes((qos,)) for topic, qos in topics)
    return _packet(0x82, _WORD.pack(packet_id) + NO_PROPERTIES + wanted)


def unsubscribe(packet_id: int, topics: Sequence[str]) -> bytes:
    """Return an UNSUBSCRIBE."""
    names = b"".join(_string(topic.encode()) for topic in topics)
    return _packet(0xA2, _WORD.pack(packet_id) + NO_PROPERTIES + names)


def puback(packet_id: int) -> bytes:
    """Return a PUBACK that says success."""
    return b"\x40\x02" + _WORD.pack(packet_id)


def _packet(first: int, rest: bytes) -> bytes:
    return bytes((first,)) + _length(len(rest)) + rest


def _string(value: bytes) -> bytes:
    return _WORD.pack(len(value)) + value


def _length(size: int) -> bytes:
    """Return a variable byte integer (section 1.5.5)."""
    if size < 0x80:
        return bytes((size,))
    if size < 0x4000:
        return bytes((size & 0x7F | 0x80, size >> 7))
    if size > REMAINING_BYTES_MAX:
        raise ValueError(f"{size} bytes are more than a packet can have")
    digits = bytearray()
    while size >= 0x80:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    digits.append(size)
    return bytes(digits)


class Decoder:
    """Cuts what arrives into packets. Nothing larger than `packet_bytes_max` is kept."""

    def __init__(self, packet_bytes_max: int = REMAINING_BYTES_MAX) -> None:
        self._packet_bytes_max: Final = packet_bytes_max
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that are complete now. Raises `PacketInvalid`; then it is over."""
        data = self._rest + data if self._rest else data
        at = 0
        try:
            while (found := self._next(data, at)) is not None:
                first, begin, at = found
                yield _decoded(first, data[begin:at])
        except (IndexError, UnicodeDecodeError) as error:
            raise PacketInvalid(f"a packet ends early, or names a topic badly: {error}") from error
        self._rest = data[at:]

    def _next(self, data: bytes, at: int) -> tuple[int, int, int] | None:
        """Return the next packet's first byte and where its rest begins and ends."""
        size, shift, begin, end = 0, 0, at + 1, len(data)
        while begin < end:
            digit = data[begin]
            begin += 1
            size |= (digit & 0x7F) << shift
            if digit < 0x80:
                if size > self._packet_bytes_max:
                    raise PacketInvalid(f"a packet of {size} bytes, above what we allow")
                return (data[at], begin, begin + size) if begin + size <= end else None
            shift += 7
            if shift > 21:
                raise PacketInvalid("a length of more than four bytes")
        return None


def _decoded(first: int, rest: bytes) -> Packet:
    kind = first & 0xF0
    if kind == PUBLISH:
        return _published(first, rest)
    if kind == PUBACK:
        return Confirmed(_word(rest, 0), rest[2] if len(rest) > 2 else 0)
    if kind in (SUBACK, UNSUBACK):
        return Answered(_word(rest, 0), rest[_after_properties(rest, 2) :])
    if kind == PINGRESP:
        return Pong()
    if kind == CONNACK:
        return _welcomed(rest)
    if kind == DISCONNECT:
        return Ended(rest[0] if rest else 0)
    raise PacketInvalid(f"a packet of kind {kind:#x}, which a client of QoS 1 is never sent")


def _published(first: int, rest: bytes) -> Published:
    at = 2 + _word(rest, 0)
    topic = rest[2:at].decode()
    qos, packet_id = first & _QOS_BITS, 0
    if qos > _QOS_1 or not topic:
        raise PacketInvalid("a message of QoS 2 or under an alias; we ask for neither")
    if qos:
        packet_id = _word(rest, at)
        at += 2
    payload = rest[_after_properties(rest, at) :]
    return Published(topic, payload, bool(first & _RETAIN), packet_id)


def _welcomed(rest: bytes) -> Welcomed:
    reason, end = rest[1], _after_properties(rest, 2)
    limits = dict(_properties(rest[:end], _variable(rest, 2)[1]))
    return Welcomed(
        reason,
        limits.get(_RECEIVE_MAXIMUM, PACKET_ID_MAX),
        limits.get(_MAXIMUM_PACKET, REMAINING_BYTES_MAX),
        limits.get(_SERVER_KEEPALIVE),
    )


def _properties(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield the properties that are numbers; the others are passed over."""
    while at < len(data):
        kind = data[at]
        size = _PROPERTY_SIZES.get(kind)
        at += 1
        if size is None:
            raise PacketInvalid(f"a property of kind {kind:#x}")
        if size == _VARIABLE:
            value, at = _variable(data, at)
            yield kind, value
        elif size > 0:
            if at + size > len(data):
                raise IndexError("property")
            yield kind, int.from_bytes(data[at : at + size])
            at += size
        else:
            for _ in range(1 if size == _STRING else 2):
                at += 2 + _word(data, at)


def _after_properties(rest: bytes, at: int) -> int:
    """Return where properties that begin at `at` end."""
    size, begin = _variable(rest, at)
    if begin + size > len(rest):
        raise IndexError("properties")
    return begin + size


def _variable(data: bytes, at: int) -> tuple[int, int]:
    """Return the variable byte integer at `at`, and where it ends."""
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value, shift = value & 0x7F, 7
    while shift <= 21:
        at += 1
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value, at + 1
        shift += 7
    raise PacketInvalid("a length of more than four bytes")


def _word(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
