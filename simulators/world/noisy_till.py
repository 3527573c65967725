"""The tills of a noisy store, and what goes wrong at them. Pure.

What a till writes is what was scanned and keyed, not what was sold. A till is busy with a sale that
is undone and entered again, so nothing comes between.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.goods import Sku
from simulators.world.happenings import Line, PostVoid, Refund, Sale
from simulators.world.noisy_goods import Armful
from simulators.world.scene import Scene

if TYPE_CHECKING:
    from random import Random

TOO_FEW_SHARE: Final = 0.5
"""Of wrong quantities of several units; one unit is only ever keyed as more."""
GRAMS_TWICE: Final = 2


class NoisyTill:
    """All tills of a store."""

    def __init__(self, scene: Scene, rng: "Random") -> None:
        self._scene: Final = scene
        self._settings: Final = scene.settings.tills
        self._rng: Final = rng
        self._transactions = 0

    def sell(self, basket: Sequence[Armful], now_ms: int) -> None:
        """Write what is scanned of a basket."""
        till = self._rng.randint(1, self._settings.tills)
        lines = self._scanned(basket, now_ms)
        if not lines:
            return
        number = self._next_number()
        self._scene.show(Sale(now_ms, till, number, lines))
        if self._rng.random() < self._settings.void_share:
            self._scene.show(PostVoid(now_ms, till, number, lines))
            self._scene.show(Sale(now_ms, till, self._next_number(), lines))

    def take_back(self, sku: Sku, quantity: int, now_ms: int) -> None:
        """Write a refund, perhaps for another article of the family."""
        booked = sku.gtin
        if self._rng.random() < self._settings.wrong_return_share:
            booked = self._scene.families.relative(sku.gtin, self._rng)
            self._mixed_up(now_ms, "returned as another article", sku.gtin, booked)
        till = self._rng.randint(1, self._settings.tills)
        line = Line(booked, quantity, sku.measure)
        self._scene.show(Refund(now_ms, till, self._next_number(), (line,)))

    def write_off(self, armful: Armful, now_ms: int) -> None:
        """Write down at the back office's till what is thrown away."""
        till = self._settings.tills + 1
        self._scene.show(Sale(now_ms, till, self._next_number(), (_line(armful),)))

    def _next_number(self) -> int:
        self._transactions += 1
        return self._transactions

    def _scanned(self, basket: Sequence[Armful], now_ms: int) -> tuple[Line, ...]:
        lines: list[Line] = []
        for armful in basket:
            gtin = self._as_a_flavour_before(armful.sku.gtin, lines, now_ms)
            line = _line(armful) if gtin is None else _line(armful)._replace(gtin=gtin)
            if gtin is None:
                lines += self._scanned_line(line, now_ms)
            else:
                lines.append(line)
        return tuple(lines)

    def _as_a_flavour_before(self, gtin: Gtin, before: list[Line], now_ms: int) -> Gtin | None:
        """Return the article of the family that is scanned again in this one's stead, if so."""
        families = self._scene.families
        for line in before:
            if line.gtin != gtin and families.is_family(line.gtin, gtin):
                if self._rng.random() >= self._settings.flavours_as_one_share:
                    return None
                self._mixed_up(now_ms, "flavours scanned as one", gtin, line.gtin)
                return line.gtin
        return None

    def _scanned_line(self, line: Line, now_ms: int) -> list[Line]:
        settings, draw, truth = self._settings, self._rng.random(), self._scene.truth
        if draw < settings.not_scanned_share:
            truth.mishap(now_ms, "not scanned", line.gtin)
            return []
        draw -= settings.not_scanned_share
        if draw < settings.wrong_item_share:
            other = self._scene.families.relative(line.gtin, self._rng)
            self._mixed_up(now_ms, "wrong item at the till", line.gtin, other)
            return [line._replace(gtin=other)]
        draw -= settings.wrong_item_share
        if draw < settings.wrong_quantity_share:
            truth.mishap(now_ms, "wrong quantity at the till", line.gtin)
            return [line._replace(quantity=self._miskeyed(line))]
        return [line]

    def _miskeyed(self, line: Line) -> int:
        """Return a quantity that is not the line's, at least 1."""
        if line.measure == "grams":
            return line.quantity * GRAMS_TWICE
        error = self._rng.randint(1, self._settings.miskeyed_units_max)
        if line.quantity > 1 and self._rng.random() < TOO_FEW_SHARE:
            return max(1, line.quantity - error)
        return line.quantity + error

    def _mixed_up(self, at_ms: int, kind: str, one: Gtin, other: Gtin) -> None:
        if one != other:
            self._scene.truth.mishap(at_ms, kind, one, other)


def _line(armful: Armful) -> Line:
    return Line(armful.sku.gtin, armful.quantity, armful.sku.measure)
