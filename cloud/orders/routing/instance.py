"""The problem as arrays: rows are locations in the order of their names, columns are lines.

All amounts are whole milli-cents (thousandths of a cent), so that a rate per kilogram is a whole
number per gram, sums are exact, and equal plans compare equal.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloud.orders.routing.costs import RoutingCosts
from cloud.orders.routing.problem import RoutingProblem
from cloud.orders.routing.screening import Screened

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

MILLI_CENTS: Final = 1_000
PROVEN_MC: Final = 500
"""Half a cent: amounts of counted goods are whole cents, so less than one cent apart is equal."""


class Instance(NamedTuple):
    """One routing problem.

    `weight` is milli-cents per quantity step at a rate of one cent: 1,000 for a unit, 1 for a gram.
    `available` is what may be taken, at most the quantity wanted; `spare` of it is not needed by
    the location itself. `fixed_mc` is the price of using a location, `rate_cents` of handling.
    `room` is the day's remaining capacity in units (row 0) and in grams (row 1).
    `unfilled_cents` is `None` when every line has to be filled.
    """

    quantity: Ints
    is_weighed: Mask
    weight: Ints
    available: Ints
    spare: Ints
    fixed_mc: Ints
    rate_cents: Ints
    room: Ints
    is_parcel: Mask
    extra_mc: int
    need_cents: int
    unfilled_cents: int | None
    locations_max: int
    parcels_max: int

    @property
    def size(self) -> int:
        """How many locations there are."""
        return int(self.fixed_mc.size)

    @property
    def empty_mc(self) -> int | None:
        """What doing nothing costs, or `None` when that is not allowed."""
        if self.unfilled_cents is None:
            return None
        return int((self.quantity * self.weight).sum()) * self.unfilled_cents

    def admits(self, rows: tuple[int, ...]) -> bool:
        """Say whether so many locations and parcels are allowed."""
        if not 1 <= len(rows) <= self.locations_max:
            return False
        return int(self.is_parcel[list(rows)].sum()) <= self.parcels_max


def build_instance(problem: RoutingProblem, costs: RoutingCosts, screened: Screened) -> Instance:
    """Return the arrays of a screened problem with at least one entrant."""
    lines, entrants = screened.lines, screened.entrants
    quantity = np.array([line.quantity for line in lines], dtype=np.int64)
    is_weighed = np.array([line.measure == "grams" for line in lines], dtype=np.bool_)
    stock = np.array([entrant.stock for entrant in entrants], dtype=np.int64)
    needs = [[e.candidate.need.get(line.gtin, 0) for line in lines] for e in entrants]
    room = np.array(
        [[e.units_left for e in entrants], [e.grams_left for e in entrants]], dtype=np.int64
    )
    rate_cents = np.array([e.rates.handling_cents for e in entrants], dtype=np.int64)
    available = np.minimum(stock, quantity)
    available = np.minimum(available, np.where(is_weighed, room[1][:, None], room[0][:, None]))
    spare = np.clip(stock - np.array(needs, dtype=np.int64), 0, available)
    if problem.allow_partial:
        available, spare = _worth_taking(available, spare, rate_cents, costs)
    return Instance(
        quantity=quantity,
        is_weighed=is_weighed,
        weight=np.where(is_weighed, 1, MILLI_CENTS).astype(np.int64),
        available=available,
        spare=spare,
        fixed_mc=np.array([e.fixed_cents * MILLI_CENTS for e in entrants], dtype=np.int64),
        rate_cents=rate_cents,
        room=room,
        is_parcel=np.array([e.is_parcel for e in entrants], dtype=np.bool_),
        extra_mc=costs.extra_parcel_cents * MILLI_CENTS,
        need_cents=costs.need_cents,
        unfilled_cents=costs.unfilled_cents if problem.allow_partial else None,
        locations_max=len(entrants) if problem.allow_split else 1,
        parcels_max=problem.max_parcels,
    )


def _worth_taking(
    available: Ints, spare: Ints, rate_cents: Ints, costs: RoutingCosts
) -> tuple[Ints, Ints]:
    # Taking what costs as much as leaving it unfilled never helps. Without it, filling as much as
    # there is becomes optimal for any set of locations, as it is when everything must be filled.
    spare = np.where(rate_cents[:, None] < costs.unfilled_cents, spare, 0)
    into_need = rate_cents[:, None] + costs.need_cents < costs.unfilled_cents
    return np.where(into_need, available, spare), spare


def select(instance: Instance, rows: Ints) -> Instance:
    """Return the instance with these rows only."""
    return instance._replace(
        available=instance.available[rows],
        spare=instance.spare[rows],
        fixed_mc=instance.fixed_mc[rows],
        rate_cents=instance.rate_cents[rows],
        room=instance.room[:, rows],
        is_parcel=instance.is_parcel[rows],
    )


def outclassed(instance: Instance) -> Ints:
    """Return, per location, a location that makes it useless, or -1.

    `b` outclasses `a` when `b` could serve, from spare stock and within its capacity, the whole
    quantity of every line that `a` has anything of, and neither using nor handling costs more at
    `b`. Whatever `a` does in a plan, `b` can do instead, or on top of its own share: a line never
    needs more than its quantity, and all of that is spare at `b`. Equals keep the first name.
    """
    has = np.packbits(instance.available > 0, axis=1)
    lacks = np.packbits(instance.spare < instance.quantity, axis=1)
    covers = np.ones((instance.size, instance.size), dtype=np.bool_)
    for column in range(has.shape[1]):
        covers &= (has[:, column, None] & lacks[None, :, column]) == 0
    total = np.array(
        [
            instance.quantity[~instance.is_weighed].sum(),
            instance.quantity[instance.is_weighed].sum(),
        ]
    )
    roomy: Mask = np.asarray((instance.room >= total[:, None]).all(axis=0))
    fixed, rate, parcel = instance.fixed_mc, instance.rate_cents, instance.is_parcel
    no_worse = np.less_equal(fixed[None, :], fixed[:, None])
    no_worse &= np.less_equal(rate[None, :], rate[:, None])
    no_worse &= np.less_equal(parcel[None, :], parcel[:, None])
    equal = no_worse & no_worse.T
    earlier = np.tri(instance.size, k=-1, dtype=np.bool_)
    beats = covers & roomy[None, :] & no_worse & (~equal | earlier)
    winners: Ints = np.argmax(beats, axis=1).astype(np.int64)
    return np.where(np.sum(beats, axis=1) > 0, winners, -1)
