"""What the cloud tells a store: acknowledgements, mirror states and signals."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.facts import GtinText, Measure, Name, TimeMs

SeqNumber = Annotated[int, Meta(ge=0, le=2**53 - 1)]
SessionNumber = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""Of a hello and what follows it; 0: somebody who knows no sessions."""
EpochNumber = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]
StoreText = Annotated[str, Meta(min_length=1, max_length=32)]
Level = Annotated[int, Meta(ge=-(2**53), le=2**53)]

STATES_PER_UPDATE_MAX = 1_000
DIGESTS_PER_WELCOME_MAX = 8_192
FactDigest = Annotated[bytes, Meta(min_length=8, max_length=8)]


class Ack(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Facts of `epoch` up to `through_seq` are committed; the edge may forget them.

    `resend_from`: the cloud saw a gap and wants everything from this number again.
    `problem`: why the batch that provoked this answer was not applied. `seq_reused` means a
    number came with other content than the cloud knows, `session_over` that somebody else has said
    hello for this epoch since, or the cloud was started again: say hello again and compare.
    `session` is the batch's own. Who did not send it, must not take this for an acknowledgement.
    """

    store: StoreText
    epoch: EpochNumber
    through_seq: SeqNumber
    resend_from: SeqNumber | None = None
    problem: (
        Literal[
            "gap", "seq_reused", "refused", "unsupported_version", "store_mismatch", "session_over"
        ]
        | None
    ) = None
    detail: Annotated[str, Meta(max_length=512)] = ""
    session: SessionNumber = 0


class Welcome(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag=2
):
    """Answer to `Hello`: what the cloud has of this epoch.

    `through_seq` is the watermark, 0 for an unknown epoch. `digests_from` repeats the hello's
    `first_seq`, which tells an answer to this hello from a late one to an older. `digests` are
    those of the facts `digests_from, digests_from + 1, …` that the edge still holds and the cloud
    already has (at most `DIGESTS_PER_WELCOME_MAX`), so that the edge can tell a lost
    acknowledgement (equal content) from a rewound outbox (other content). `session` is the hello's.
    """

    store: StoreText
    epoch: EpochNumber
    through_seq: SeqNumber
    digests_from: SeqNumber
    digests: Annotated[list[FactDigest], Meta(max_length=DIGESTS_PER_WELCOME_MAX)]
    session: SessionNumber = 0


class MirrorState(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """The authoritative state of one SKU-location, as a store's mirror keeps it."""

    gtin: GtinText
    version: SeqNumber
    measure: Measure
    on_hand: Level
    reserved: Level
    unavailable: Level
    incoming: Level
    on_order: Level
    as_of_ms: TimeMs


class MirrorUpdate(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag=3
):
    """States that changed after `previous_position`, complete through `position`.

    The journal position is the store's own: a mirror whose position is below
    `previous_position` has missed an update and asks with `MirrorRequest`.
    `epoch` and `through_seq` say which of the store's facts these states contain.
    """

    store: StoreText
    previous_position: Position
    position: Position
    epoch: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    through_seq: SeqNumber
    states: Annotated[list[MirrorState], Meta(max_length=STATES_PER_UPDATE_MAX)]


class ReorderSignal(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag=4
):
    """A reorder of this store was opened, revised or closed."""

    store: StoreText
    reorder_id: Name
    revision: Annotated[int, Meta(ge=1)]
    gtin: GtinText
    status: Literal["open", "acknowledged", "despatched", "received", "cancelled"]
    quantity: Level
    received: Level


class TaskSignal(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag=5
):
    """Somebody in this store should do something about a GTIN.

    `replenish`: bring goods from the backroom, where `quantity` are. `recount`: the count of
    `quantity` looks wrong. `pick`: fetch `quantity` for the order `order_id`. `task_id` never
    repeats and grows with time. An edge that does not know this kind ignores it.
    """

    store: StoreText
    task_id: Name
    kind: Literal["replenish", "recount", "pick"]
    gtin: GtinText
    measure: Measure
    quantity: Level
    created_at_ms: TimeMs
    order_id: Annotated[str, Meta(max_length=64)] = ""
    detail: Annotated[str, Meta(max_length=256)] = ""


DownMessage = Ack | Welcome | MirrorUpdate | ReorderSignal | TaskSignal
