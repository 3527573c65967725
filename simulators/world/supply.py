"""What the warehouse sends to a noisy store: advices, crates, papers and mistakes. Pure."""

from functools import partial
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.doorway import Doorway
from simulators.world.happenings import AdviceSent, Line, Receipt
from simulators.world.head_office import HeadOffice
from simulators.world.noisy_goods import Armful
from simulators.world.scene import Scene
from simulators.world.store_time import HOUR_MS
from simulators.world.tagged_units import TaggedUnit, TagPrinter

if TYPE_CHECKING:
    from random import Random

CRATE_EVERY_MS: Final = 45_000
SIGNED_AFTER_MS: Final = 10 * 60_000
SHORT_UNTIL: Final = 0.4
OVER_UNTIL: Final = 0.7
"""Of the wrong lines so many are short, then over, and the rest are another article."""
WRONG_PART: Final = 10
"""A wrong line is wrong by a tenth of it, at least by one unit or gram."""


class Supply:
    """The deliveries of one store."""

    def __init__(
        self,
        scene: Scene,
        head_office: HeadOffice,
        dock: Doorway,
        printer: TagPrinter,
        rng: "Random",
    ) -> None:
        self._scene: Final = scene
        self._settings: Final = scene.settings.supply
        self._head_office: Final = head_office
        self._dock: Final = dock
        self._printer: Final = printer
        self._rng: Final = rng
        self._deliveries = 0

    def plan_day(self, midnight_ms: int, day: int) -> None:
        """Let a lorry be advised and come, if it is the day."""
        if day % self._settings.every_days == 0:
            arrives_ms = midnight_ms + int(self._settings.at_hour * HOUR_MS)
            advised_ms = arrives_ms - int(self._settings.advised_hours * HOUR_MS)
            advised_ms = max(midnight_ms, advised_ms)
            self._scene.agenda.at(advised_ms, lambda now_ms: self._advise(now_ms, arrives_ms))

    def _advise(self, now_ms: int, arrives_ms: int) -> None:
        lines = tuple(self._head_office.order())
        if not lines:
            return
        self._deliveries += 1
        document = f"DN{self._deliveries:05d}"
        self._scene.show(AdviceSent(now_ms, document, lines))
        packed = [self._packed(line, arrives_ms) for line in lines]
        self._scene.agenda.at(
            arrives_ms, lambda at_ms: self._unload(document, lines, packed, at_ms)
        )

    def _packed(self, line: Line, at_ms: int) -> tuple[Gtin, int]:
        """Return what was packed for a line: mostly what it says."""
        truth, rng = self._scene.truth, self._rng
        if rng.random() >= self._settings.wrong_line_share:
            return line.gtin, line.quantity
        draw = rng.random()
        step = max(1, line.quantity // WRONG_PART)
        if draw < SHORT_UNTIL:
            truth.mishap(at_ms, "delivery short", line.gtin)
            return line.gtin, max(0, line.quantity - step)
        if draw < OVER_UNTIL:
            truth.mishap(at_ms, "delivery over", line.gtin)
            return line.gtin, line.quantity + step
        other = self._scene.families.relative(line.gtin, rng)
        if other != line.gtin:
            truth.mishap(at_ms, "delivery of another article", line.gtin, other)
        return other, line.quantity

    def _unload(
        self, document: str, lines: tuple[Line, ...], packed: list[tuple[Gtin, int]], now_ms: int
    ) -> None:
        """Carry in untagged goods at once, tagged ones crate by crate, and sign the paper."""
        units: list[TaggedUnit] = []
        skus = self._scene.goods.skus
        for gtin, quantity in packed:
            if skus[gtin].is_tagged:
                units += [self._printer.new_unit(gtin) for _ in range(quantity)]
            elif quantity:
                self._store_away([Armful(skus[gtin], quantity)], now_ms)
        size = self._settings.crate_units_max
        at_ms = now_ms
        for start in range(0, len(units), size):
            crate = units[start : start + size]
            self._scene.agenda.at(at_ms, partial(self._carry_in, crate))
            at_ms += CRATE_EVERY_MS
        self._scene.show(Receipt(at_ms + SIGNED_AFTER_MS, document, lines))

    def _carry_in(self, crate: list[TaggedUnit], now_ms: int) -> None:
        skus = self._scene.goods.skus
        self._store_away([Armful(skus[unit.gtin], 1, (unit,)) for unit in crate], now_ms)

    def _store_away(self, armfuls: list[Armful], now_ms: int) -> None:
        def put_away(_now_ms: int) -> None:
            for armful in armfuls:
                self._scene.goods.store_away(armful)

        self._dock.come_in(armfuls, now_ms, put_away)
