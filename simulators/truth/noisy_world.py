"""The noisy store as the benchmark's world: its scenario, its chance, its antennas."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final, TypeVar

from edge.sensing.layout import PortalAntenna, PortalSettings, SweepAntenna
from edge.sensing.tags import Layout
from protocol.ids import Gtin
from simulators.noisy_scenario import load_noisy
from simulators.truth.causes import Mishap
from simulators.truth.directions import Crossing
from simulators.truth.factors import worsened
from simulators.truth.options import TruthOptions
from simulators.truth.thefts import Theft
from simulators.world.goods import Sku
from simulators.world.happenings import Observed, OpeningCount
from simulators.world.noisy_store import NoisyStore
from simulators.world.radio import INSIDE, OUTSIDE

T = TypeVar("T")

_DOCK: Final = PortalSettings(name="dock", outside="transit", inside="backroom")
_EXIT: Final = PortalSettings(name="exit", outside="exit", inside="sales_floor")
LAYOUT: Final[Layout] = {
    ("dock", OUTSIDE["dock"]): PortalAntenna(_DOCK, "outside"),
    ("dock", INSIDE["dock"]): PortalAntenna(_DOCK, "inside"),
    ("exit", OUTSIDE["exit"]): PortalAntenna(_EXIT, "outside"),
    ("exit", INSIDE["exit"]): PortalAntenna(_EXIT, "inside"),
    ("handheld", 1): SweepAntenna(),
}


class NoisyWorld:
    """A `NoisyStore` as `ground.World` asks for it."""

    layout = LAYOUT

    def __init__(self, store: NoisyStore) -> None:
        self._store: Final = store
        self._crossings: Final[list[Crossing]] = []
        self._thefts: Final[list[Theft]] = []
        self._mishaps: Final[list[Mishap]] = []
        self._seen: Final[dict[tuple[str, int], int]] = {}

    @property
    def skus(self) -> Mapping[Gtin, Sku]:
        """What it sells."""
        return self._store.skus

    def opening(self) -> OpeningCount:
        """Return what the book says on the first day."""
        return self._store.opening()

    def advance(self, until_ms: int) -> Iterable[Observed]:
        """Live on until then, and return everything observable, in time order."""
        observed = self._store.advance(until_ms)
        self._take_over()
        return observed

    def recount(self, gtins: Sequence[Gtin], now_ms: int) -> None:
        """Ask staff to count these today."""
        self._store.recount(gtins, now_ms)

    def on_hand(self, gtin: Gtin) -> int:
        """Return what is there now."""
        return self._store.on_hand(gtin)

    @property
    def thefts(self) -> Sequence[Theft]:
        """Every theft so far."""
        return self._thefts

    @property
    def crossings(self) -> Sequence[Crossing]:
        """Every crossing of a portal by a tag so far."""
        return self._crossings

    @property
    def mishaps(self) -> Sequence[Mishap]:
        """Everything that went wrong so far."""
        return self._mishaps

    def _take_over(self) -> None:
        """Take over what is new in the books of the world."""
        for place, thefts in enumerate((self._store.thefts,)):
            self._thefts.extend(Theft(*theft) for theft in self._news("thefts", place, thefts))
        for place, crossings in enumerate(self._store.crossings):
            new = self._news("crossings", place, crossings)
            self._crossings.extend(Crossing(*crossing) for crossing in new)
        for place, mishaps in enumerate(self._store.mishaps):
            self._mishaps.extend(Mishap(*each) for each in self._news("mishaps", place, mishaps))

    def _news(self, kind: str, place: int, grown: Sequence[T]) -> Sequence[T]:
        seen = self._seen.get((kind, place), 0)
        self._seen[kind, place] = len(grown)
        return grown[seen:]


def check_scenario(name: str) -> None:
    """Raise `ScenarioInvalid` for a scenario that cannot be used."""
    load_noisy(name)


def recounts_per_day(options: TruthOptions) -> int:
    """Return how many recounts staff find time for."""
    return load_noisy(options.scenario).counts.recounts_per_day


def new_world(options: TruthOptions, number: int) -> NoisyWorld:
    """Return a store of a run before its first day. Raises `ScenarioInvalid`."""
    settings = worsened(load_noisy(options.scenario), options.factors)
    streams: dict[str, Random] = {}

    def chance(concern: str) -> Random:
        if concern not in streams:
            streams[concern] = Random(f"{options.seed}/{number}/{concern}")
        return streams[concern]

    return NoisyWorld(NoisyStore(settings, chance, number))
