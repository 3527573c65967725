"""Commands about the goods of one SKU-location, and quarantined facts that are tried again."""

from typing import Literal

from msgspec import Struct

from cloud.commands.command import Command, Text
from cloud.sku_location.state import UnavailableReason
from protocol.facts import GtinText, Quantity


class ApplyFact(Struct, frozen=True, kw_only=True, array_like=True, tag=2):
    """Apply a fact that was quarantined when its batch came, under the number it had then.

    `fact` is the fact as its MessagePack bytes.
    """

    store: str
    epoch: int
    seq: int
    fact: bytes
    key: str = ""
    digest: bytes = b""


class AdjustStock(Command, frozen=True, kw_only=True, tag=20):
    """Withhold goods from sale, let them be sold again, or write them off.

    `reason` is why they are or were withheld; `None` with `write_off` means stolen.
    """

    gtin: GtinText
    quantity: Quantity
    action: Literal["withhold", "reinstate", "write_off"]
    reason: UnavailableReason | None
    note: Text = ""
