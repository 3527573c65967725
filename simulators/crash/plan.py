"""Whom to kill next, where and when: drawn from a seed. Pure.

Each named point comes as often as the others; in between, processes are killed at any moment.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, Literal, NamedTuple

from simulators.crash.options import JournalKind
from simulators.crash.points import Point, points_of

Target = Literal["edge", "cloud", "broker", "postgres", "everything"]

RANDOM_SHARE: Final = 0.4
RANDOM_TARGETS: Final[Mapping[JournalKind, Sequence[Target]]] = {
    "sqlite": (*("edge",) * 6, *("cloud",) * 6, *("broker",) * 5, *("everything",) * 3),
    "postgres": (
        *("edge",) * 4,
        *("cloud",) * 4,
        *("broker",) * 3,
        *("postgres",) * 7,
        *("everything",) * 2,
    ),
}
DELAY_MAX_S: Final = 0.6
PAUSE_MAX_S: Final = 0.2


class Strike(NamedTuple):
    """One kill, `delay_s` after the last cycle, or at a call of a point; `store` is an index.

    The victim stays away for `pause_s`, as a supervisor would leave it.
    """

    target: Target
    store: int
    point: Point | None
    call: int
    delay_s: float
    pause_s: float

    @property
    def kind(self) -> str:
        """As outcomes call it."""
        return f"{self.target}.random" if self.point is None else self.point.name


class Plan:
    """Draws strikes. `only` names the points to use; without any, all and random moments."""

    def __init__(
        self, rng: Random, journal: JournalKind, stores: int, only: Sequence[str] = ()
    ) -> None:
        self._rng: Final = rng
        self._journal: Final[JournalKind] = journal
        self._stores: Final = stores
        points = [point for point in points_of(journal) if not only or point.name in only]
        self.births: Final = [point for point in points if point.moment == "birth"]
        self.points: Final = [point for point in points if point.moment != "birth"]
        self._only_points: Final = bool(only)
        self._deck: Final[list[Point]] = []

    def next(self) -> Strike:
        """Return the next strike."""
        rng = self._rng
        if self.points and (self._only_points or rng.random() >= RANDOM_SHARE):
            point = self._next_point()
            target: Target = point.program
            call = rng.randint(1, point.calls_max)
        else:
            point, call = None, 0
            target = rng.choice(RANDOM_TARGETS[self._journal])
        delay_s, pause_s = rng.uniform(0, DELAY_MAX_S), rng.uniform(0, PAUSE_MAX_S)
        return Strike(target, rng.randrange(self._stores), point, call, delay_s, pause_s)

    def _next_point(self) -> Point:
        if not self._deck:
            self._deck.extend(self._rng.sample(self.points, len(self.points)))
        return self._deck.pop()
