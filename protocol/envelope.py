"""What a store tells the cloud, and the frame around everything that is MessagePack.

A frame is the array `[schema_version, message]`; a message is an array that starts with its kind.
"""

from typing import Annotated

from msgspec import Meta, Raw, Struct

from protocol.facts import AnyFact, TimeMs
from protocol.updates import (
    DownMessage,
    EpochNumber,
    Position,
    SeqNumber,
    SessionNumber,
    StoreText,
)

FACTS_PER_BATCH_MAX = 2_000


class FactBatch(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag=1
):
    """Facts `first_seq, first_seq + 1, …` of one epoch, as one transaction's worth of news.

    `session` is that of the hello which the cloud welcomed with the watermark `welcomed_through`;
    together they say that the sender has compared everything below what it sends. 0: an agent of
    before version 3, which does not say.
    """

    store: StoreText
    epoch: EpochNumber
    first_seq: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    sent_at_ms: TimeMs
    facts: Annotated[list[AnyFact], Meta(min_length=1, max_length=FACTS_PER_BATCH_MAX)]
    session: SessionNumber = 0
    welcomed_through: SeqNumber = 0


class Hello(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A store says where its outbox stands and asks where the cloud stands.

    `first_seq` is the oldest number it still holds and `next_seq` the next it will give;
    equal when it holds nothing. `mirror_position` is how far its mirror is. `session` is a number
    that no other hello has: it begins a session of the epoch and ends the one before.
    """

    store: StoreText
    epoch: EpochNumber
    first_seq: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    next_seq: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    mirror_position: Position
    sent_at_ms: TimeMs
    agent_version: Annotated[str, Meta(max_length=32)]
    session: SessionNumber = 0


class MirrorRequest(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag=3
):
    """A store's mirror missed an update: send what changed after `position`."""

    store: StoreText
    position: Position


UpMessage = FactBatch | Hello | MirrorRequest


class UpFrame(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A frame from a store to the cloud."""

    schema_version: int
    message: UpMessage


class DownFrame(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A frame from the cloud to a store."""

    schema_version: int
    message: DownMessage


class EncodedBatch(Struct, frozen=True, kw_only=True, array_like=True, tag=1):
    """A `FactBatch` whose facts are already bytes, as the outbox and the journal keep them."""

    store: str
    epoch: int
    first_seq: int
    sent_at_ms: int
    facts: list[Raw]
    session: int = 0
    welcomed_through: int = 0


class EncodedFrame(Struct, frozen=True, array_like=True):
    """A frame around an `EncodedBatch`."""

    schema_version: int
    message: EncodedBatch
