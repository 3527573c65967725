"""Searches a grid for the point with the best value: chance first, then pattern search.

Pure: the seeded `Random` is an argument. Half of the trials are drawn by chance, the other half
climb from the best of them, one parameter at a time, with steps that halve when none of them helps
(Hooke and Jeeves, "Direct search solution of numerical and statistical problems", 1961). A grid
with no more points than trials is tried whole. Of equal values the one nearest to where the search
began wins: change no more than helps.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final, NamedTuple

from edge.replay.tuning.parameters import Point

if TYPE_CHECKING:
    from random import Random

DRAWS_PER_TRIAL_MAX: Final = 20
"""Chance draws points that are known already; so often it may, before it is taken for exhausted."""

Objective = Callable[[Point], float]


class Trial(NamedTuple):
    """A point that was tried, and its value; greater is better."""

    point: Point
    value: float


class _Search:
    def __init__(self, sizes: Sequence[int], start: Point, objective: Objective, most: int) -> None:
        self._sizes = sizes
        self._start = start
        self._objective = objective
        self._most = most
        self.values: dict[Point, float] = {}

    @property
    def is_over(self) -> bool:
        return len(self.values) >= self._most

    def try_point(self, point: Point) -> float:
        if point not in self.values:
            self.values[point] = self._objective(point)
        return self.values[point]

    def rank(self, point: Point) -> tuple[float, float]:
        return self.values[point], -self._distance(point)

    def best(self) -> Point:
        return max(self.values, key=lambda point: (self.rank(point), point))

    def draw(self, chance: "Random", until: int) -> None:
        draws = DRAWS_PER_TRIAL_MAX * until
        while len(self.values) < until and draws:
            self.try_point(tuple(chance.randrange(size) for size in self._sizes))
            draws -= 1

    def climb(self) -> None:
        at = self.best()
        step = max(1, max(self._sizes) // 4)
        while step and not self.is_over:
            better = self._better(at, step)
            if better is None:
                step //= 2
            else:
                at = better

    def _better(self, at: Point, step: int) -> Point | None:
        for neighbour in self._neighbours(at, step):
            if self.is_over and neighbour not in self.values:
                return None
            self.try_point(neighbour)
            if self.rank(neighbour) > self.rank(at):
                return neighbour
        return None

    def _neighbours(self, at: Point, step: int) -> Iterator[Point]:
        for axis, size in enumerate(self._sizes):
            for moved in (at[axis] + step, at[axis] - step):
                if 0 <= moved < size:
                    yield (*at[:axis], moved, *at[axis + 1 :])

    def _distance(self, point: Point) -> float:
        pairs = zip(point, self._start, self._sizes, strict=True)
        return sum(abs(each - start) / size for each, start, size in pairs)


def search(
    sizes: Sequence[int], start: Point, objective: Objective, *, trials_max: int, chance: "Random"
) -> list[Trial]:
    """Return what was tried, best first; at most `trials_max` points, `start` among them."""
    searching = _Search(sizes, start, objective, trials_max)
    searching.try_point(start)
    if prod(sizes) <= trials_max:
        for point in product(*map(range, sizes)):
            searching.try_point(point)
    else:
        searching.draw(chance, until=trials_max // 2)
        searching.climb()
    ordered = sorted(searching.values, key=lambda point: (searching.rank(point), point))
    return [Trial(point, searching.values[point]) for point in reversed(ordered)]
