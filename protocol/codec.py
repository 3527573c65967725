"""Bytes to messages and back, strictly and within limits.

Every byte from a wire is hostile until decoded here (P7). A frame that is not exactly one of our
messages raises `FrameRejected` and nothing else. Sizes, counts and depth are bounded by the types:
msgspec never allocates for a length it has not seen the bytes of, and never recurses into what a
type does not expect. Frames of older schema versions are decoded loosely, upgraded step by step,
then validated like current ones.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw
from msgspec.structs import astuple

from protocol.envelope import DownFrame, EncodedBatch, EncodedFrame, UpFrame, UpMessage
from protocol.errors import FrameFault, FrameRejected
from protocol.facts import AnyFact
from protocol.updates import Ack, DownMessage, Welcome

UP_VERSION: Final = 3
DOWN_VERSION: Final = 2
"""Schema versions of what stores send and of what they are sent.

They are apart, since the cloud is upgraded first: an old gateway must understand the new cloud. So
what is told to somebody who knows no sessions is a frame of version 1.
"""
DOWN_BEFORE_SESSIONS: Final = 1
FRAME_BYTES_MAX: Final = 1_048_576
FACT_BYTES_MAX: Final = 65_536
DIGEST_BYTES: Final = 8
MARKER_DIGEST: Final = bytes(DIGEST_BYTES)

Upgrade = Callable[[list[Any]], list[Any]]
UPGRADES: Final[Mapping[int, Upgrade]] = {1: lambda message: message, 2: lambda message: message}
"""`UPGRADES[n]` turns a message of version n, as plain lists, into one of version n + 1.

Version 2 of what stores send added a kind of fact, version 3 sessions, all of them fields with
defaults: a message of an older version is one of the newer. So it is with what they are sent.
"""

_FRAME_OF_TWO: Final = 0x92
_FIXINT_MAX: Final = 0x7F
_MARKER_HEAD: Final = bytes((0x95, 0x0C))
"""How an encoded `FactsShed` starts: an array of five, kind 12."""

_encoder: Final = msgspec.msgpack.Encoder()
_up_decoder: Final = msgspec.msgpack.Decoder(UpFrame)
_down_decoder: Final = msgspec.msgpack.Decoder(DownFrame)
_fact_decoder: Final[msgspec.msgpack.Decoder[AnyFact]] = msgspec.msgpack.Decoder(AnyFact)
_encoded_decoder: Final = msgspec.msgpack.Decoder(EncodedFrame)

F = TypeVar("F", UpFrame, DownFrame)


def encode_up(message: UpMessage) -> bytes:
    """Return the frame for a message from a store to the cloud."""
    return _encoder.encode(UpFrame(UP_VERSION, message))


def encode_down(message: DownMessage) -> bytes:
    """Return the frame for a message from the cloud to a store."""
    if isinstance(message, Ack | Welcome) and message.session:
        return _encoder.encode(DownFrame(DOWN_VERSION, message))
    if isinstance(message, Ack | Welcome):
        kind = message.__struct_config__.tag
        return _encoder.encode((DOWN_BEFORE_SESSIONS, (kind, *astuple(message)[:-1])))
    return _encoder.encode(DownFrame(DOWN_BEFORE_SESSIONS, message))


def encode_fact(fact: AnyFact) -> bytes:
    """Return one fact as the outbox stores it and a batch carries it."""
    return _encoder.encode(fact)


def decode_fact(data: bytes) -> AnyFact:
    """Return one fact from its stored bytes, or raise `FrameRejected`."""
    try:
        return _fact_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise FrameRejected(FrameFault.MALFORMED, f"fact: {error}") from error


def encode_batch(
    store: str,
    epoch: int,
    first_seq: int,
    sent_at_ms: int,
    facts: Sequence[bytes],
    *,
    session: int = 0,
    welcomed_through: int = 0,
) -> bytes:
    """Return the frame of a `FactBatch` around facts that are already encoded."""
    batch = EncodedBatch(
        store=store,
        epoch=epoch,
        first_seq=first_seq,
        sent_at_ms=sent_at_ms,
        facts=[Raw(fact) for fact in facts],
        session=session,
        welcomed_through=welcomed_through,
    )
    return _encoder.encode(EncodedFrame(UP_VERSION, batch))


def facts_of_batch(frame: bytes) -> list[bytes]:
    """Return the facts of a batch that was accepted before, each as the bytes that came."""
    return [bytes(fact) for fact in _encoded_decoder.decode(frame).message.facts]


def fact_digest(fact: bytes) -> bytes:
    """Return the 8-byte BLAKE2b digest by which edge and cloud compare a fact's content.

    That of a `FactsShed` marker is `MARKER_DIGEST`: it stands where other content was, so the two
    sides must be able to tell it from content.
    """
    if fact.startswith(_MARKER_HEAD):
        return MARKER_DIGEST
    return blake2b(fact, digest_size=DIGEST_BYTES).digest()


def decode_up(frame: bytes, upgrades: Mapping[int, Upgrade] = UPGRADES) -> UpMessage:
    """Return the message in a frame from a store, or raise `FrameRejected`."""
    return _decode(frame, _up_decoder, UpFrame, UP_VERSION, upgrades).message


def decode_down(frame: bytes, upgrades: Mapping[int, Upgrade] = UPGRADES) -> DownMessage:
    """Return the message in a frame from the cloud, or raise `FrameRejected`."""
    return _decode(frame, _down_decoder, DownFrame, DOWN_VERSION, upgrades).message


def _decode(
    frame: bytes,
    decoder: "msgspec.msgpack.Decoder[F]",
    frame_type: type[F],
    current: int,
    upgrades: Mapping[int, Upgrade],
) -> F:
    version = _schema_version(frame)
    try:
        if version == current or (frame_type is DownFrame and version == DOWN_BEFORE_SESSIONS):
            return decoder.decode(frame)
        return _upgrade(frame, version, frame_type, current, upgrades)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise FrameRejected(FrameFault.MALFORMED, str(error)) from error


def _schema_version(frame: bytes) -> int:
    if not frame:
        raise FrameRejected(FrameFault.EMPTY, "the payload is empty")
    if len(frame) > FRAME_BYTES_MAX:
        detail = f"{len(frame)} bytes; at most {FRAME_BYTES_MAX} are allowed"
        raise FrameRejected(FrameFault.TOO_LARGE, detail)
    if len(frame) < 2 or frame[0] != _FRAME_OF_TWO or frame[1] > _FIXINT_MAX:
        detail = "a frame is the MessagePack array [schema_version, message]"
        raise FrameRejected(FrameFault.NOT_A_FRAME, detail)
    return frame[1]


def _upgrade(
    frame: bytes,
    version: int,
    frame_type: type[F],
    current: int,
    upgrades: Mapping[int, Upgrade],
) -> F:
    if version > current or version not in upgrades:
        detail = f"schema version {version}; this side reads {current}"
        raise FrameRejected(FrameFault.UNSUPPORTED_VERSION, detail)
    _, message = msgspec.msgpack.decode(frame, type=tuple[int, list[Any]])
    for step in range(version, current):
        try:
            message = upgrades[step](message)
        except (LookupError, TypeError, ValueError) as error:
            detail = f"not a message of schema version {step}: {error}"
            raise FrameRejected(FrameFault.MALFORMED, detail) from error
    upgraded = [current, message]
    return msgspec.convert(upgraded, frame_type, builtin_types=(bytes,))
