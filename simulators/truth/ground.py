"""What a run asks of a world: what is observable in it, and the ground truth behind that.

The observable part is what devices and papers show; everything else is for the judge alone. Lists
of what happened only grow, and `Since` gives what is new of one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from edge.sensing.tags import Layout
from protocol.ids import Gtin
from simulators.truth.causes import Mishap
from simulators.truth.directions import Crossing
from simulators.truth.thefts import Theft
from simulators.world.goods import Sku
from simulators.world.happenings import Observed, OpeningCount

T = TypeVar("T")


class World(Protocol):
    """A store in virtual time."""

    @property
    def skus(self) -> Mapping[Gtin, Sku]:
        """What it sells."""

    @property
    def layout(self) -> Layout:
        """What its antennas look at."""

    def opening(self) -> OpeningCount:
        """Return what the head office's book says before the first day."""

    def advance(self, until_ms: int) -> Iterable[Observed]:
        """Live on until then, and return everything observable, in time order."""

    def recount(self, gtins: Sequence[Gtin], now_ms: int) -> None:
        """Ask staff to count these today."""

    def on_hand(self, gtin: Gtin) -> int:
        """Return what is there now."""

    @property
    def thefts(self) -> Sequence[Theft]:
        """Every theft so far."""

    @property
    def crossings(self) -> Sequence[Crossing]:
        """Every crossing of a portal by a tag so far."""

    @property
    def mishaps(self) -> Sequence[Mishap]:
        """Everything that went wrong so far."""


class Since(Generic[T]):
    """Remembers how much of a growing list was seen."""

    def __init__(self) -> None:
        self._seen = 0

    def news(self, grown: Sequence[T]) -> Sequence[T]:
        """Return what came since the last call."""
        new = grown[self._seen :]
        self._seen = len(grown)
        return new


class Ground:
    """What is new in the ground truth of a world, day by day."""

    def __init__(self, world: World) -> None:
        self._world: Final = world
        self._thefts: Final = Since[Theft]()
        self._crossings: Final = Since[Crossing]()
        self._mishaps: Final = Since[Mishap]()

    def thefts(self) -> Sequence[Theft]:
        """Return the thefts since the last call."""
        return self._thefts.news(self._world.thefts)

    def crossings(self) -> Sequence[Crossing]:
        """Return the crossings since the last call."""
        return self._crossings.news(self._world.crossings)

    def mishaps(self) -> Sequence[Mishap]:
        """Return the mishaps since the last call."""
        return self._mishaps.news(self._world.mishaps)
