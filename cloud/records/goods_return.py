"""A return: what came back by which sale, in which condition, and what became of it."""

from typing import ClassVar, Literal

from msgspec import Struct

from cloud.commands.returns import ReturnCondition, SoldLine
from cloud.records.record import Record
from protocol.facts import Measure


class ReturnedLine(Struct, frozen=True, kw_only=True, array_like=True):
    """Where the returned quantity of one GTIN is.

    quantity = inspecting + restocked + damaged + written_off.
    """

    gtin: str
    quantity: int
    measure: Measure
    condition: ReturnCondition
    inspecting: int = 0
    restocked: int = 0
    damaged: int = 0
    written_off: int = 0

    @property
    def status(self) -> Literal["inspecting", "settled"]:
        """Whether somebody still has to look at it."""
        return "inspecting" if self.inspecting else "settled"


class GoodsReturn(Record, frozen=True, kw_only=True):
    """Goods that came back to `store`, and what the customer took instead.

    Exactly one of `receipt` (`STORE/TRANSACTION`) and `order_id` names the sale.
    """

    KIND: ClassVar[str] = "goods_return"

    lines: tuple[ReturnedLine, ...]
    receipt: str = ""
    order_id: str = ""
    exchange: tuple[SoldLine, ...] = ()
    note: str = ""

    @property
    def refs(self) -> tuple[str, ...]:
        """The sale."""
        return (sale_ref(self.receipt, self.order_id),)

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to inspect something."""
        return any(line.inspecting for line in self.lines)


def sale_ref(receipt: str, order_id: str) -> str:
    """Return what is found by a sale: returns, and lines that were voided at the till."""
    return f"receipt:{receipt}" if receipt else f"order:{order_id}"
