"""A load cell under a shelf, with the habits of real ones. Pure and seeded.

What it shows of a true load, in grams: the span error multiplies it; creep lets it grow for minutes
after a change; hysteresis lets it lag behind; the zero walks by itself and with the temperature of
the day; noise, bumps and the steps of the display come on top. Hands lean on the shelf for seconds,
somebody presses tare at the wrong moment, and too much is an overload. Orders of magnitude are
those of OIML R 60 (creep, hysteresis, temperature) and R 76 (display, tare) for class III.
"""

import math
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from random import Random  # The world is given randomness; it may not make any.

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WARMEST_AT_MS: Final = 15 * HOUR_MS
NEVER_MS: Final = 2**62

Grams = Annotated[float, Meta(ge=0, le=1_000_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
PerDay = Annotated[float, Meta(ge=0, le=10_000)]


class LoadCellSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How true a load cell is, and what people do to it. As it stands it is perfect but for 1 g."""

    gain: Annotated[float, Meta(gt=0, le=10)] = 1.0
    """What a load is multiplied by: 1 when the span was adjusted well."""
    noise_g: Grams = 0.0
    """Standard deviation of one reading."""
    resolution_g: Annotated[float, Meta(gt=0, le=1_000)] = 1.0
    """Step of the display."""
    drift_g_per_hour: Grams = 0.0
    """Standard deviation by which the zero walks in an hour."""
    temperature_g: Grams = 0.0
    """How far the zero swings up and down with the temperature of a day."""
    creep_share: Share = 0.0
    """Part of a change of load that only shows after minutes. OIML R 60 allows about 0.0003."""
    creep_ms: Annotated[int, Meta(ge=1, le=DAY_MS)] = 600_000
    """In how long all but a third of it has shown."""
    hysteresis_g: Grams = 0.0
    """How far the weight after unloading is above that after loading, halved."""
    overload_g: Grams = 30_000.0
    """What it bears at most."""
    motion_g: Grams = 5.0
    """A load that changed by more since the last reading is in motion."""
    bump_rate: Share = 0.0
    """Chance that a reading is off because something hit the shelf."""
    bump_g: Grams = 50.0
    """Standard deviation of how far."""
    leans_per_day: PerDay = 0.0
    """How often somebody leans on the shelf."""
    lean_g: Grams = 2_000.0
    """With what weight, on average."""
    lean_ms: Annotated[int, Meta(ge=1, le=HOUR_MS)] = 4_000
    """And for how long, on average."""
    lean_flutter: Share = 0.03
    """Standard deviation of such a weight from one reading to the next, as a part of it."""
    tare_mistakes_per_day: PerDay = 0.0
    """How often somebody tares the shelf, whatever lies there."""


class Weighing(NamedTuple):
    """What the cell's electronics report. `weight_g` is a multiple of the display's step."""

    weight_g: float
    is_stable: bool
    is_overload: bool = False
    is_fault: bool = False


class LoadCell:
    """One cell since `now_ms`, bearing `load_g`. `rng` decides what its settings leave to chance.

    Times are milliseconds and only go forward; a reading in the past is one of the present.
    """

    def __init__(
        self, settings: LoadCellSettings, rng: "Random", now_ms: int, load_g: float = 0.0
    ) -> None:
        self._settings = settings
        self._rng = rng
        self._now_ms = now_ms
        self._walk_g = 0.0
        self._crept_g = load_g
        self._followed_g = load_g
        self._shown_load_g = load_g
        self._tare_g = 0.0
        self._lean_g = 0.0
        self._lean_until_ms = now_ms
        self._lean_at_ms = self._next_ms(settings.leans_per_day)
        self._tare_at_ms = self._next_ms(settings.tare_mistakes_per_day)
        self.tare_mistakes = 0
        """How often it was tared by mistake so far."""
        self.leans = 0
        """How often somebody leaned on it so far."""

    @property
    def is_leaned_on(self) -> bool:
        """Whether somebody leans on the shelf now."""
        return self._now_ms < self._lean_until_ms

    def weigh(self, load_g: float, now_ms: int) -> Weighing:
        """Let time pass with `load_g` on the shelf, and return what the scale shows then."""
        settings = self._settings
        self._let_pass(load_g, now_ms)
        borne_g = load_g + self._lean_now_g()
        is_moving = abs(borne_g - self._shown_load_g) > settings.motion_g
        self._shown_load_g = borne_g
        if borne_g > settings.overload_g:
            return Weighing(settings.overload_g, is_stable=False, is_overload=True)
        if self._now_ms >= self._tare_at_ms:
            self._tare_at_ms = self._next_ms(settings.tare_mistakes_per_day)
            self.tare_mistakes += 1
            self.tare(load_g)
        noise_g = self._rng.gauss(0.0, settings.noise_g) if settings.noise_g else 0.0
        if settings.bump_rate and self._rng.random() < settings.bump_rate:
            noise_g += self._rng.gauss(0.0, settings.bump_g)
        weight_g = self._gross_g(borne_g) - self._tare_g + noise_g
        steps = round(weight_g / settings.resolution_g)
        return Weighing(steps * settings.resolution_g, is_stable=not is_moving)

    def tare(self, load_g: float) -> None:
        """Make what the scale shows with `load_g`, and with whoever leans on it, its zero."""
        self._tare_g = self._gross_g(load_g + self._lean_now_g())

    def lean(self, weight_g: float, until_ms: int) -> None:
        """Let somebody lean on the shelf until then."""
        self._lean_g, self._lean_until_ms = weight_g, until_ms
        self.leans += 1

    def _let_pass(self, load_g: float, now_ms: int) -> None:
        settings = self._settings
        passed_ms = max(0, now_ms - self._now_ms)
        self._now_ms += passed_ms
        if settings.drift_g_per_hour and passed_ms:
            sd_g = settings.drift_g_per_hour * math.sqrt(passed_ms / HOUR_MS)
            self._walk_g += self._rng.gauss(0.0, sd_g)
        stays = math.exp(-passed_ms / settings.creep_ms)
        self._crept_g = load_g + (self._crept_g - load_g) * stays
        # A play, as between two cogs: Prandtl's and Ishlinskii's model of hysteresis.
        play_g = settings.overload_g / 100
        self._followed_g = min(max(self._followed_g, load_g - play_g), load_g + play_g)
        if self._now_ms >= self._lean_at_ms:
            self._lean_at_ms = self._next_ms(settings.leans_per_day)
            lasts_ms = round(self._rng.expovariate(1 / settings.lean_ms))
            self.lean(self._rng.expovariate(1 / settings.lean_g), self._now_ms + lasts_ms)

    def _lean_now_g(self) -> float:
        if not self.is_leaned_on:
            return 0.0
        return self._lean_g * (1 + self._rng.gauss(0.0, self._settings.lean_flutter))

    def _gross_g(self, borne_g: float) -> float:
        settings = self._settings
        day = 2 * math.pi * (self._now_ms % DAY_MS - WARMEST_AT_MS) / DAY_MS
        zero_g = self._walk_g + settings.temperature_g * math.cos(day)
        creep_g = settings.creep_share * (self._crept_g - borne_g)
        lag = (self._followed_g - borne_g) / (settings.overload_g / 100)
        lag_g = settings.hysteresis_g * max(-1.0, min(1.0, lag))
        return borne_g * settings.gain + zero_g + creep_g + lag_g

    def _next_ms(self, per_day: float) -> int:
        if not per_day:
            return NEVER_MS
        return self._now_ms + round(self._rng.expovariate(per_day / DAY_MS))


class Bin:
    """Items of one product on a shelf, each with a weight of its own."""

    def __init__(self, item_weight_g: float, item_weight_sd_g: float, rng: "Random") -> None:
        self._item_weight_g = item_weight_g
        self._item_weight_sd_g = item_weight_sd_g
        self._rng = rng
        self._items_g: list[float] = []

    def __len__(self) -> int:
        """How many items lie there."""
        return len(self._items_g)

    @property
    def load_g(self) -> float:
        """What they weigh together."""
        return math.fsum(self._items_g)

    def put(self, units: int) -> None:
        """Put new items there."""
        for _ in range(units):
            self._items_g.append(self._rng.gauss(self._item_weight_g, self._item_weight_sd_g))

    def take(self, units: int) -> None:
        """Take some of the items away, or all when they are fewer."""
        for _ in range(min(units, len(self._items_g))):
            self._items_g.pop(self._rng.randrange(len(self._items_g)))
