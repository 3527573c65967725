"""A notice: something that somebody outside should know or act on, told once and kept."""

from typing import ClassVar, Literal

from cloud.records.record import Record
from protocol.facts import Measure

NoticeKind = Literal[
    "reservation_short",
    "order_rerouted",
    "order_short",
    "refund_due",
    "discrepancy_found",
    "reorder_escalated",
    "replenish",
    "recount",
    "pick",
]


class Notice(Record, frozen=True, kw_only=True):
    """What happened, to what, and how much of it. `subject` is the id that it is about."""

    KIND: ClassVar[str] = "notice"

    kind: NoticeKind
    subject: str
    gtin: str = ""
    quantity: int = 0
    measure: Measure | None = None
    order_id: str = ""
    channel: str = ""
    detail: str = ""

    @property
    def refs(self) -> tuple[str, ...]:
        """Its order."""
        return (f"order:{self.order_id}",) if self.order_id else ()
