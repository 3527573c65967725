"""JSON documents that third parties read. Their schemas are published in `docs/schemas/`.

Unknown fields are to be ignored by readers: a new field is no new schema; a changed meaning is.
Times are RFC 3339 in UTC with milliseconds. Quantities are whole steps of `measure`.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from protocol.facts import GtinText, Measure

STOCK_SCHEMA: Final = "stock/1"
REORDER_SCHEMA: Final = "reorder/1"
AGENT_SCHEMA: Final = "agent/1"
NOTICE_SCHEMA: Final = "notice/1"

Timestamp = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
ReorderStatus = Literal["open", "acknowledged", "despatched", "received", "cancelled"]


class Cause(Struct, frozen=True, kw_only=True):
    """The fact or command that made this version. `epoch` and `seq` are 0 for a command."""

    kind: str
    epoch: int
    seq: int
    occurred_at: Timestamp


class Ledger(Struct, frozen=True, kw_only=True):
    """Where on_hand comes from (P5).

    `opening + received + returned + found - sold - moved - lost = on_hand`, at every version.
    `written_off` and `stolen` are parts of `lost`.
    """

    opening: int
    received: int
    returned: int
    found: int
    sold: int
    moved: int
    lost: int
    written_off: int = 0
    stolen: int = 0


class Unavailable(Struct, frozen=True, kw_only=True):
    """What is on hand and not sellable, by reason."""

    damaged: int = 0
    quality_control: int = 0
    in_return: int = 0


Probability = Annotated[float, Meta(ge=0, le=1)]


class Belief(Struct, frozen=True, kw_only=True):
    """What is believed of the true on_hand, beside the book, as of `as_of`.

    `low` to `high` holds it with at least 90 %; `confidence` is P(on hand = best), `p_out` is
    P(on hand = 0), and `p_phantom` the same while the book says that there are some.
    """

    best: Annotated[int, Meta(ge=0)]
    low: Annotated[int, Meta(ge=0)]
    high: Annotated[int, Meta(ge=0)]
    confidence: Probability
    p_out: Probability
    p_phantom: Probability


class StockDocument(Struct, frozen=True, kw_only=True):
    """One SKU-location at one version. `version` grows by 1 with each change."""

    schema: Literal["stock/1"] = STOCK_SCHEMA
    store: str
    gtin: GtinText
    version: Annotated[int, Meta(ge=1)]
    measure: Measure
    on_hand: int
    reserved: int
    unavailable: int
    available: Annotated[int, Meta(ge=0)]
    incoming: int
    on_order: int
    position: int
    backroom: int
    ledger: Ledger
    as_of: Timestamp
    cause: Cause
    sales_floor: int = 0
    unavailable_by: Unavailable = Unavailable()
    belief: Belief | None = None


class ReorderDocument(Struct, frozen=True, kw_only=True):
    """One reorder. `reorder_id` never repeats; `revision` grows by 1 with each change."""

    schema: Literal["reorder/1"] = REORDER_SCHEMA
    reorder_id: str
    revision: Annotated[int, Meta(ge=1)]
    store: str
    gtin: GtinText
    status: ReorderStatus
    measure: Measure
    quantity: Annotated[int, Meta(ge=1)]
    received: Annotated[int, Meta(ge=0)]
    opened_at: Timestamp
    updated_at: Timestamp
    source: str = ""
    reference: str = ""
    expected_at: Timestamp | None = None
    escalations: int = 0


class NoticeDocument(Struct, frozen=True, kw_only=True):
    """Something that somebody should know or act on, told once; `subject` is what it is about.

    `notice_id` never repeats. Notices that were missed are read through the HTTP API.
    """

    schema: Literal["notice/1"] = NOTICE_SCHEMA
    notice_id: str
    kind: str
    store: str
    subject: str
    gtin: str
    quantity: int
    measure: Measure | None
    order_id: str
    channel: str
    detail: str
    at: Timestamp


class DeviceStatus(Struct, frozen=True, kw_only=True):
    """One device as its agent sees it."""

    name: str
    kind: str
    health: Literal["starting", "healthy", "degraded", "lost", "stopped"]
    detail: str = ""
    readings: int = 0
    facts: int = 0
    restarts: int = 0


class AgentDocument(Struct, frozen=True, kw_only=True):
    """Retained on a store's `agent` topic; the offline form is the MQTT last will."""

    schema: Literal["agent/1"] = AGENT_SCHEMA
    store: str
    status: Literal["online", "offline"]
    since: Timestamp
    agent_version: str
    epoch: int = 0
    outbox_pending: int = 0
    alarms: list[str] = []
    devices: list[DeviceStatus] = []


class CloudDocument(Struct, frozen=True, kw_only=True):
    """Retained on the cloud's `agent` topic.

    `published_through` is the journal position up to which the broker has confirmed every
    retained state and reorder.
    """

    schema: Literal["cloud/1"] = "cloud/1"
    status: Literal["online", "offline"]
    since: Timestamp
    cloud_version: str
    owner_epoch: int = 0
    published_through: int = 0


@lru_cache(maxsize=4_096)
def timestamp(time_ms: int) -> str:
    """Return milliseconds since the Unix epoch as an RFC 3339 UTC timestamp."""
    seconds, milliseconds = divmod(time_ms, 1000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        moment = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    return f"{moment.isoformat()[:19]}.{milliseconds:03d}Z"


_encoder: Final = msgspec.json.Encoder()


def encode_document(document: Struct | list[StockDocument]) -> bytes:
    """Return a document, or an array of stock documents, as JSON."""
    return _encoder.encode(document)
