"""A reservation: what one order holds at one location, line by line, and how it ended."""

from typing import ClassVar, Literal

from msgspec import Struct

from cloud.records.record import Record

ReservationStatus = Literal[
    "held", "awaiting_payment", "confirmed", "fulfilled", "released", "expired", "short"
]
OPEN: tuple[ReservationStatus, ...] = ("held", "awaiting_payment", "confirmed")


class ReservationLine(Struct, frozen=True, kw_only=True, array_like=True):
    """Where the reserved quantity of one GTIN is: held, or gone one way or another.

    quantity = held + fulfilled + released + expired + short; `picked` is a part of held. `buffer`
    is what `rule` hid from the channel when it was granted.
    """

    gtin: str
    quantity: int
    held: int
    picked: int = 0
    fulfilled: int = 0
    released: int = 0
    expired: int = 0
    short: int = 0
    buffer: int = 0
    rule: str = ""
    rules_version: int = 0


class Reservation(Record, frozen=True, kw_only=True):
    """One reservation. It ends when none of its lines holds anything.

    `is_parcel`: an order across locations looks after it.
    """

    KIND: ClassVar[str] = "reservation"

    order_id: str
    channel: str
    status: ReservationStatus
    lines: tuple[ReservationLine, ...]
    expires_at_ms: int
    ship_by_ms: int
    customer: str = ""
    is_parcel: bool = False

    @property
    def refs(self) -> tuple[str, ...]:
        """Its order and customer."""
        order = f"order:{self.order_id}"
        return (order, f"customer:{self.customer}") if self.customer else (order,)

    @property
    def is_open(self) -> bool:
        """Whether it holds anything."""
        return self.status in OPEN

    @property
    def due_at_ms(self) -> int | None:
        """When something of it expires; goods that are picked never do."""
        expires = any(line.held and not line.picked for line in self.lines)
        if expires and self.status in ("held", "awaiting_payment") and self.expires_at_ms:
            return self.expires_at_ms
        return None
