"""Commands about reorders and the signals inside a store."""

from typing import Annotated

from msgspec import Meta

from cloud.commands.command import Command
from cloud.sku_location.state import ReorderStatus
from protocol.facts import GtinText, Name, TimeMs


class SetReorderStatus(Command, frozen=True, kw_only=True, tag=60):
    """The supplier or warehouse says where a reorder stands.

    `reference` is its own name for it; `quantity` revises what will come (0: as ordered).
    """

    reorder_id: Name
    status: ReorderStatus
    reference: Annotated[str, Meta(max_length=64)] = ""
    expected_at_ms: TimeMs = 0
    quantity: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


class Escalate(Command, frozen=True, kw_only=True, tag=61):
    """Nobody has acknowledged a reorder in time.

    `if_escalations`: only if it was escalated that often before, so that the same finding counts
    once.
    """

    reorder_id: Name
    if_escalations: Annotated[int, Meta(ge=0)] | None = None


class Review(Command, frozen=True, kw_only=True, tag=62):
    """A review day has come for this SKU-location."""

    gtin: GtinText
