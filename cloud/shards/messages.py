"""What goes into a shard and what comes out of its group commit.

These types are the seam between ingest, shard and publisher; no runtime (Pykka, Ray, the
deterministic harness) appears in them.
"""

from dataclasses import dataclass, field

from cloud.commands import AnyCommand
from cloud.records import Record
from cloud.records.notice import Notice
from cloud.sku_location.commands import (
    SetPolicy as SetPolicy,  # noqa: PLC0414 -- it is a ShardInput, so it is exported here too.
)
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import Reorder, SkuLocation
from protocol.envelope import FactBatch, Hello, MirrorRequest
from protocol.facts import Measure
from protocol.updates import Ack, Welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReceived:
    """An admitted batch, decoded, with the frame as it came (that is what is journalled)."""

    batch: FactBatch
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloReceived:
    """A store shakes hands."""

    hello: Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRequested:
    """A store's mirror asks for what it missed."""

    request: MirrorRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The broker has confirmed everything through this journal position."""

    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRefused:
    """Ingest could not admit a payload: quarantine it with its reason."""

    topic: str
    store: str | None
    reason: str
    detail: str
    payload: bytes
    received_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReceived:
    """A warehouse system sent a command; what the shard refuses of it, it quarantines."""

    command: AnyCommand
    topic: str
    payload: bytes
    received_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """An operator asked to try a quarantined entry again.

    `batch` or `document` is what admission makes of a quarantined payload now. Both are `None` for
    a single fact, which the shard decodes itself, and for a payload that is still refused, for the
    reason in `detail`.
    """

    quarantine_id: int
    batch: BatchReceived | None
    detail: str = ""
    document: DocumentReceived | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """Somebody asks for a command and waits for its answer under this ticket."""

    ticket: int
    command: AnyCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command was accepted, at this position; `record` is what it made or changed.

    `is_replayed`: it had been accepted before, under the same key. `is_idle`: nothing changed.
    """

    position: int
    record: Record | None = None
    is_replayed: bool = False
    is_idle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a submitted command, when it is durable."""

    ticket: int
    answer: Done | Refused


ShardInput = (
    BatchReceived
    | Submitted
    | HelloReceived
    | MirrorRequested
    | SetPolicy
    | Published
    | PayloadRefused
    | DocumentReceived
    | Redrive
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReorderChange:
    """A reorder of a SKU-location was opened, revised or closed in this commit."""

    store: str
    gtin: str
    reorder: Reorder
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreChange:
    """The newest states of one store's SKU-locations that a commit changed.

    `previous_position` is the store's position before, `position` after; `epoch`, `through_seq`
    the store's watermark that these states contain.
    """

    store: str
    previous_position: int
    position: int
    epoch: int
    through_seq: int
    states: list[SkuLocation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What one durable group commit lets others know. Nothing of it may be told before."""

    position: int
    answers: list[Ack | Welcome] = field(default_factory=list)
    changes: list[StoreChange] = field(default_factory=list)
    mirrors: list[StoreChange] = field(default_factory=list)
    """Answers to `MirrorRequested` and `HelloReceived`: for the store's mirror alone."""
    reorders: list[ReorderChange] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    facts_applied: int = 0
    facts_duplicate: int = 0
    facts_quarantined: int = 0
