"""The columns of a ledger, in the same words for the true world and for what was heard. Pure."""

from typing import NamedTuple

from msgspec import Struct

from protocol.documents import StockDocument


class SkuLocationKey(NamedTuple):
    """One article at one store."""

    store: str
    gtin: str

    def __str__(self) -> str:
        return f"{self.gtin}@{self.store}"


class Columns(Struct, frozen=True, kw_only=True):
    """Where the goods of a SKU-location came from and where they went, in units or grams.

    In this world nothing is found, lost or moved to other stores.
    """

    opening: int = 0
    received: int = 0
    returned: int = 0
    sold: int = 0
    found: int = 0
    moved: int = 0
    lost: int = 0

    @property
    def on_hand(self) -> int:
        """What the columns leave in the store."""
        gained = self.opening + self.received + self.returned + self.found
        return gained - self.sold - self.moved - self.lost


def columns_of(document: StockDocument) -> Columns:
    """Return the columns that a stock document tells."""
    ledger = document.ledger
    return Columns(
        opening=ledger.opening,
        received=ledger.received,
        returned=ledger.returned,
        sold=ledger.sold,
        found=ledger.found,
        moved=ledger.moved,
        lost=ledger.lost,
    )
