"""What a SKU-location can be told besides facts. Imperative.

These are not journalled: a command is, and its handler tells each SKU-location its part, the same
in every replay. Quantities are in steps of the SKU-location's measure and at least 1.
"""

from msgspec import Struct

from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.state import ReorderStatus, UnavailableReason
from protocol.facts import Measure


class SkuMessage(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One SKU-location is told something."""

    store: str
    gtin: str


class HoldStock(SkuMessage, frozen=True, kw_only=True, tag=21, gc=False):
    """Reserve `quantity` if, with `buffer` hidden from the channel, it is available.

    `if_version`: only at this version of the SKU-location.
    """

    reservation_id: str
    order_id: str
    channel: str
    quantity: int
    buffer: int
    expires_at_ms: int
    ship_by_ms: int
    if_version: int | None = None


class HoldMessage(SkuMessage, frozen=True, kw_only=True, gc=False):
    """Something about the hold of one reservation."""

    reservation_id: str


class ExtendHold(HoldMessage, frozen=True, kw_only=True, tag=2, gc=False):
    """Let the hold expire later (0: never)."""

    expires_at_ms: int


class AwaitPaymentOfHold(HoldMessage, frozen=True, kw_only=True, tag=3, gc=False):
    """Keep the hold until the deadline of its payment at least."""

    pay_by_ms: int


class ConfirmHold(HoldMessage, frozen=True, kw_only=True, tag=4, gc=False):
    """The order is paid, or needs no payment: the hold expires no more."""


class ReleaseHold(HoldMessage, frozen=True, kw_only=True, tag=5, gc=False):
    """Give back what is not needed."""

    quantity: int


class ExpireHold(HoldMessage, frozen=True, kw_only=True, tag=6, gc=False):
    """Give back what was held too long."""


class PickHold(HoldMessage, frozen=True, kw_only=True, tag=7, gc=False):
    """Somebody has the goods in hand."""

    quantity: int


class FulfilHold(HoldMessage, frozen=True, kw_only=True, tag=8, gc=False):
    """The goods leave with the customer, or with a carrier (`by_carrier`) through the dock."""

    quantity: int
    by_carrier: bool = False


class Withhold(SkuMessage, frozen=True, kw_only=True, tag=9, gc=False):
    """Goods on hand cannot be sold, for a reason."""

    reason: UnavailableReason
    quantity: int


class Reinstate(SkuMessage, frozen=True, kw_only=True, tag=10, gc=False):
    """Goods withheld can be sold again."""

    reason: UnavailableReason
    quantity: int


class WriteOff(SkuMessage, frozen=True, kw_only=True, tag=11, gc=False):
    """Goods are gone for good: withheld ones (`reason`), or sellable ones that were stolen."""

    reason: UnavailableReason | None
    quantity: int


class Announce(SkuMessage, frozen=True, kw_only=True, tag=12, gc=False):
    """Goods were shipped to here, for the reorder of that number (0: for none)."""

    quantity: int
    measure: Measure
    reorder_number: int = 0


class Unannounce(SkuMessage, frozen=True, kw_only=True, tag=13, gc=False):
    """Goods that were shipped to here will not come. `reorder_number` as in `Announce`.

    `has_arrived`: other goods of the same despatch came, so that these may be here, unread.
    `advised` is how many the line told of.
    """

    quantity: int
    reorder_number: int = 0
    has_arrived: bool = False
    advised: int = 0


class TakeIn(SkuMessage, frozen=True, kw_only=True, tag=14, gc=False):
    """Goods arrived, `from_incoming` of them announced; `withheld` cannot be sold, for a reason.

    `occurred_at_ms` is when they arrived. `fills_reorder` is false for goods that no reorder asked
    for; `reorder_number` is the reorder that they name (0: none). A `quantity` of 0 says that goods
    told of were here already. `epcs` are the tags that were read of them.
    """

    quantity: int
    measure: Measure
    to_backroom: int
    from_incoming: int
    withheld: int = 0
    reason: UnavailableReason | None = None
    occurred_at_ms: int
    fills_reorder: bool = True
    reorder_number: int = 0
    epcs: tuple[bytes, ...] = ()


class TakeBack(SkuMessage, frozen=True, kw_only=True, tag=15, gc=False):
    """A customer returned goods: sellable, or withheld for a reason."""

    quantity: int
    measure: Measure
    reason: UnavailableReason | None


class Sell(SkuMessage, frozen=True, kw_only=True, tag=16, gc=False):
    """Goods leave with a customer outside any reservation, as in an exchange."""

    quantity: int
    measure: Measure


class SendAway(SkuMessage, frozen=True, kw_only=True, tag=17, gc=False):
    """Goods leave for another location."""

    quantity: int
    measure: Measure


class MarkReorder(SkuMessage, frozen=True, kw_only=True, tag=18, gc=False):
    """Somebody outside says where a reorder stands; `quantity` revises it when not 0."""

    number: int
    status: ReorderStatus
    reference: str
    expected_at_ms: int
    quantity: int = 0


class EscalateReorder(SkuMessage, frozen=True, kw_only=True, tag=19, gc=False):
    """Nobody has acknowledged a reorder in time."""

    number: int


class ReviewReorder(SkuMessage, frozen=True, kw_only=True, tag=20, gc=False):
    """Look at the position now: a review day has come."""


class FollowBelief(SkuMessage, frozen=True, kw_only=True, tag=22, gc=False):
    """Let the book say what is believed, if that is sure enough."""


class JudgeLine(SkuMessage, frozen=True, kw_only=True, tag=23, gc=False):
    """A till line, of which the exit saw nothing pass, was held against what else passed it.

    `ratio_percent` above 100 speaks for a mistaken line, below 100 against it.
    """

    line_at_ms: int
    ratio_percent: int


AnyMessage = (
    SetPolicy
    | HoldStock
    | ExtendHold
    | AwaitPaymentOfHold
    | ConfirmHold
    | ReleaseHold
    | ExpireHold
    | PickHold
    | FulfilHold
    | Withhold
    | Reinstate
    | WriteOff
    | Announce
    | Unannounce
    | TakeIn
    | TakeBack
    | Sell
    | SendAway
    | MarkReorder
    | EscalateReorder
    | ReviewReorder
    | FollowBelief
    | JudgeLine
)
