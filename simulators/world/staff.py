"""Staff bring tagged goods from the backroom to the sales floor. Pure."""

from simulators.world.agenda import Agenda
from simulators.world.settings import StaffSettings
from simulators.world.stock import Stock


class Staff:
    """They look at the shelves in rounds."""

    def __init__(self, stock: Stock, agenda: Agenda, settings: StaffSettings) -> None:
        self._stock = stock
        self._agenda = agenda
        self._settings = settings
        self._tagged = [sku.gtin for sku in stock.skus.values() if sku.is_tagged]
        self._at_work = False

    def begin(self, now_ms: int) -> None:
        """Make rounds from now on."""
        self._at_work = True
        self._agenda.at(now_ms + self._settings.round_ms, self._round, routine=True)

    def end(self) -> None:
        """Make no more rounds."""
        self._at_work = False

    def _round(self, now_ms: int) -> None:
        if not self._at_work:
            return
        for gtin in self._tagged:
            there = self._stock.on_floor(gtin)
            if there < self._settings.floor_low_units:
                wanted = self._settings.floor_full_units - there
                self._stock.bring_to_floor(gtin, wanted, now_ms)
        self._agenda.at(now_ms + self._settings.round_ms, self._round, routine=True)
