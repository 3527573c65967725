"""Where each article of a noisy store belongs: fixtures, their places and who is near what. Pure.

Coordinates in metres: the exit is at x 0, y 0; the dock behind the wall at the back, at x 0.
Fixtures stand in rows from front to back; families stay together, since articles are numbered by
family.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from protocol.ids import Gtin
from simulators.world.people_settings import FixtureSettings
from simulators.world.truth_events import Portal

FITTING_ROOM: Final = -1
BACKROOM: Final = 0
"""Not fixtures, but places of units beside them."""


class Fixture(NamedTuple):
    """A rack, table or shelf on the sales floor. `number` counts from 1."""

    number: int
    x_m: float
    y_m: float


class Planogram:
    """Which fixture each article belongs on."""

    def __init__(self, gtins: Sequence[Gtin], settings: FixtureSettings) -> None:
        size = settings.articles_per_fixture
        self.home: Final[Mapping[Gtin, int]] = {
            gtin: 1 + index // size for index, gtin in enumerate(gtins)
        }
        fixtures = -(-len(gtins) // size)
        a_row = max(1, int(settings.floor_width_m / settings.aisle_m))
        self.fixtures: Final = tuple(
            Fixture(
                number,
                (((number - 1) % a_row) - (a_row - 1) / 2) * settings.aisle_m,
                (1 + (number - 1) // a_row) * settings.aisle_m,
            )
            for number in range(1, fixtures + 1)
        )
        self._depth_m: Final = (2 + (fixtures - 1) // a_row) * settings.aisle_m

    def near(self, portal: Portal, range_m: float) -> list[Gtin]:
        """Return the articles on fixtures so near a portal, or on the nearest ones."""
        door_y_m = 0.0 if portal == "exit" else self._depth_m
        away_m = {
            fixture.number: (fixture.x_m**2 + (fixture.y_m - door_y_m) ** 2) ** 0.5
            for fixture in self.fixtures
        }
        reach_m = max(range_m, min(away_m.values()))
        return [gtin for gtin, number in self.home.items() if away_m[number] <= reach_m]
