"""Days of simulated shelves: load cells with habits of real ones, read and sensed as in a store.

Virtual time and seeds throughout. Used by the study of counts and by tests of single happenings.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import NamedTuple

from edge.sensing.shelf import ShelfSensing
from edge.sensing.shelf_traits import Product, ScaleTraits, Shelf, WeightReading
from protocol.facts import ShelfCounted
from protocol.ids import Gtin
from simulators.world.load_cells import Bin, LoadCell, LoadCellSettings, Weighing

GTIN = Gtin("00614141999996")
OTHER_GTIN = Gtin("00614141123452")
READ_MS = 500
HOUR_MS = 3_600_000
REST_MS = 4_000
"""What a change and its rest take, with some room."""


def product(weight_g: float, gtin: Gtin = GTIN, spread_g: float | None = None) -> Product:
    return Product(gtin, weight_g, spread_g or 0.01 * weight_g, 0.02 * weight_g)


def a_shelf(*products: Product, noise_g: float = 2.0, traits: ScaleTraits | None = None) -> Shelf:
    lightest_g = min(each.item_weight_g for each in products)
    zero_sd_g = max(0.1 * lightest_g, 2 * noise_g)
    return Shelf("A1", products, zero_sd_g, traits or ScaleTraits(noise_sd_g=noise_g))


def reading(seen: Weighing) -> WeightReading:
    return WeightReading(seen.is_stable, seen.is_overload, seen.is_fault, seen.weight_g)


class Bench:
    """One shelf on one load cell, with whatever load a test puts there."""

    def __init__(
        self, *products: Product, seed: int = 1, drift_g: float = 2.0, **cell: float
    ) -> None:
        settings = LoadCellSettings(**({"noise_g": 2.0} | cell))  # type: ignore[arg-type] # Floats suffice here.
        traits = ScaleTraits(drift_sd_g_per_hour=drift_g)
        self.shelf = a_shelf(*(products or (product(250.0),)), traits=traits)
        self.cell = LoadCell(settings, Random(seed), 0)
        self.stored: dict[str, bytes] = {}
        self.sensing = ShelfSensing("scale-1", [self.shelf], self.stored)
        self.load_g = 0.0
        self.now_ms = 0
        self.outbox_is_full = False
        self.facts: list[ShelfCounted] = []

    def restart(self) -> None:
        """Lose the power: what was stored is left."""
        self.sensing = ShelfSensing("scale-1", [self.shelf], self.stored)

    def put(self, weight_g: float, for_ms: int = REST_MS) -> list[ShelfCounted]:
        """Add to the load, or take from it, and let time pass."""
        self.load_g += weight_g
        return self.wait(for_ms)

    def wait(self, for_ms: int = REST_MS, every_ms: int = READ_MS) -> list[ShelfCounted]:
        """Let time pass, and return the counts told meanwhile."""
        told: list[ShelfCounted] = []
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            self.now_ms += every_ms
            told += self.take(reading(self.cell.weigh(self.load_g, self.now_ms)))
        return told

    def take(self, seen: WeightReading) -> list[ShelfCounted]:
        """Sense one reading at the present time."""
        facts, checkpoints = self.sensing.observe({"A1": seen}, self.now_ms)
        counts = [fact for fact in facts if isinstance(fact, ShelfCounted)]
        if self.outbox_is_full:
            return []
        if checkpoints:
            self.stored |= {name: value for name, value in checkpoints.items() if value}
            self.sensing.confirm(self.now_ms)
        self.facts += counts
        return counts

    @property
    def trouble(self) -> str | None:
        return self.sensing.trouble("A1")


class Moment(NamedTuple):
    """A quiet moment: what the last count said with which error, and what was there."""

    quantity: int
    error_units: float
    there: int

    @property
    def off(self) -> int:
        return self.quantity - self.there


class Day(NamedTuple):
    """What became of a day at one bin."""

    moments: list[Moment]
    facts: list[ShelfCounted]
    weight_off_sds: float
    """How far the learnt item weight is off the true mean, in its own standard errors."""


class BinOfGoods(NamedTuple):
    """A bin and its goods. `master_off` is how far master data are off, as a part of the weight."""

    item_g: float
    spread_g: float
    full: int
    master_off: float = 0.02
    touches_per_hour: float = 5.0


def a_day(
    goods: BinOfGoods,
    cell: LoadCellSettings,
    seed: int,
    hours: int = 12,
    *,
    is_watched: bool = False,
) -> Day:
    """Return what became of one day: units are taken, put back, refilled; the cell misbehaves.

    To save time, scales are read less often while nothing happens, unless `is_watched`.
    """
    rng = Random(seed)
    true_g = goods.item_g * (1 + rng.gauss(0.0, goods.master_off))
    content = Bin(true_g, goods.spread_g, rng)
    content.put(rng.randint(1, goods.full))
    bench = Bench(product(goods.item_g, spread_g=goods.spread_g))
    bench.cell = LoadCell(cell, rng, 0, content.load_g)
    moments: list[Moment] = []
    while bench.now_ms < hours * HOUR_MS:
        bench.load_g = content.load_g
        bench.wait(20_000)
        pause_ms = round(rng.expovariate(goods.touches_per_hour / HOUR_MS))
        note = partial(_note, moments, bench, content)
        _look_on(bench, min(pause_ms, 2 * HOUR_MS), note, is_watched=is_watched)
        _touch(content, goods.full, rng)
    estimate = bench.sensing.estimate("A1")
    assert estimate is not None
    error_g = estimate.best.item_weight_error_g(0)
    off_sds = (estimate.best.item_weight_g(0) - true_g * cell.gain) / error_g
    return Day(moments, bench.facts, off_sds)


def _look_on(bench: Bench, for_ms: int, note: Callable[[], None], *, is_watched: bool) -> None:
    """Let a shelf be alone, and note every minute what was told of it."""
    note()
    until_ms = bench.now_ms + for_ms
    while bench.now_ms < until_ms:
        bench.wait(15_000, every_ms=1_000)
        bench.wait(45_000, every_ms=1_000 if is_watched else 5_000)
        note()


def _note(moments: list[Moment], bench: Bench, content: Bin) -> None:
    if not bench.cell.is_leaned_on:
        last = bench.facts[-1]
        moments.append(Moment(last.quantity, last.error_units, len(content)))


def _touch(content: Bin, full: int, rng: Random) -> None:
    chance = rng.random()
    if len(content) <= 1 or chance < 0.05:
        content.put(full - len(content))
    elif chance < 0.2:
        content.put(1)
    else:
        content.take(1 if rng.random() < 0.75 else rng.randint(2, 4))
