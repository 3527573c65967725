"""What can still be returned of a sale: sold, minus what was voided or came back already. Pure.

Goods that a customer took in exchange count as sold by the same receipt or order, so that they can
be returned by it as well.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from cloud.commands.returns import SoldLine
from cloud.records.goods_return import GoodsReturn
from cloud.records.reservation import Reservation
from cloud.records.sale_void import SaleVoid
from protocol.facts import Measure


class SaleLine(Struct, frozen=True, kw_only=True):
    """One GTIN of a sale, in steps of its measure."""

    gtin: str
    measure: Measure
    sold: int = 0
    exchanged: int = 0
    voided: int = 0
    returned: int = 0

    @property
    def left(self) -> int:
        """How much can still be returned."""
        return max(0, self.sold + self.exchanged - self.voided - self.returned)


def sale_lines(
    sold: Iterable[SoldLine], voids: Iterable[SaleVoid], returns: Iterable[GoodsReturn]
) -> dict[str, SaleLine]:
    """Return the lines of one sale by GTIN, in the order in which they first come."""
    lines: dict[str, SaleLine] = {}
    for line in sold:
        _add(lines, line.gtin, line.measure, "sold", line.quantity)
    for void in voids:
        _add(lines, void.gtin, void.measure, "voided", void.quantity)
    for earlier in returns:
        for taken in earlier.exchange:
            _add(lines, taken.gtin, taken.measure, "exchanged", taken.quantity)
        for came in earlier.lines:
            _add(lines, came.gtin, came.measure, "returned", came.quantity)
    return lines


def _add(
    lines: dict[str, SaleLine], gtin: str, measure: Measure, column: str, quantity: int
) -> None:
    line = lines.get(gtin) or SaleLine(gtin=gtin, measure=measure)
    lines[gtin] = replace(line, **{column: getattr(line, column) + quantity})


def fulfilled(
    reservations: Iterable[Reservation], measure_of: Callable[[str, str], Measure | None]
) -> list[SoldLine]:
    """Return what left to fulfil an order; `measure_of` takes a store and a GTIN."""
    found: list[SoldLine] = []
    for reservation in reservations:
        for line in reservation.lines:
            measure = measure_of(reservation.store, line.gtin) if line.fulfilled else None
            if measure is not None:
                found.append(SoldLine(gtin=line.gtin, quantity=line.fulfilled, measure=measure))
    return found
