"""Good plans, fast: cover greedily, then add, leave out and swap. Nothing here proves anything.

The greedy rule is Chvátal's for set covering (Mathematics of Operations Research 4, 1979): add the
location with the lowest cost for the value it covers. The value of a line is its price in
the Lagrangian bound (Beasley, European Journal of Operational Research 31, 1987).
"""

from typing import Final

import numpy as np

from cloud.orders.routing.appraisal import Appraiser, appraiser
from cloud.orders.routing.incumbents import Incumbents
from cloud.orders.routing.instance import Floats, Instance, Ints, Mask

_MOVES_MAX: Final = 12


def price_all_singles(instance: Instance, incumbents: Incumbents) -> None:
    """Find the best single location (one that fills the order, unless a part will do)."""
    if instance.unfilled_cents is None:
        able = (instance.available >= instance.quantity).all(axis=1)
        weighed = instance.is_weighed
        loads = (instance.quantity[~weighed].sum(), instance.quantity[weighed].sum())
        able &= (instance.room[0] >= loads[0]) & (instance.room[1] >= loads[1])
        rows = np.flatnonzero(able)
    else:
        rows = np.flatnonzero(instance.available.any(axis=1))
    if not rows.size:
        return
    at_least = appraiser(instance, np.zeros(instance.quantity.size)).without_room()
    costs = at_least.appraise(rows[:, None])
    for position in np.argsort(costs, kind="stable").tolist():
        best = incumbents.best
        # Ignoring capacity, the others cost at least as much: none of them can be better.
        if best is not None and costs[position] > best.cost_mc:
            return
        incumbents.offer((int(rows[position]),))


def cover(instance: Instance, values: Floats) -> tuple[int, ...]:
    """Return locations that together have the order, or all of it that is to be had.

    `values` is what filling each line completely is worth, in milli-cents.
    """
    unit_value = values / instance.quantity
    rate = instance.rate_cents[:, None] * instance.weight
    into_need = float(instance.need_cents) * instance.weight
    free = instance.available.copy()
    residual = instance.quantity.copy()
    chosen: list[int] = []
    while residual.any():
        amount = _within_room(instance, np.minimum(free, residual))
        worth = amount @ unit_value
        over = np.maximum(0, amount - instance.spare)
        cost = instance.fixed_mc + instance.extra_mc + (amount * rate + over * into_need).sum(1)
        useful = worth > 0
        if not useful.any():
            break
        row = int(np.argmin(np.where(useful, cost / np.where(useful, worth, 1), np.inf)))
        chosen.append(row)
        residual -= amount[row]
        free[row] = 0
    return tuple(chosen)


def _within_room(instance: Instance, amount: Ints) -> Ints:
    for measure, columns in enumerate((~instance.is_weighed, instance.is_weighed)):
        load = amount[:, columns].sum(axis=1)
        room = instance.room[measure]
        for row in np.flatnonzero(load > room).tolist():
            before = np.cumsum(amount[row, columns]) - amount[row, columns]
            amount[row, columns] = np.clip(room[row] - before, 0, amount[row, columns])
    return amount


def improve(
    appraises: Appraiser, incumbents: Incumbents, rows: tuple[int, ...], others: Ints
) -> tuple[int, ...]:
    """Add, leave out or swap one location as long as that makes the plan cheaper.

    `others` are the locations worth adding. Every set on the way is offered to `incumbents`;
    the last one is returned.
    """
    instance = appraises.instance
    current = tuple(sorted(_trimmed(instance, rows)))
    cost = float(appraises.appraise(np.array([current]))[0])
    for _ in range(_MOVES_MAX):
        incumbents.offer(current)
        neighbours = _neighbours(instance, current, others)
        options = [appraises.appraise(sets) for sets in neighbours]
        cheapest = [float(costs.min()) for costs in options]
        if not cheapest or min(cheapest) >= cost:
            break
        cost = min(cheapest)
        block = cheapest.index(cost)
        current = tuple(sorted(neighbours[block][int(options[block].argmin())].tolist()))
    return current


def _trimmed(instance: Instance, rows: tuple[int, ...]) -> tuple[int, ...]:
    """Drop the latest additions of a cover until its number is allowed."""
    while len(rows) > 1 and not instance.admits(rows):
        rows = rows[:-1]
    return rows


def _neighbours(instance: Instance, current: tuple[int, ...], others: Ints) -> list[Ints]:
    """All allowed sets one step away, in blocks of equal width."""
    outside = np.setdiff1d(others, current)
    blocks = []
    for width, kept_sets in (
        (len(current), [_without(current, row) for row in current]),
        (len(current) + 1, [current]),
    ):
        sets = [np.column_stack([np.tile(kept, (outside.size, 1)), outside]) for kept in kept_sets]
        blocks.append(np.concatenate(sets).astype(np.int64).reshape(-1, width))
    if len(current) > 1:
        blocks.append(np.array([_without(current, row) for row in current], dtype=np.int64))
    allowed = [block[_admitted(instance, block)] for block in blocks]
    return [block for block in allowed if block.size]


def _admitted(instance: Instance, sets: Ints) -> Mask:
    parcels = instance.is_parcel[sets].sum(axis=1)
    few: Mask = np.asarray(parcels <= instance.parcels_max)
    return np.asarray(few & (sets.shape[1] <= instance.locations_max))


def _without(rows: tuple[int, ...], left_out: int) -> tuple[int, ...]:
    return tuple(row for row in rows if row != left_out)
