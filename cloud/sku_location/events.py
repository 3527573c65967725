"""Events: what a SKU-location decided. State changes through these and through nothing else.

Each event makes one version and names the fact or command that caused it. Events are not
journalled (decision 1), so they have no wire form.
"""

from typing import Literal, NamedTuple

from msgspec import Struct

from cloud.sku_location.state import Cause, Hold, Policy, ReorderStatus, UnavailableReason
from protocol.facts import Measure

Absorber = Literal["opening", "count"]
"""What had already taken in a movement that came late: the first count, or a later one."""


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """What all events share: why, and the time the shard stamped on the input."""

    cause: Cause
    at_ms: int
    belief: bytes | None = None
    """What is believed of the count from here on, if that is something else."""


class EvidenceTaken(Event, frozen=True, kw_only=True, gc=False):
    """Something was seen that moves no goods in the book and says how many there are."""

    measure: Measure


class StockEvent(Event, frozen=True, kw_only=True, gc=False):
    """Something about goods, `to_backroom` of which went into the backroom (< 0: out of it)."""

    measure: Measure
    to_backroom: int = 0


class LedgerEvent(StockEvent, frozen=True, kw_only=True, gc=False):
    """A quantity for one column of the ledger, in steps of the SKU-location's measure.

    `happened_at_ms` is the time of what happened as far as its clock can be believed.
    """

    quantity: int
    happened_at_ms: int


class ObservedEvent(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods moved. When that was before a count that came first, the count has absorbed it.

    Then `on_hand` stays, and the difference that the count had found is corrected by as much.
    """

    absorbed_by: Absorber | None = None


class Sold(ObservedEvent, frozen=True, kw_only=True, gc=False):
    """Goods left with a customer."""


class SaleUndone(ObservedEvent, frozen=True, kw_only=True, gc=False):
    """Goods thought sold never left."""


class Returned(ObservedEvent, frozen=True, kw_only=True, gc=False):
    """A customer brought goods back."""


class ReturnUndone(ObservedEvent, frozen=True, kw_only=True, gc=False):
    """Goods thought returned never came back."""


class Received(ObservedEvent, frozen=True, kw_only=True, gc=False):
    """Goods were delivered, `from_incoming` of them announced."""

    from_incoming: int = 0
    fills_reorder: bool = True
    reorder_number: int = 0


class MovedAway(ObservedEvent, frozen=True, kw_only=True, gc=False):
    """Goods left for another location; `is_departing`: a reader may yet see their tags leave."""

    is_departing: bool = False


class MovedHere(ObservedEvent, frozen=True, kw_only=True, gc=False):
    """Goods known here came back from transit."""


class CountEvent(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """A count fixed `on_hand` as of `happened_at_ms`; `quantity` is how far the book was off."""


class OpeningCounted(CountEvent, frozen=True, kw_only=True, gc=False):
    """The first count ever. Its `quantity` goes either way."""


class Found(CountEvent, frozen=True, kw_only=True, gc=False):
    """A later count showed more than the book."""


class Lost(CountEvent, frozen=True, kw_only=True, gc=False):
    """A later count showed less than the book."""


class CountConfirmed(StockEvent, frozen=True, kw_only=True, gc=False):
    """A later count showed what the book said for that moment."""

    happened_at_ms: int


class WrittenOff(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods are gone for good: withheld ones (`reason`), or sellable ones that were stolen."""

    reason: UnavailableReason | None


class Withheld(StockEvent, frozen=True, kw_only=True, gc=False):
    """Goods on hand cannot be sold, for a reason (`quantity` below 0: they can again)."""

    reason: UnavailableReason
    quantity: int


class IncomingChanged(StockEvent, frozen=True, kw_only=True, gc=False):
    """Goods were shipped to here, or will not come after all (`quantity` below 0).

    `reorder_number` names the reorder that they answer (0: none).
    """

    quantity: int
    reorder_number: int = 0


class HoldEvent(Event, frozen=True, kw_only=True, gc=False):
    """Something happened to what a reservation holds."""

    reservation_id: str


class Held(HoldEvent, frozen=True, kw_only=True, gc=False):
    """Goods were reserved: `hold`, with `buffer` hidden from its channel at that moment."""

    hold: Hold
    buffer: int


class HoldExtended(HoldEvent, frozen=True, kw_only=True, gc=False):
    """A hold expires at another time (0: never)."""

    expires_at_ms: int


class PaymentAwaited(HoldEvent, frozen=True, kw_only=True, gc=False):
    """A hold is being paid and stays until then."""

    pay_by_ms: int


class HoldConfirmed(HoldEvent, frozen=True, kw_only=True, gc=False):
    """A hold expires no more."""


class HoldPicked(HoldEvent, frozen=True, kw_only=True, gc=False):
    """Somebody has more of the goods in hand."""

    quantity: int


class HoldReleased(HoldEvent, frozen=True, kw_only=True, gc=False):
    """Somebody gave goods back that were held."""

    quantity: int


class Loss(NamedTuple):
    """How much one reservation loses."""

    reservation_id: str
    quantity: int


class HoldsLost(Event, frozen=True, kw_only=True, gc=False):
    """Holds have less, or nothing and are gone: many at once, since they lose together."""

    losses: tuple[Loss, ...]


class HoldsExpired(HoldsLost, frozen=True, kw_only=True, gc=False):
    """Goods were held too long."""


class HoldsShorted(HoldsLost, frozen=True, kw_only=True, gc=False):
    """Goods that were promised are not there any more."""


class Fulfilled(LedgerEvent, frozen=True, kw_only=True, gc=False):
    """Goods left that a reservation held; `is_departing`: a reader may yet see their tags leave."""

    reservation_id: str
    is_departing: bool = False


class BackroomChanged(StockEvent, frozen=True, kw_only=True, gc=False):
    """Goods went into the backroom or out of it, within the location."""


class DepartureSeen(StockEvent, frozen=True, kw_only=True, gc=False):
    """A reader saw the tags of goods leave that a command had taken off before."""

    quantity: int
    happened_at_ms: int


class PolicySet(Event, frozen=True, kw_only=True, gc=False):
    """The reorder policy is another one now."""

    policy: Policy | None


class ReorderOpened(Event, frozen=True, kw_only=True, gc=False):
    """The position fell to the reorder point."""

    number: int
    quantity: int
    source: str = ""


class ReorderRevised(Event, frozen=True, kw_only=True, gc=False):
    """Before anybody had answered, something else turned out to be missing."""

    quantity: int
    source: str = ""


class ReorderWithdrawn(Event, frozen=True, kw_only=True, gc=False):
    """Before anybody had answered, it turned out that nothing is missing; it is cancelled."""


class ReorderAnnounced(Event, frozen=True, kw_only=True, gc=False):
    """A part of what was ordered was despatched, or will not come after all (`quantity` < 0)."""

    quantity: int


class ReorderFilled(Event, frozen=True, kw_only=True, gc=False):
    """A part of what was ordered arrived, `from_announced` of it announced."""

    quantity: int
    from_announced: int = 0


class ReorderReceived(Event, frozen=True, kw_only=True, gc=False):
    """The last of what was ordered arrived; the reorder is closed."""

    quantity: int
    from_announced: int = 0


class ReorderMarked(Event, frozen=True, kw_only=True, gc=False):
    """Somebody outside said where the reorder stands."""

    status: ReorderStatus
    reference: str
    expected_at_ms: int
    quantity: int


class ReorderEscalated(Event, frozen=True, kw_only=True, gc=False):
    """Nobody had acknowledged the reorder in time."""


ReorderEvent = (
    ReorderOpened
    | ReorderRevised
    | ReorderWithdrawn
    | ReorderAnnounced
    | ReorderFilled
    | ReorderReceived
    | ReorderMarked
    | ReorderEscalated
)

AnyEvent = (
    LedgerEvent
    | EvidenceTaken
    | CountConfirmed
    | BackroomChanged
    | DepartureSeen
    | Withheld
    | IncomingChanged
    | HoldEvent
    | HoldsLost
    | PolicySet
    | ReorderEvent
)
