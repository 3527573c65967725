"""What truly happened in the stores: goods by SKU-location, and every line of every till. Pure."""

from collections import Counter
from typing import Final, Literal, NamedTuple

from simulators.demo.truth import Columns, SkuLocationKey

Column = Literal["opening", "received", "returned", "sold"]


class LineKey(NamedTuple):
    """One line of a till's transaction, as the journal names it."""

    store: str
    transaction: str
    line: int


class Moved(NamedTuple):
    """What a line did to the stock of an article."""

    gtin: str
    change: int


class Truth:
    """The books that nobody can crash. `lines` holds what tills wrote, from the rename on."""

    def __init__(self) -> None:
        self.lines: Final[dict[LineKey, Moved]] = {}
        self._columns: Final[dict[SkuLocationKey, Counter[Column]]] = {}
        self._in_hand: Final[Counter[SkuLocationKey]] = Counter()

    def columns(self) -> dict[SkuLocationKey, Columns]:
        """Return the columns of every SKU-location."""
        return {
            key: Columns(
                opening=counts["opening"],
                received=counts["received"],
                returned=counts["returned"],
                sold=counts["sold"],
            )
            for key, counts in self._columns.items()
        }

    def add(self, key: SkuLocationKey, column: Column, quantity: int) -> None:
        """Add to a column."""
        self._columns.setdefault(key, Counter())[column] += quantity

    def sold(self, key: SkuLocationKey) -> int:
        """Return how many were sold and not voided, through tills and online."""
        return self._columns[key]["sold"]

    def line(self, key: LineKey, column: Column, moved: Moved) -> None:
        """Note a till line, and what it adds to a column (less, when it voids)."""
        self.lines[key] = moved
        sign = -1 if column == "sold" else 1
        self.add(SkuLocationKey(key.store, moved.gtin), column, sign * moved.change)

    def on_shelf(self, key: SkuLocationKey) -> int:
        """Return what somebody could take: what is there and in nobody's hand."""
        counts = self._columns[key]
        there = counts["opening"] + counts["received"] + counts["returned"] - counts["sold"]
        return there - self._in_hand[key]

    def take(self, key: SkuLocationKey, quantity: int) -> bool:
        """Take goods in hand, if they are on the shelf."""
        if self.on_shelf(key) < quantity:
            return False
        self._in_hand[key] += quantity
        return True

    def put_back(self, key: SkuLocationKey, quantity: int) -> None:
        """Put goods in hand back on the shelf."""
        self._in_hand[key] -= quantity

    def ship(self, key: SkuLocationKey, quantity: int) -> None:
        """Let goods in hand leave the store."""
        self._in_hand[key] -= quantity
        self.add(key, "sold", quantity)
