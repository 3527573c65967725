"""A shelf's weight as units: readings of a shelf scale in, `ShelfCounted` out.

Pure. A count is told when the scale has come to rest, the weight is close to a whole number of
units, and that number is another one than was told before. Everything else (goods in a hand,
something foreign on the shelf, a scale that needs taring) changes nothing.
"""

from typing import NamedTuple

from protocol.facts import QUANTITY_MAX, ShelfCounted
from protocol.ids import Gtin


class Shelf(NamedTuple):
    """One shelf of a scale and the only item that lies on it.

    `tolerance` is how far, as a part of one item's weight, a weight may be from a whole number.
    """

    name: str
    gtin: Gtin
    item_weight_g: float
    tolerance: float


class WeightReading(NamedTuple):
    """One shelf as its scale reported it. `weight_g` is signed: a scale drifts below zero."""

    stable: bool
    overload: bool
    fault: bool
    weight_g: int


def units_by_weight(weight_g: int, shelf: Shelf) -> int | None:
    """Return how many items weigh this much, or `None` if no whole number of them does."""
    units = round(weight_g / shelf.item_weight_g)
    rest_g = abs(weight_g - units * shelf.item_weight_g)
    if not 0 <= units <= QUANTITY_MAX or rest_g > shelf.tolerance * shelf.item_weight_g:
        return None
    return units


def sense_shelf(
    told: int | None, shelf: Shelf, reading: WeightReading, *, at_ms: int, source: str
) -> ShelfCounted | None:
    """Return the fact that follows from a reading, if any; `told` is the count told last."""
    if not reading.stable or reading.overload or reading.fault:
        return None
    units = units_by_weight(reading.weight_g, shelf)
    if units is None or units == told:
        return None
    return ShelfCounted(
        occurred_at_ms=at_ms,
        source=source,
        gtin=shelf.gtin,
        shelf=shelf.name,
        quantity=units,
        weight_g=reading.weight_g,
    )


def trouble(shelf: Shelf, reading: WeightReading) -> str | None:
    """Return what is wrong with a shelf, in words for its health, or `None`."""
    if reading.fault:
        return f"shelf {shelf.name}: the scale reports a fault"
    if reading.overload:
        return f"shelf {shelf.name}: overload"
    return None
