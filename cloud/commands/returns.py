"""Commands about goods that customers bring back, bought anywhere."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.commands.command import LINES_MAX, Command, Line, Text
from protocol.facts import GtinText, Measure, Name, Quantity

ReturnCondition = Literal["sellable", "inspect", "damaged", "write_off"]
"""Restocked; kept in `in_return` for inspection; withheld as `damaged`; written off at once."""


class ReturnLine(Struct, frozen=True, kw_only=True, array_like=True):
    """What came back of one GTIN, and in which condition."""

    gtin: GtinText
    quantity: Quantity
    condition: ReturnCondition


class SoldLine(Line, frozen=True, kw_only=True, array_like=True):
    """What a receipt says was sold of one GTIN, all its lines summed."""

    measure: Measure


class AcceptReturn(Command, frozen=True, kw_only=True, tag=50):
    """Goods came back to `store`, sold by a receipt of any store, or by an order.

    `receipt` is `STORE/TRANSACTION`; `order_id` that of an order; exactly one of them is given.
    `exchange` are goods that the customer takes instead, in the same transaction. `sold` is
    stamped by the shard, as the time is: what the receipt says of the goods in `lines`.
    """

    return_id: Name
    lines: Annotated[list[ReturnLine], Meta(min_length=1, max_length=LINES_MAX)]
    receipt: Annotated[str, Meta(max_length=97)] = ""
    order_id: Annotated[str, Meta(max_length=64)] = ""
    exchange: Annotated[tuple[Line, ...], Meta(max_length=LINES_MAX)] = ()
    note: Text = ""
    sold: Annotated[tuple[SoldLine, ...], Meta(max_length=LINES_MAX)] = ()


class InspectReturn(Command, frozen=True, kw_only=True, tag=51):
    """Goods kept for inspection are fit for sale, damaged, or written off."""

    return_id: Name
    gtin: GtinText
    quantity: Quantity
    verdict: Literal["sellable", "damaged", "write_off"]
