"""The goods of a noisy store as they truly are: tagged units one by one, others by quantity. Pure.

`on_hand` is what is physically in the store: on the sales floor, in the backroom, in baskets and in
wrong places. Every change goes through here, so nothing appears or vanishes unaccounted: `opened`
and `arrived` less `left` always add up to it.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.ids import Gtin
from simulators.world.goods import Sku
from simulators.world.noisy_settings import AssortmentSettings
from simulators.world.planogram import BACKROOM, Planogram
from simulators.world.tagged_units import TaggedUnit, TagPrinter

if TYPE_CHECKING:
    from random import Random

FloorChanged = Callable[[Sku, int, int], None]
"""Is told how many units of an untagged article came to the sales floor, or left it, and when."""


class Armful(NamedTuple):
    """Some of one article in somebody's hands; the tagged ones by name. Units or grams."""

    sku: Sku
    quantity: int
    units: tuple[TaggedUnit, ...] = ()


class Loose:
    """Untagged goods of one article, by where they are."""

    __slots__ = ("astray", "backroom", "floor", "held")

    def __init__(self) -> None:
        self.floor = self.backroom = self.held = self.astray = 0

    @property
    def total(self) -> int:
        """What is in the store."""
        return self.floor + self.backroom + self.held + self.astray


class Goods:
    """What is in the store. `floor_capacity` of an article lies on its fixture at most."""

    def __init__(
        self,
        skus: Mapping[Gtin, Sku],
        settings: AssortmentSettings,
        planogram: Planogram,
        printer: TagPrinter,
        backroom_share: float,
        rng: "Random",
    ) -> None:
        self.skus: Final = skus
        self.full: Final[dict[Gtin, int]] = {}
        """What a delivery fills up to."""
        self.floor_capacity: Final[dict[Gtin, int]] = {}
        self.units: Final[dict[Gtin, list[TaggedUnit]]] = {}
        self.loose: Final[dict[Gtin, Loose]] = {}
        self.misplaced: Final[dict[TaggedUnit, None]] = {}
        self.opened: Final[dict[Gtin, int]] = {}
        self.arrived: Final[dict[Gtin, int]] = dict.fromkeys(skus, 0)
        self.left: Final[dict[Gtin, int]] = dict.fromkeys(skus, 0)
        self.in_backroom: Final[dict[Gtin, None]] = {}
        """Articles of which something may be there."""
        self._planogram: Final = planogram
        self._floor_changed: FloorChanged | None = None
        for sku in skus.values():
            self._open(sku, settings, printer, backroom_share, rng)

    def watch_floor(self, floor_changed: FloorChanged) -> None:
        """Tell of untagged goods that come to the sales floor or leave it."""
        self._floor_changed = floor_changed

    def on_hand(self, gtin: Gtin) -> int:
        """Return what is there, in units or grams."""
        units = self.units.get(gtin)
        return self.loose[gtin].total if units is None else len(units)

    def total_units(self) -> int:
        """Return how many pieces are in the store, tagged or not."""
        tagged = sum(map(len, self.units.values()))
        return tagged + sum(
            loose.total for gtin, loose in self.loose.items() if self.skus[gtin].measure == "units"
        )

    def free(self, gtin: Gtin) -> list[TaggedUnit]:
        """Return the tagged units that a customer finds."""
        return [
            unit
            for unit in self.units[gtin]
            if not (unit.is_held or unit.is_misplaced) and unit.fixture != BACKROOM
        ]

    def take(self, sku: Sku, quantity: int, now_ms: int, rng: "Random") -> Armful | None:
        """Take goods off the sales floor, fewer if there are fewer; they are still in the store."""
        if sku.is_tagged:
            free = self.free(sku.gtin)
            chosen = free if len(free) <= quantity else rng.sample(free, quantity)
            for unit in chosen:
                unit.is_held = True
            return Armful(sku, len(chosen), tuple(chosen)) if chosen else None
        loose = self.loose[sku.gtin]
        taken = min(quantity, loose.floor)
        if not taken:
            return None
        loose.held += taken
        self._on_floor(sku, -taken, now_ms)
        return Armful(sku, taken)

    def put_back(self, armful: Armful, now_ms: int) -> None:
        """Put goods in somebody's hands where they belong on the sales floor."""
        for unit in armful.units:
            unit.is_held = False
            unit.fixture = self._planogram.home[unit.gtin]
        if not armful.sku.is_tagged:
            self.loose[armful.sku.gtin].held -= armful.quantity
            self._on_floor(armful.sku, armful.quantity, now_ms)

    def misplace(self, armful: Armful, fixture: int) -> None:
        """Put goods in somebody's hands where they do not belong."""
        for unit in armful.units:
            unit.is_held = False
            unit.is_misplaced = True
            unit.fixture = fixture
            self.misplaced[unit] = None
        if not armful.sku.is_tagged:
            loose = self.loose[armful.sku.gtin]
            loose.held -= armful.quantity
            loose.astray += armful.quantity

    def tidy(self, armful: Armful, now_ms: int) -> None:
        """Put misplaced goods back where they belong, as far as they are still there."""
        for unit in armful.units:
            if unit.is_misplaced:
                unit.is_misplaced = False
                unit.fixture = self._planogram.home[unit.gtin]
                del self.misplaced[unit]
        if not armful.sku.is_tagged:
            self.loose[armful.sku.gtin].astray -= armful.quantity
            self._on_floor(armful.sku, armful.quantity, now_ms)

    def leave(self, armful: Armful) -> None:
        """Let goods in somebody's hands leave the store."""
        gtin = armful.sku.gtin
        for unit in armful.units:
            self.units[gtin].remove(unit)
            unit.is_held = False
        if not armful.sku.is_tagged:
            self.loose[gtin].held -= armful.quantity
        self.left[gtin] += armful.quantity

    def come_in(self, armful: Armful) -> None:
        """Let goods come into the store in somebody's hands."""
        gtin = armful.sku.gtin
        for unit in armful.units:
            unit.is_held = True
            self.units[gtin].append(unit)
        if not armful.sku.is_tagged:
            self.loose[gtin].held += armful.quantity
        self.arrived[gtin] += armful.quantity

    def store_away(self, armful: Armful) -> None:
        """Put goods in somebody's hands into the backroom."""
        for unit in armful.units:
            unit.is_held = False
            unit.fixture = BACKROOM
        if not armful.sku.is_tagged:
            loose = self.loose[armful.sku.gtin]
            loose.held -= armful.quantity
            loose.backroom += armful.quantity
        self.in_backroom[armful.sku.gtin] = None

    def replenish(self, gtin: Gtin, now_ms: int) -> None:
        """Bring from the backroom what fits on the sales floor."""
        capacity = self.floor_capacity[gtin]
        units = self.units.get(gtin)
        if units is None:
            loose = self.loose[gtin]
            brought = min(loose.backroom, max(0, capacity - loose.floor))
            loose.backroom -= brought
            if brought:
                self._on_floor(self.skus[gtin], brought, now_ms)
            rest = loose.backroom
        else:
            waiting = [unit for unit in units if unit.fixture == BACKROOM and not unit.is_held]
            room = max(0, capacity - len(units) + len(waiting))
            for unit in waiting[:room]:
                unit.fixture = self._planogram.home[gtin]
            rest = len(waiting) - room
        if rest <= 0:
            self.in_backroom.pop(gtin, None)

    def _on_floor(self, sku: Sku, change: int, now_ms: int) -> None:
        self.loose[sku.gtin].floor += change
        if self._floor_changed is not None:
            self._floor_changed(sku, change, now_ms)

    def _open(
        self,
        sku: Sku,
        settings: AssortmentSettings,
        printer: TagPrinter,
        backroom_share: float,
        rng: "Random",
    ) -> None:
        gtin = sku.gtin
        if sku.measure == "grams":
            full = rng.randint(max(1, settings.grams_max // 3), settings.grams_max)
        else:
            full = rng.randint(settings.units_min, settings.units_max)
        self.full[gtin] = full
        capacity = self.floor_capacity[gtin] = max(1, round(full * (1 - backroom_share)))
        there = self.opened[gtin] = full if full < 2 else rng.randint(full // 2, full)
        if there > capacity:
            self.in_backroom[gtin] = None
        if not sku.is_tagged:
            loose = self.loose[gtin] = Loose()
            loose.floor = min(there, capacity)
            loose.backroom = there - loose.floor
            return
        self.units[gtin] = [printer.new_unit(gtin) for _ in range(there)]
        for unit in self.units[gtin][:capacity]:
            unit.fixture = self._planogram.home[gtin]
