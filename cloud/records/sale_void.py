"""A sale line that was undone at the till, found by the receipt that it was on."""

from typing import ClassVar

from cloud.records.record import Record
from protocol.facts import Measure


class SaleVoid(Record, frozen=True, kw_only=True):
    """`quantity` of the goods on `receipt` (`STORE/TRANSACTION`) never left."""

    KIND: ClassVar[str] = "sale_void"

    receipt: str
    gtin: str
    quantity: int
    measure: Measure

    @property
    def refs(self) -> tuple[str, ...]:
        """The receipt."""
        return (f"receipt:{self.receipt}",)
