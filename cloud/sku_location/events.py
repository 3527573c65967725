"""Events: what a SKU-location decided. State changes through these and through nothing else.

Each event makes one version and names the fact or command that caused it. Events are not
journalled (decision 1), so they have no wire form.
"""

from msgspec import Struct

from cloud.sku_location.state import Cause, Policy
from protocol.facts import Measure


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """What all events share: why, and the time the shard stamped on the input."""

    cause: Cause
    at_ms: int


class StockEvent(Event, frozen=True, kw_only=True, gc=False):
    """Something about goods, `to_backroom` of which went into the backroom (< 0: out of it)."""

    measure: Measure
    to_backroom: int = 0


class LedgerEvent(StockEvent, frozen=True, kw_only=True, gc=False):
    """A quantity for one column of the ledger, in steps of the SKU-location's measure."""

    quantity: int


class Sold(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods left with a customer."""


class SaleUndone(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods thought sold never left."""


class Returned(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """A customer brought goods back."""


class ReturnUndone(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods thought returned never came back."""


class Received(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods were delivered."""


class MovedAway(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods left for another location."""


class MovedHere(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods known here came back from transit."""


class OpeningCounted(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """The first count ever. `quantity` is how far the book was off, either way."""


class Found(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """A later count showed more than the book."""


class Lost(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """A later count showed less than the book."""


class CountConfirmed(StockEvent, frozen=True, kw_only=True, gc=False):
    """A later count showed what the book said."""


class BackroomChanged(StockEvent, frozen=True, kw_only=True, gc=False):
    """Goods went into the backroom or out of it, within the location."""


class PolicySet(Event, frozen=True, kw_only=True, gc=False):
    """The reorder policy is another one now."""

    policy: Policy | None


class ReorderOpened(Event, frozen=True, kw_only=True, gc=False):
    """The position fell to the reorder point."""

    number: int
    quantity: int


class ReorderFilled(Event, frozen=True, kw_only=True, gc=False):
    """A part of what was ordered arrived."""

    quantity: int


class ReorderReceived(Event, frozen=True, kw_only=True, gc=False):
    """The last of what was ordered arrived; the reorder is closed."""

    quantity: int


AnyEvent = (
    LedgerEvent
    | CountConfirmed
    | BackroomChanged
    | PolicySet
    | ReorderOpened
    | ReorderFilled
    | ReorderReceived
)
