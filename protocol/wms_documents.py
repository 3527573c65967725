"""JSON documents that a warehouse system (WMS) sends us. Their schemas are in `docs/schemas/`.

The store is that of the topic, never one that a document names (design P7). Unknown fields are
refused, so that a misspelt one is noticed: the payload is kept and can be tried again.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from protocol.facts import EPCS_PER_FACT_MAX, QUANTITY_MAX, Measure, Name, Quantity

DESPATCH_ADVICE_SCHEMA: Final = "despatch-advice/1"
REORDER_STATUS_SCHEMA: Final = "reorder-status/1"
LINES_MAX: Final = 200

AnyGtin = Annotated[str, Meta(pattern=r"^[0-9]{8}([0-9]{4,6})?$", min_length=8, max_length=14)]
"""A GTIN-8, -12, -13 or -14; its check digit is verified."""

Sscc = Annotated[str, Meta(pattern=r"^([0-9]{18})?$", max_length=18)]
EpcHex = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2}){1,62}$", min_length=2, max_length=124)]
"""The EPC memory of a tag in hexadecimal, as readers report it."""

Moment = Annotated[datetime, Meta(tz=True)]
MessageId = Annotated[str, Meta(max_length=64)]


class WmsDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all documents may carry: an id of the message, by which it counts once.

    Without one, documents of equal content are one message.
    """

    message_id: MessageId = ""


class AdvisedLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was shipped of one GTIN in one logistic unit; `epcs` are all of its tags, or none."""

    gtin: AnyGtin
    quantity: Quantity
    measure: Measure = "units"
    sscc: Sscc = ""
    epcs: Annotated[tuple[EpcHex, ...], Meta(max_length=EPCS_PER_FACT_MAX)] = ()


class DespatchAdviceDocument(WmsDocument, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goods were shipped to the store of the topic.

    `despatch_id` never repeats for a store. `is_strict`: what arrives otherwise than advised cannot
    be sold until somebody has resolved it. `reorder_id`: the reorder that this answers.
    """

    schema: Literal["despatch-advice/1"] = DESPATCH_ADVICE_SCHEMA
    despatch_id: Name
    source: Name
    lines: Annotated[list[AdvisedLine], Meta(min_length=1, max_length=LINES_MAX)]
    expected_at: Moment | None = None
    is_strict: bool = False
    reorder_id: Annotated[str, Meta(max_length=64)] = ""


class ReorderStatusDocument(WmsDocument, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a reorder stands. `quantity` is what will come, when it is not what was ordered."""

    schema: Literal["reorder-status/1"] = REORDER_STATUS_SCHEMA
    reorder_id: Name
    status: Literal["acknowledged", "despatched", "received", "cancelled"]
    reference: Annotated[str, Meta(max_length=64)] = ""
    expected_at: Moment | None = None
    quantity: Annotated[int, Meta(ge=0, le=QUANTITY_MAX)] = 0
