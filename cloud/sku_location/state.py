"""The state of one SKU-location: one GTIN at one location.

Pure data. `decide` looks at it, `evolve` makes the next one, the journal stores it as MessagePack.
The types are exempt from garbage collection (`gc=False`): they cannot form cycles, and a shard
holds hundreds of thousands of them.
"""

from typing import Literal

from msgspec import Struct

from protocol.facts import Measure

ReorderStatus = Literal["open", "acknowledged", "despatched", "received", "cancelled"]


class Policy(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """When to reorder and how much: position ≤ `reorder_point` orders up to `order_up_to`."""

    reorder_point: int
    order_up_to: int


class Reorder(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """The latest reorder of a SKU-location. `number` counts from 1 and never repeats."""

    number: int
    revision: int
    status: ReorderStatus
    quantity: int
    received: int
    opened_at_ms: int
    updated_at_ms: int


class Cause(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """The fact or command that made a version; `epoch` and `seq` are 0 for a command."""

    kind: str
    epoch: int
    seq: int
    occurred_at_ms: int


class SkuLocation(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One SKU-location at one version; version 0 is the state before anything happened.

    The ledger columns close at every version (P5):
    opening + received + returned + found - sold - moved - lost = on_hand. `on_hand` is carried,
    not derived, so that the equation can be violated by a bug and caught.
    """

    store: str
    gtin: str
    version: int = 0
    measure: Measure | None = None
    on_hand: int = 0
    opening: int = 0
    received: int = 0
    returned: int = 0
    found: int = 0
    sold: int = 0
    moved: int = 0
    lost: int = 0
    backroom: int = 0
    reserved: int = 0
    unavailable: int = 0
    incoming: int = 0
    counted: bool = False
    policy: Policy | None = None
    reorder: Reorder | None = None
    as_of_ms: int = 0
    cause: Cause | None = None

    @property
    def on_order(self) -> int:
        """What an open reorder still has to bring."""
        if self.reorder is None or self.reorder.status in ("received", "cancelled"):
            return 0
        return max(0, self.reorder.quantity - self.reorder.received)

    @property
    def position(self) -> int:
        """Inventory position: what reorders look at."""
        return self.on_hand - self.reserved - self.unavailable + self.incoming + self.on_order


def ledger_closes(state: SkuLocation) -> bool:
    """Say whether the columns explain `on_hand` (P5). It must hold at every version."""
    gained = state.opening + state.received + state.returned + state.found
    return gained - state.sold - state.moved - state.lost == state.on_hand


def reorder_id(store: str, gtin: str, number: int) -> str:
    """Return the name by which everybody outside knows a reorder."""
    return f"{store}-{gtin}-{number}"
