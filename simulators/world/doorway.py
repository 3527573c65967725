"""The portals of a noisy store: goods go through them, and others stand near them. Pure.

Goods belong to the side that they come from until the crossing is over.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from simulators.world.noisy_goods import Armful
from simulators.world.radio import LEAD_MS, OVER_MS, PortalRadio
from simulators.world.scene import Scene
from simulators.world.store_time import MINUTE_MS, delay_ms, poisson, some_time
from simulators.world.tagged_units import TaggedUnit
from simulators.world.truth_events import Portal

if TYPE_CHECKING:
    from random import Random

STOP_MAX_MS: Final = 6_000
ATTEMPTS_MAX: Final = 4
CART_ARTICLES: Final = 4


class Doorway:
    """One portal."""

    def __init__(self, portal: Portal, scene: Scene, radio: PortalRadio, rng: "Random") -> None:
        self._portal: Final = portal
        self._scene: Final = scene
        self._radio: Final = radio
        self._rng: Final = rng
        portals = scene.settings.portals
        self._near: Final = [
            gtin
            for gtin in scene.planogram.near(portal, portals.stray_range_m)
            if scene.goods.skus[gtin].is_tagged
        ]
        self._strays: Final = (
            portals.strays_per_crossing if portal == "exit" else portals.wall_strays_per_crossing
        )

    def go_out(self, armfuls: Sequence[Armful], now_ms: int, *, is_seen: bool = True) -> None:
        """Let somebody carry goods of the store out; goods that are not seen pass no antenna."""
        units = [unit for armful in armfuls for unit in armful.units]
        over_ms = now_ms
        if units:
            over_ms = self.cross(units, now_ms, is_inwards=False, is_seen=is_seen)

        def leave(_now_ms: int) -> None:
            for armful in armfuls:
                self._scene.goods.leave(armful)

        self._scene.agenda.at(over_ms, leave)

    def come_in(self, armfuls: Sequence[Armful], now_ms: int, then: Callable[[int], None]) -> None:
        """Let somebody carry goods in that are the store's from then on, and do something."""
        units = [unit for armful in armfuls for unit in armful.units]
        over_ms = self.cross(units, now_ms, is_inwards=True) if units else now_ms

        def arrive(at_ms: int) -> None:
            for armful in armfuls:
                self._scene.goods.come_in(armful)
            then(at_ms)

        self._scene.agenda.at(over_ms, arrive)

    def cross(
        self, units: Sequence[TaggedUnit], now_ms: int, *, is_inwards: bool, is_seen: bool = True
    ) -> int:
        """Let tagged units through, whosever they are; return when that is over."""
        rng = self._rng
        stop_ms = 0
        if rng.random() < self._scene.settings.portals.stop_share:
            stop_ms = rng.randrange(STOP_MAX_MS)
        doorway_ms = now_ms + LEAD_MS
        if is_seen:
            strays = self._some_near(poisson(self._strays, rng), units)
            self._radio.cross(units, doorway_ms, stop_ms, strays, is_inwards=is_inwards)
        for unit in units:
            self._scene.truth.crossed(doorway_ms, self._portal, unit.epc, is_inwards=is_inwards)
        return doorway_ms + stop_ms + OVER_MS

    def pass_by(self, unit: TaggedUnit, now_ms: int) -> None:
        """Let somebody outside pass with a unit."""
        self._radio.pass_by(unit, now_ms)

    def plan_day(self, midnight_ms: int) -> None:
        """Draw who lingers and who parks a cart here on this day."""
        portals, agenda, rng = self._scene.settings.portals, self._scene.agenda, self._rng
        hours = self._scene.settings.hours
        if self._near:
            for _ in range(poisson(portals.lingering_per_day, rng)):
                agenda.at(some_time(hours, midnight_ms, rng), self._linger)
            for _ in range(poisson(portals.parked_carts_per_day, rng)):
                agenda.at(some_time(hours, midnight_ms, rng), self._park)

    def _linger(self, now_ms: int) -> None:
        for unit in self._some_near(1, ()):
            self._radio.linger(unit, now_ms)

    def _park(self, now_ms: int) -> None:
        """Let staff park a cart with goods of a few articles, which nobody else takes meanwhile."""
        scene, portals, rng = self._scene, self._scene.settings.portals, self._rng
        armfuls: list[Armful] = []
        for _ in range(CART_ARTICLES):
            sku = scene.goods.skus[rng.choice(self._near)]
            wanted = max(1, portals.cart_units_max // CART_ARTICLES)
            armful = scene.goods.take(sku, wanted, now_ms, rng)
            if armful is not None:
                armfuls.append(armful)
        lasts_ms = 1 + delay_ms(portals.parked_minutes * MINUTE_MS, rng)
        units = [unit for armful in armfuls for unit in armful.units]
        self._radio.stand(units, now_ms, lasts_ms)

        def put_back(at_ms: int) -> None:
            for armful in armfuls:
                scene.goods.put_back(armful, at_ms)

        scene.agenda.at(now_ms + lasts_ms, put_back)

    def _some_near(self, count: int, passing: Sequence[TaggedUnit]) -> list[TaggedUnit]:
        """Return units that lie near the portal and are not those that pass."""
        found: list[TaggedUnit] = []
        for _ in range(count if self._near else 0):
            for _ in range(ATTEMPTS_MAX):
                free = self._scene.goods.free(self._rng.choice(self._near))
                if free:
                    unit = self._rng.choice(free)
                    if unit not in passing:
                        found.append(unit)
                        break
        return found
