"""Commands about goods on their way: despatch advices, receiving, discrepancies, transfers.

A transfer is a despatch from one of our locations: it takes the goods off there and is a despatch
advice here, so receiving and loss are the same for both.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.commands.command import LINES_MAX, Command, Line, Text
from protocol.facts import (
    QUANTITY_MAX,
    EpcBytes,
    GtinText,
    Measure,
    Name,
    Quantity,
    TimeMs,
)
from protocol.updates import StoreText

Condition = Literal["sellable", "damaged"]
Resolution = Literal["accepted", "rejected", "written_off", "found", "noted"]
"""Sellable from now on; sent away again; lost; turned up after all; seen, and nothing changes."""

DiscrepancyId = Annotated[str, Meta(min_length=1, max_length=80)]
"""The despatch and a number."""


class DespatchLine(Struct, frozen=True, kw_only=True, array_like=True):
    """What was shipped of one GTIN, in which SSCC, with its tags if they are known."""

    gtin: GtinText
    quantity: Quantity
    measure: Measure = "units"
    sscc: Annotated[str, Meta(pattern=r"^(\d{18})?$")] = ""
    epcs: Annotated[tuple[EpcBytes, ...], Meta(max_length=512)] = ()


class AdviseDespatch(Command, frozen=True, kw_only=True, tag=40):
    """Goods were shipped to `store` (an ASN).

    `is_strict`: what arrives otherwise than advised is held in quality control until resolved.
    `reorder_id`: the reorder that it answers.
    """

    despatch_id: Name
    source: Annotated[str, Meta(max_length=64)]
    lines: Annotated[list[DespatchLine], Meta(min_length=1, max_length=LINES_MAX)]
    expected_at_ms: TimeMs = 0
    is_strict: bool = False
    reorder_id: Annotated[str, Meta(max_length=64)] = ""


class ReceivedLine(Struct, frozen=True, kw_only=True, array_like=True):
    """What arrived of one GTIN, by scan or by hand."""

    gtin: GtinText
    quantity: Quantity
    measure: Measure = "units"
    condition: Condition = "sellable"
    sscc: Annotated[str, Meta(pattern=r"^(\d{18})?$")] = ""
    epcs: Annotated[tuple[EpcBytes, ...], Meta(max_length=512)] = ()


class ReceiveDespatch(Command, frozen=True, kw_only=True, tag=41):
    """Goods of a despatch arrived in the backroom. `receipt_id` names this receiving.

    The same receipt again changes nothing. `occurred_at_ms` is 0 for now.
    """

    despatch_id: Name
    receipt_id: Name
    lines: Annotated[list[ReceivedLine], Meta(min_length=1, max_length=LINES_MAX)]
    occurred_at_ms: TimeMs = 0


class CloseDespatch(Command, frozen=True, kw_only=True, tag=42):
    """Nothing more will come of a despatch: what is missing is short."""

    despatch_id: Name


class ResolveDiscrepancy(Command, frozen=True, kw_only=True, tag=43):
    """Say what became of a discrepancy, or of `quantity` of it (0: of all that is unsettled)."""

    discrepancy_id: DiscrepancyId
    resolution: Resolution
    note: Text = ""
    quantity: Annotated[int, Meta(ge=0, le=QUANTITY_MAX)] = 0


class DespatchTransfer(Command, frozen=True, kw_only=True, tag=44):
    """Goods leave `store` for another of our locations.

    `transfer_id` is the despatch that the destination receives; `reorder_id` the reorder of the
    destination that it answers.
    """

    transfer_id: Name
    destination: StoreText
    lines: Annotated[list[Line], Meta(min_length=1, max_length=LINES_MAX)]
    sscc: Annotated[str, Meta(pattern=r"^(\d{18})?$")] = ""
    expected_at_ms: TimeMs = 0
    is_strict: bool = False
    reorder_id: Annotated[str, Meta(max_length=64)] = ""
