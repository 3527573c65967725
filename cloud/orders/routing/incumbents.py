"""The sets of locations tried so far, each with its best allocation. Pure."""

from cloud.orders.routing.allocation import Allocation, allocate
from cloud.orders.routing.instance import Instance


class Incumbents:
    """What is known to be feasible. Equal costs keep the set whose names come first."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._tried: dict[tuple[int, ...], Allocation | None] = {}
        self._best: dict[tuple[int, ...], Allocation] = {}

    def offer(self, rows: tuple[int, ...]) -> Allocation | None:
        """Try a set of locations; return its best allocation, or `None` if it has none."""
        rows = tuple(sorted(set(rows)))
        if rows not in self._tried:
            found = allocate(self._instance, rows)
            self._tried[rows] = found
            if found is not None and self._instance.admits(found.rows):
                known = self._best.get(found.rows)
                if known is None or found.cost_mc < known.cost_mc:
                    self._best[found.rows] = found
        return self._tried[rows]

    @property
    def best(self) -> Allocation | None:
        """The cheapest plan within the limits so far."""
        return next(iter(self.ranked()), None)

    def ranked(self) -> list[Allocation]:
        """Every plan within the limits so far, cheapest first."""
        return sorted(self._best.values(), key=lambda found: (found.cost_mc, found.rows))
