"""The best allocation for a given set of open locations: exact, in whole units and grams.

With the locations fixed, what is left is a transport problem with convex costs: each line may take
from each location first what it can spare, then what it needs itself. Without capacity limits,
taking the cheapest first is optimal line by line. Where that overloads a location, the surplus
moves along cheapest paths (successive shortest paths, Ahuja, Magnanti and Orlin, "Network Flows",
1993, section 9.7): each step keeps the flow optimal for what has been moved, so the end is optimal,
and whole numbers stay whole.
"""

from typing import Final, NamedTuple

import numpy as np

from cloud.orders.routing.instance import Instance, Ints, Mask

_NO_MOVE: Final = 2**60


class Allocation(NamedTuple):
    """Who gives what: `taken` has one row per location in `rows`, one column per line."""

    rows: tuple[int, ...]
    taken: Ints
    unfilled: Ints
    cost_mc: int


def allocate(instance: Instance, rows: tuple[int, ...]) -> Allocation | None:
    """Return the best allocation over these locations, without those that give nothing.

    `None` when they cannot fill the order, or nothing of it where a part would do.
    """
    taken, unfilled = _cheapest_first(instance, rows)
    if instance.unfilled_cents is None and unfilled.any():
        return None
    for measure, lines in enumerate((~instance.is_weighed, instance.is_weighed)):
        room = instance.room[measure][list(rows)]
        if (taken[:, lines].sum(axis=1) > room).any():
            held = taken[:, lines]
            if instance.unfilled_cents is not None:
                held = np.vstack([held, unfilled[lines]])
            if not _Relief(instance, rows, room, lines).run(held):
                return None
            taken[:, lines] = held[: len(rows)]
            unfilled[lines] = instance.quantity[lines] - taken[:, lines].sum(axis=0)
    used = np.flatnonzero(taken.any(axis=1)).tolist()
    if not used:
        return None
    kept = tuple(rows[position] for position in used)
    taken = taken[used]
    return Allocation(kept, taken, unfilled, cost_of(instance, kept, taken, unfilled))


def cost_of(instance: Instance, rows: tuple[int, ...], taken: Ints, unfilled: Ints) -> int:
    """Return the exact cost of an allocation in milli-cents."""
    index = list(rows)
    handling = (taken * instance.weight).sum(axis=1) @ instance.rate_cents[index]
    into_need = (np.maximum(0, taken - instance.spare[index]) * instance.weight).sum()
    left_out = (unfilled * instance.weight).sum()
    return (
        int(instance.fixed_mc[index].sum())
        + instance.extra_mc * (len(rows) - 1)
        + int(handling)
        + int(into_need) * instance.need_cents
        + int(left_out) * (instance.unfilled_cents or 0)
    )


def _cheapest_first(instance: Instance, rows: tuple[int, ...]) -> tuple[Ints, Ints]:
    steps = []
    for position, row in enumerate(rows):
        rate = int(instance.rate_cents[row])
        spare = instance.spare[row]
        steps.append((rate, 0, position, spare))
        steps.append((rate + instance.need_cents, 1, position, instance.available[row] - spare))
    steps.sort(key=lambda step: step[:3])
    taken = np.zeros((len(rows), instance.quantity.size), dtype=np.int64)
    unfilled = instance.quantity.copy()
    for _, _, position, at_most in steps:
        amount = np.minimum(unfilled, at_most)
        taken[position] += amount
        unfilled -= amount
    return taken, unfilled


class _Moves(NamedTuple):
    """The cheapest move between every two nodes: its cost per step, its room and its line."""

    cost: Ints
    amount: Ints
    line: Ints


class _Relief:
    """Moves surplus of one measure out of overloaded locations, along the cheapest paths.

    Nodes are the positions in `rows`; with partial plans one more stands for "unfilled". Columns
    are the lines of the measure. All lines of a measure weigh the same, so costs are per step.
    """

    def __init__(self, instance: Instance, rows: tuple[int, ...], room: Ints, lines: Mask) -> None:
        index = list(rows)
        self._spare = instance.spare[index][:, lines]
        self._available = instance.available[index][:, lines]
        self._rate = instance.rate_cents[index]
        self._room = room
        self._need_cents = instance.need_cents
        if instance.unfilled_cents is not None:
            quantity = instance.quantity[lines]
            self._spare = np.vstack([self._spare, quantity])
            self._available = np.vstack([self._available, quantity])
            self._rate = np.append(self._rate, instance.unfilled_cents)
            self._room = np.append(self._room, quantity.sum())

    def run(self, held: Ints) -> bool:
        """Move what `held` (nodes by lines) has too much; return whether that was possible."""
        while True:
            surplus = held.sum(axis=1) - self._room
            if surplus.max() <= 0:
                return True
            moves = self._moves(held)
            path = _cheapest_path(moves.cost, surplus)
            if path is None:
                return False
            rooms = [int(moves.amount[edge]) for edge in path]
            amount = min(int(surplus[path[0][0]]), -int(surplus[path[-1][1]]), *rooms)
            for source, target in path:
                line = moves.line[source, target]
                held[source, line] -= amount
                held[target, line] += amount

    def _moves(self, held: Ints) -> _Moves:
        """The marginal costs now: what a node gives up last was dearest, what it takes next too."""
        rate = self._rate[:, None]
        needs_it = held > self._spare
        saving = rate + np.where(needs_it, self._need_cents, 0)
        may_give = np.where(needs_it, held - self._spare, held)
        has_spare = held < self._spare
        price = rate + np.where(has_spare, 0, self._need_cents)
        may_take = np.where(has_spare, self._spare, self._available) - held
        amount = np.minimum(may_give[:, None, :], may_take[None, :, :])
        cost = np.where(amount > 0, price[None, :, :] - saving[:, None, :], _NO_MOVE)
        line = cost.argmin(axis=2)[:, :, None]
        return _Moves(
            np.take_along_axis(cost, line, axis=2)[:, :, 0],
            np.take_along_axis(amount, line, axis=2)[:, :, 0],
            line[:, :, 0].astype(np.int64),
        )


def _cheapest_path(cost: Ints, surplus: Ints) -> list[tuple[int, int]] | None:
    """Bellman-Ford from all overloaded nodes at once to the nearest node with room."""
    nodes = range(len(surplus))
    distance = np.where(surplus > 0, 0, _NO_MOVE).tolist()
    edges = [(a, b, price) for a in nodes for b in nodes if (price := int(cost[a, b])) < _NO_MOVE]
    arrived: dict[int, int] = {}
    for _ in nodes:
        for source, target, price in edges:
            through = distance[source] + price
            if distance[source] < _NO_MOVE and source != target and through < distance[target]:
                distance[target] = through
                arrived[target] = source
    ends = [node for node in nodes if surplus[node] < 0 and distance[node] < _NO_MOVE]
    if not ends:
        return None
    node = min(ends, key=lambda end: (distance[end], end))
    path: list[tuple[int, int]] = []
    while node in arrived:
        path.append((arrived[node], node))
        node = arrived[node]
    return path[::-1]
