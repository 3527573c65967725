"""One shelf, from its readings to the counts that are worth telling. Pure.

A count is told when it changed, and again when its error became clearly smaller or clearly larger
than what was told. None is told while something foreign lies on the shelf, while the products of a
mixed shelf cannot be told apart, or before whole units have explained a weight.
"""

from typing import Final

from edge.sensing import shelf_basis
from edge.sensing.shelf_checkpoint import ShelfMemory, Told, remembered, restore
from edge.sensing.shelf_moves import Motion
from edge.sensing.shelf_rest import Rest, RestDetector
from edge.sensing.shelf_tracker import Estimate, ShelfTracker, Weighing
from edge.sensing.shelf_traits import Shelf, WeightReading
from protocol.facts import QUANTITY_MAX, ShelfCounted

STEADY_MS: Final = 60_000
"""How often a shelf at rest is weighed to learn its drift."""
FOREIGN_TROUBLE_MS: Final = 10_000
"""What lies there for less may be a hand or a bag."""
ZERO_STEP_MS: Final = 60_000
"""What is too little for so long is a step of the zero: nothing foreign weighs less than 0."""
ERROR_CLEARLY_SMALLER: Final = 0.5
ERROR_CLEARLY_LARGER: Final = 3.0
ERROR_WORTH_LOWERING: Final = 0.1
ERROR_WORTH_RAISING: Final = 0.3
RETELL_MS: Final = 60_000
"""The same count is not told more often, whatever becomes of its error."""
DRIFTED_PROBABILITY_MIN: Final = 0.7
"""A count that changed although nobody touched the shelf has to be surer than that."""
REMEMBER_MS: Final = 3_600_000
"""How much learning a crash may undo when no count is told meanwhile."""


class ShelfWatch:
    """Follows one shelf."""

    def __init__(self, shelf: Shelf, memory: ShelfMemory | None) -> None:
        lightest_g = min(product.item_weight_g for product in shelf.products)
        self.shelf = shelf
        self._rest_detector = RestDetector(shelf.traits, lightest_g)
        self._tracker = ShelfTracker(shelf)
        self._told: list[Told | None] = [None for _ in shelf.products]
        self._told_at_ms = 0
        self._remembered_at_ms: int | None = None
        self._foreign_since_ms: int | None = None
        self._last: tuple[Rest, Motion, float | None] | None = None
        self._trouble: str | None = None
        if memory is not None:
            restore(self._tracker, memory)
            self._told, self._told_at_ms = list(memory.told), memory.told_at_ms
            self._rest_detector.noise_sd_g = memory.noise_sd_g
        self._estimate = self._tracker.estimate()

    @property
    def trouble(self) -> str | None:
        """What is wrong with the shelf, in words for its health."""
        return self._trouble

    @property
    def estimate(self) -> Estimate | None:
        """What is known of the shelf's units; `None` while no weight was explained."""
        return self._estimate

    def read(self, reading: WeightReading, at_ms: int, source: str) -> list[ShelfCounted]:
        """Take a reading, and return the counts to tell now; they are returned until `confirm`."""
        traits = self.shelf.traits
        if abs(reading.weight_g) > 1.1 * traits.capacity_g:
            reading = reading._replace(fault=True)
        rest = self._rest_detector.read(reading, at_ms)
        if rest is not None:
            self._weigh(rest, at_ms)
        estimate = self._estimate
        self._trouble = self._find_trouble(reading, estimate, at_ms)
        if rest is None or estimate is None or self._last is None:
            return []
        return self._tell(estimate, at_ms, source)

    def confirm(self, told: list[ShelfCounted]) -> None:
        """What was returned is durable."""
        for fact in told:
            self._told[self._product_of(fact)] = Told(fact.quantity, fact.error_units)
            self._told_at_ms = fact.occurred_at_ms

    def memory(self, told: list[ShelfCounted], at_ms: int) -> bytes | None:
        """Return what to store once `told` is durable, or `None` when nothing is due."""
        since_ms = self._remembered_at_ms
        is_due = since_ms is None or not 0 <= at_ms - since_ms < REMEMBER_MS
        if not self._tracker.hypotheses or not (told or is_due):
            return None
        after, after_ms = list(self._told), self._told_at_ms
        for fact in told:
            after[self._product_of(fact)] = Told(fact.quantity, fact.error_units)
            after_ms = fact.occurred_at_ms
        noise_g = self._rest_detector.noise_sd_g
        return remembered(self.shelf, self._tracker, noise_g, after, after_ms)

    def stored(self, at_ms: int) -> None:
        """What `memory` returned is durable."""
        self._remembered_at_ms = at_ms

    def _product_of(self, fact: ShelfCounted) -> int:
        return [product.gtin for product in self.shelf.products].index(fact.gtin)  # type: ignore[arg-type] # A Gtin is text.

    def _weigh(self, rest: Rest, at_ms: int) -> None:
        tracker = self._tracker
        before_g = tracker.weighed_g if tracker.hypotheses else None
        motion = self._rest_detector.motion(rest, rest.weight_g if before_g is None else before_g)
        passed_ms = at_ms - tracker.weighed_at_ms
        if motion is Motion.NONE and tracker.hypotheses and 0 <= passed_ms < STEADY_MS:
            return
        tracker.weigh(Weighing(rest.weight_g, rest.noise_g2, at_ms, motion))
        off_g = None if before_g is None else rest.weight_g - before_g
        self._last = (rest, motion, off_g)
        self._estimate = tracker.estimate()
        self._note_foreign(at_ms, self._estimate)

    def _note_foreign(self, at_ms: int, estimate: Estimate | None) -> None:
        if estimate is None or estimate.foreign < 0.5:
            self._foreign_since_ms = None
            return
        if self._foreign_since_ms is None or at_ms < self._foreign_since_ms:
            self._foreign_since_ms = at_ms
        lasted_ms = at_ms - self._foreign_since_ms
        if estimate.best.foreign_g < 0 and lasted_ms >= ZERO_STEP_MS:
            self._tracker.accept_zero_step()
            self._estimate = self._tracker.estimate()
            self._foreign_since_ms = None

    def _tell(self, estimate: Estimate, at_ms: int, source: str) -> list[ShelfCounted]:
        is_mixed = len(estimate.units) > 1
        if estimate.foreign >= 0.5 or (is_mixed and estimate.probability < 0.5):
            return []
        assert self._last is not None  # noqa: S101 # `read` has asked.
        rest, motion, off_g = self._last
        facts: list[ShelfCounted] = []
        for at, (quantity, error_units) in enumerate(
            zip(estimate.units, estimate.errors, strict=True)
        ):
            now = Told(quantity, error_units)
            if quantity <= QUANTITY_MAX and self._is_news(now, at, estimate, motion, at_ms):
                spreads = self._tracker.spreads
                facts.append(
                    ShelfCounted(
                        occurred_at_ms=at_ms,
                        source=source,
                        gtin=self.shelf.products[at].gtin,
                        shelf=self.shelf.name,
                        quantity=quantity,
                        weight_g=round(rest.weight_g),
                        error_units=round(error_units, 3),
                        basis=shelf_basis.basis_of(estimate, rest, spreads, off_g),
                    )
                )
        return facts

    def _is_news(
        self, now: Told, product: int, estimate: Estimate, motion: Motion, at_ms: int
    ) -> bool:
        told = self._told[product]
        if told is None:
            return True
        if now.quantity != told.quantity:
            return motion is not Motion.NONE or estimate.probability >= DRIFTED_PROBABILITY_MIN
        if 0 <= at_ms - self._told_at_ms < RETELL_MS:
            return False
        lower, higher = ERROR_CLEARLY_SMALLER, ERROR_CLEARLY_LARGER
        return (
            told.error_units >= ERROR_WORTH_LOWERING and now.error_units <= lower * told.error_units
        ) or (
            now.error_units >= ERROR_WORTH_RAISING and now.error_units >= higher * told.error_units
        )

    def _find_trouble(
        self, reading: WeightReading, estimate: Estimate | None, at_ms: int
    ) -> str | None:
        name, detector = self.shelf.name, self._rest_detector
        if abs(reading.weight_g) > 1.1 * self.shelf.traits.capacity_g:
            return f"shelf {name}: {reading.weight_g:.0f} g is no weight: is the word order right?"
        if reading.fault:
            return f"shelf {name}: the scale reports a fault"
        if reading.overload:
            return f"shelf {name}: overload"
        if detector.is_stuck:
            return f"shelf {name}: its weight does not even flutter any more: is it stuck?"
        if detector.is_restless(at_ms):
            return f"shelf {name}: it does not come to rest"
        return self._count_trouble(estimate, at_ms)

    def _count_trouble(self, estimate: Estimate | None, at_ms: int) -> str | None:
        name = self.shelf.name
        if estimate is None:
            weighed_g = self._tracker.weighed_g
            return shelf_basis.unexplained_trouble(name, weighed_g) if self._last else None
        since_ms = self._foreign_since_ms
        if since_ms is not None:
            lasts = at_ms - since_ms >= FOREIGN_TROUBLE_MS
            return shelf_basis.foreign_trouble(name, estimate) if lasts else None
        if len(estimate.units) > 1 and estimate.probability < 0.5:
            return shelf_basis.ambiguous_trouble(name, estimate)
        return None
