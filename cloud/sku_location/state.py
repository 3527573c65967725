"""The state of one SKU-location: one GTIN at one location.

Pure data. `decide` looks at it, `evolve` makes the next one, the journal stores it as MessagePack.
Fields are stored by position: a new one goes to the end and has a default, so that the rows of an
older program are read as they are. The types are exempt from garbage collection (`gc=False`): they
cannot form cycles, and a shard holds hundreds of thousands of them.
"""

from typing import Final, Literal

from msgspec import Struct

from protocol.facts import Measure

ReorderStatus = Literal["open", "acknowledged", "despatched", "received", "cancelled"]
HoldStatus = Literal["held", "awaiting_payment", "confirmed"]
UnavailableReason = Literal["damaged", "quality_control", "in_return"]

UNAVAILABLE_REASONS: Final[tuple[UnavailableReason, ...]] = (
    "damaged",
    "quality_control",
    "in_return",
)


class Policy(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """When to reorder and how much: position ≤ `reorder_point` orders up to `order_up_to`.

    The quantity is rounded up to whole packs and is at least `minimum_order`. `review_weekdays`
    are the days (0 is Monday, UTC) on which a reorder may open; empty means at any time.
    `replenish_at` asks for goods from the backroom when the sales floor has this much or less.
    While the count is less sure than `confidence_min`, no reorder opens; a recount is asked for.
    """

    reorder_point: int
    order_up_to: int
    pack_size: int = 1
    minimum_order: int = 1
    lead_time_h: int = 0
    review_weekdays: tuple[int, ...] = ()
    source: str = ""
    is_on: bool = True
    replenish_at: int | None = None
    confidence_min: float = 0.0


class Reorder(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """The latest reorder of a SKU-location. `number` counts from 1 and never repeats.

    `escalations` counts how often nobody had acknowledged it in time, the last time at
    `escalated_at_ms`. `reference` is the name by which the supplier knows it, and `expected_at_ms`
    when the goods are due (0: unknown). `announced` is how much of it is `incoming` now.
    """

    number: int
    revision: int
    status: ReorderStatus
    quantity: int
    received: int
    opened_at_ms: int
    updated_at_ms: int
    source: str = ""
    reference: str = ""
    expected_at_ms: int = 0
    escalations: int = 0
    escalated_at_ms: int = 0
    announced: int = 0


class Hold(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What one reservation holds of this SKU-location: `quantity` reserved, `picked` of it in hand.

    `expires_at_ms` is 0 when it does not expire. `ship_by_ms` is the order's deadline, 0 if none.
    """

    reservation_id: str
    order_id: str
    channel: str
    status: HoldStatus
    quantity: int
    picked: int
    granted_at_ms: int
    expires_at_ms: int
    ship_by_ms: int


class Movement(Struct, frozen=True, array_like=True, gc=False):
    """A change of `on_hand` since the newest count: when it happened, and by how much."""

    happened_at_ms: int
    change: int


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
    not derived, so that the equation can be violated by a bug and caught; so is `reserved`, which
    is the sum of the holds. `written_off` and `stolen` are parts of `lost`.

    `recent` are the movements since the newest count, oldest first, as far as they are remembered:
    what happened before `forgotten_through_ms` is not. `departing` is what commands have taken off
    `on_hand` and whose tags no reader has seen leave yet. `belief` is what is believed of the true
    on hand, packed (`belief.record.Belief`); empty before there was any evidence.
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
    damaged: int = 0
    incoming: int = 0
    counted: bool = False
    policy: Policy | None = None
    reorder: Reorder | None = None
    as_of_ms: int = 0
    cause: Cause | None = None
    quality_control: int = 0
    in_return: int = 0
    written_off: int = 0
    stolen: int = 0
    opened_at_ms: int = 0
    counted_at_ms: int = 0
    forgotten_through_ms: int = 0
    recent: tuple[Movement, ...] = ()
    holds: tuple[Hold, ...] = ()
    departing: tuple[Movement, ...] = ()
    belief: bytes = b""

    @property
    def unavailable(self) -> int:
        """On hand and not sellable."""
        return self.damaged + self.quality_control + self.in_return

    @property
    def sellable(self) -> int:
        """What is neither reserved nor unavailable; below 0 when the book has too little."""
        return self.on_hand - self.reserved - self.unavailable

    @property
    def sales_floor(self) -> int:
        """What is on hand and not in the backroom."""
        return self.on_hand - self.backroom

    @property
    def on_order(self) -> int:
        """What an open reorder still has to bring and nobody has announced yet."""
        if self.reorder is None or self.reorder.status in ("received", "cancelled"):
            return 0
        reorder = self.reorder
        return max(0, reorder.quantity - reorder.received - reorder.announced)

    @property
    def position(self) -> int:
        """Inventory position: what reorders look at."""
        return self.sellable + self.incoming + self.on_order

    def hold(self, reservation_id: str) -> Hold | None:
        """Return what a reservation holds here."""
        for hold in self.holds:
            if hold.reservation_id == reservation_id:
                return hold
        return None


def ledger_closes(state: SkuLocation) -> bool:
    """Say whether the columns explain `on_hand` (P5). It must hold at every version."""
    gained = state.opening + state.received + state.returned + state.found
    return gained - state.sold - state.moved - state.lost == state.on_hand


def holds_add_up(state: SkuLocation) -> bool:
    """Say whether the holds explain `reserved`. It must hold at every version."""
    return sum(hold.quantity for hold in state.holds) == state.reserved


def reorder_id(store: str, gtin: str, number: int) -> str:
    """Return the name by which everybody outside knows a reorder."""
    return f"{store}-{gtin}-{number}"
