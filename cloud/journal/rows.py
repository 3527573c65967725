"""What a journal keeps, as plain rows that every adapter stores and returns alike.

Rows carry states, reorders and commands as the MessagePack bytes that `verify` compares.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import msgspec

from cloud.commands import AnyCommand
from cloud.sku_location.messages import AnyMessage
from cloud.sku_location.state import Reorder, SkuLocation
from protocol.facts import Measure

InputKind = Literal["batch", "command"]
QuarantineStatus = Literal["quarantined", "redrive_requested", "redriven"]

QUARANTINE_FULL: Final = "quarantine_full"

_encoder: Final = msgspec.msgpack.Encoder()
_state_decoder: Final = msgspec.msgpack.Decoder(SkuLocation)
_reorder_decoder: Final = msgspec.msgpack.Decoder(Reorder)
_command_decoder: Final[msgspec.msgpack.Decoder[AnyCommand]] = msgspec.msgpack.Decoder(AnyCommand)
_message_decoder: Final[msgspec.msgpack.Decoder[AnyMessage]] = msgspec.msgpack.Decoder(AnyMessage)


class InputRow(NamedTuple):
    """One input of a shard, as it was accepted.

    For a batch, `payload` is the frame as it came and `first_seq..last_seq` are the facts of it
    that were new: the rows of an epoch follow each other without gap or overlap. For a command
    `epoch`, `first_seq` and `last_seq` are 0.
    """

    position: int
    kind: InputKind
    store: str
    epoch: int
    first_seq: int
    last_seq: int
    stamped_at_ms: int
    payload: bytes


class StateRow(NamedTuple):
    """The newest state of a SKU-location and the position of the input that made it."""

    store: str
    gtin: str
    position: int
    data: bytes


class WatermarkRow(NamedTuple):
    """The highest contiguous number applied of a `(store, epoch)`."""

    store: str
    epoch: int
    through_seq: int


class StoreRow(NamedTuple):
    """Where a store stands: the position of its newest told state and its newest epoch."""

    store: str
    position: int
    epoch: int


class BusinessKeyRow(NamedTuple):
    """The fact that claimed a till line: by input and number, with a digest of its content."""

    store: str
    transaction: str
    line: int
    position: int
    seq: int
    digest: bytes


class ReorderRow(NamedTuple):
    """The newest revision of a reorder."""

    store: str
    gtin: str
    number: int
    updated_position: int
    measure: Measure
    data: bytes


class RecordRow(NamedTuple):
    """The newest version of a record and the position of the input that made it.

    `due_at_ms` is `None` when nothing happens to it by itself. `refs` are what it is found by.
    """

    kind: str
    store: str
    id: str
    position: int
    is_open: bool
    due_at_ms: int | None
    refs: tuple[str, ...]
    data: bytes


class CommandKeyRow(NamedTuple):
    """A command that was accepted under a key: the digest of what was asked, and the answer."""

    key: str
    position: int
    stamped_at_ms: int
    digest: bytes
    answer: bytes


class EffectRow(NamedTuple):
    """What a command told a SKU-location, or a fact that became something else than it says.

    `ordinal` orders the effects of one position. `seq` is the fact's number, 0 for a command.
    """

    store: str
    gtin: str
    position: int
    ordinal: int
    stamped_at_ms: int
    seq: int
    cause_kind: str
    message: bytes


class EraRow(NamedTuple):
    """A stretch of the journal that one logic decided. It begins after `opened_after`."""

    number: int
    logic: int
    opened_after: int
    opened_at_ms: int


class Quarantined(NamedTuple):
    """What was refused, with the reason; `times` counts equal payloads.

    `epoch` and `seq` are those of a single fact and 0 for a payload. `store` is empty when the
    topic named none.
    """

    digest: bytes
    topic: str
    store: str
    epoch: int
    seq: int
    reason: str
    detail: str
    payload: bytes
    received_at_ms: int


class QuarantineEntry(NamedTuple):
    """A quarantined payload or fact as the operator sees it."""

    id: int
    status: QuarantineStatus
    times: int
    last_received_at_ms: int
    content: Quarantined


class Settlement(NamedTuple):
    """How a redrive ended: the entry's new status, and why if it is still refused."""

    quarantine_id: int
    status: QuarantineStatus
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalWrite:
    """One transaction's worth of news. All of it becomes durable, or nothing."""

    inputs: list[InputRow] = field(default_factory=list)
    watermarks: list[WatermarkRow] = field(default_factory=list)
    states: list[StateRow] = field(default_factory=list)
    stores: list[StoreRow] = field(default_factory=list)
    business_keys: list[BusinessKeyRow] = field(default_factory=list)
    reorders: list[ReorderRow] = field(default_factory=list)
    records: list[RecordRow] = field(default_factory=list)
    command_keys: list[CommandKeyRow] = field(default_factory=list)
    effects: list[EffectRow] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    settled: list[Settlement] = field(default_factory=list)
    published_through: int | None = None

    def is_empty(self) -> bool:
        """Say whether committing this would change nothing."""
        return self.published_through is None and self.is_publish_position_only()

    def is_publish_position_only(self) -> bool:
        """Say whether this holds nothing besides, at most, a publish position."""
        return not (self.inputs or self.quarantined or self.settled)


def encode_state(state: SkuLocation) -> bytes:
    """Return a state as its row carries it."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> SkuLocation:
    """Return the state in a row."""
    return _state_decoder.decode(data)


def encode_reorder(reorder: Reorder) -> bytes:
    """Return a reorder as its row carries it."""
    return _encoder.encode(reorder)


def decode_reorder(data: bytes) -> Reorder:
    """Return the reorder in a row."""
    return _reorder_decoder.decode(data)


def encode_message(message: AnyMessage) -> bytes:
    """Return what a SKU-location was told, as its effect row carries it."""
    return _encoder.encode(message)


def decode_message(data: bytes) -> AnyMessage:
    """Return what a SKU-location was told."""
    return _message_decoder.decode(data)


def encode_command(command: AnyCommand) -> bytes:
    """Return a command as the payload of its input row."""
    return _encoder.encode(command)


def decode_command(payload: bytes) -> AnyCommand:
    """Return the command in an input row."""
    return _command_decoder.decode(payload)


def command_problem(payload: bytes) -> str | None:
    """Return why a command could not be read back, if so: nothing of the kind is journalled."""
    try:
        _command_decoder.decode(payload)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def states_of(rows: Iterable[StateRow]) -> list[SkuLocation]:
    """Return the states in rows, in their order."""
    return [decode_state(row.data) for row in rows]


def overflow_of(entry: Quarantined) -> Quarantined:
    """Return the entry that counts what a store's full quarantine cannot keep."""
    return entry._replace(
        digest=b"",
        topic="",
        epoch=0,
        seq=0,
        reason=QUARANTINE_FULL,
        detail="the quarantine of this store is full; what came since is only counted",
        payload=b"",
    )
