"""The head office's book of a noisy store: what it orders by, right or wrong. Pure.

The book follows papers and tills, mistakes included, so an article of which it believes there is
some is not ordered though the shelf is empty, until somebody notices (Kang and Gershwin,
"Information inaccuracy in inventory systems", IIE Transactions 37, 2005, call that freezing).
Recounts that were asked for do not touch it: another's question must not change this store's life.
"""

from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.happenings import (
    Line,
    Observed,
    OpeningCount,
    PostVoid,
    Receipt,
    Refund,
    Sale,
)
from simulators.world.noisy_goods import Goods
from simulators.world.routine_settings import SupplySettings

if TYPE_CHECKING:
    from random import Random


class HeadOffice:
    """The book, and the orders that follow from it."""

    def __init__(
        self, opening: OpeningCount, goods: Goods, settings: SupplySettings, rng: "Random"
    ) -> None:
        self._book: Final = {line.gtin: line.quantity for line in opening.lines}
        self._goods: Final = goods
        self._settings: Final = settings
        self._rng: Final = rng

    def hear(self, observed: Observed) -> None:
        """Take a till's transaction or a paper into the book."""
        if isinstance(observed, Sale):
            sign = -1
        elif isinstance(observed, Refund | PostVoid | Receipt):
            sign = 1
        else:
            return
        for line in observed.lines:
            self._book[line.gtin] += sign * line.quantity

    def counted(self, gtin: Gtin, quantity: int) -> None:
        """Set the book right by a count in turn."""
        self._book[gtin] = quantity

    def order(self) -> list[Line]:
        """Return what the next lorry should bring."""
        lines = []
        for gtin, full in self._goods.full.items():
            self._may_notice(gtin, full)
            book = max(0, self._book[gtin])
            if book <= full * self._settings.refill_below and book < full:
                lines.append(Line(gtin, full - book, self._goods.skus[gtin].measure))
        return lines

    def _may_notice(self, gtin: Gtin, full: int) -> None:
        """Let somebody see that a shelf is empty or overfull where the book says otherwise."""
        there = self._goods.on_hand(gtin)
        is_odd = (there == 0) != (self._book[gtin] <= 0) or there > full > self._book[gtin]
        if not is_odd:
            return
        looks = max(1.0, self._settings.gap_noticed_after_days / self._settings.every_days)
        if self._rng.random() < 1.0 / looks:
            self._book[gtin] = there
