"""The answer: a plan that explains itself, or why there is none."""

from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct

from protocol.facts import Measure

ParcelKind: TypeAlias = Literal["ship_from_store", "warehouse", "collected", "transfer"]


class Reason(StrEnum):
    """Why a location was not in the running."""

    EXCLUDED = "excluded"
    NO_STOCK = "no_stock"
    TOO_LATE = "too_late"
    NO_CAPACITY = "no_capacity"
    NO_TRANSFER = "no_transfer"
    OUTCLASSED = "outclassed"


class Rejection(Struct, frozen=True, kw_only=True):
    """A location that was ruled out before costs were compared; `detail` is plain English."""

    location: str
    reason: Reason
    detail: str


class ParcelCost(Struct, frozen=True, kw_only=True):
    """What one parcel costs, in cents; each amount is rounded half up by itself.

    `need_cents` is the price set on goods the location will need itself, not money that is spent.
    """

    parcel_cents: int
    distance_cents: int
    handling_cents: int
    need_cents: int
    late_cents: int

    @property
    def total_cents(self) -> int:
        """The sum."""
        return (
            self.parcel_cents
            + self.distance_cents
            + self.handling_cents
            + self.need_cents
            + self.late_cents
        )


class ParcelLine(Struct, frozen=True, kw_only=True):
    """What one location gives to one line; `from_need` of it goes below its own need."""

    gtin: str
    quantity: int
    measure: Measure
    from_need: int = 0


class Parcel(Struct, frozen=True, kw_only=True):
    """What one location does for the order."""

    location: str
    kind: ParcelKind
    lines: tuple[ParcelLine, ...]
    cost: ParcelCost
    arrives_at_ms: int
    late_ms: int = 0


class UnfilledLine(Struct, frozen=True, kw_only=True):
    """What a partial plan leaves out, in units or grams."""

    gtin: str
    quantity: int
    measure: Measure


class Alternative(Struct, frozen=True, kw_only=True):
    """Another feasible set of locations and the cost of the best plan with it."""

    locations: tuple[str, ...]
    total_cost_cents: int


Method: TypeAlias = Literal["single_location", "bound", "enumeration", "milp"]
"""How the plan was found: all single locations compared; a search closed by its lower bound;
or the mixed-integer program."""


class Plan(Struct, frozen=True, kw_only=True, tag="plan"):
    """Where to fulfil.

    `is_proven_optimal` says that no plan is cheaper by half a cent or more. Otherwise time ran out,
    and `gap_cents` is at most what a better plan could save. `total_cost_cents` is the sum over
    parcels, `extra_parcel_cents` and `unfilled_cents`.
    """

    parcels: tuple[Parcel, ...]
    unfilled: tuple[UnfilledLine, ...]
    extra_parcel_cents: int
    unfilled_cents: int
    total_cost_cents: int
    is_proven_optimal: bool
    gap_cents: int
    method: Method
    considered: int
    rejected: tuple[Rejection, ...]
    alternatives: tuple[Alternative, ...]
    explanation: tuple[str, ...]


class UnroutableReason(StrEnum):
    """Why an order has no plan."""

    INSUFFICIENT_STOCK = "insufficient_stock"
    TOO_LATE = "too_late"
    LIMITS = "limits"
    NOT_WORTH_IT = "not_worth_it"
    OUT_OF_TIME = "out_of_time"


class LineShortage(Struct, frozen=True, kw_only=True):
    """How a line stands: what is available in total, at the best location, and if late counted."""

    gtin: str
    measure: Measure
    wanted: int
    available: int
    available_at_best: int
    available_late: int


class Unroutable(Struct, frozen=True, kw_only=True, tag="unroutable"):
    """There is no plan, and why; `lines` holds every line of the order."""

    reason: UnroutableReason
    lines: tuple[LineShortage, ...]
    rejected: tuple[Rejection, ...]
    explanation: tuple[str, ...]
