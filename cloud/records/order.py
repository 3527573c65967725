"""An order across locations: what was wanted, who was asked for it, and how it ended.

It says what the saga itself knows. How a parcel stands is said by its reservation, and put
together with this in `cloud.orders.standing`: no copy that could lag behind.
"""

from typing import ClassVar, Literal

from msgspec import Struct

from cloud.commands.command import Line
from cloud.commands.orders import Method
from cloud.records.record import Record
from protocol.facts import Measure

OrderStatus = Literal[
    "placing",
    "held",
    "awaiting_payment",
    "confirmed",
    "fulfilled",
    "released",
    "refused",
    "short",
]
LIVE: tuple[OrderStatus, ...] = ("placing", "held", "awaiting_payment", "confirmed")
"""What still wants its goods."""
UNCONFIRMED: tuple[OrderStatus, ...] = ("placing", "held", "awaiting_payment")


class OrderLine(Struct, frozen=True, kw_only=True, array_like=True):
    """What was ordered of one GTIN; `short` of it was given up, since nobody has it."""

    gtin: str
    quantity: int
    measure: Measure = "units"
    short: int = 0


class ParcelRecord(Struct, frozen=True, kw_only=True, array_like=True):
    """What one location was asked for. A refused one had not enough of `refused_gtins`."""

    location: str
    reservation_id: str
    lines: tuple[Line, ...]
    ship_by_ms: int = 0
    status: Literal["asked", "refused"] = "asked"
    refused_gtins: tuple[str, ...] = ()


class Order(Record, frozen=True, kw_only=True):
    """One order. Its status is where it is wanted; its reservations are made to follow.

    `is_settling`: it has ended, and not all of its reservations have. `rerouting` are parcels that
    were asked for what others lost and have not been told of. `amendments` counts how often other
    locations had to be asked.
    """

    KIND: ClassVar[str] = "order"

    channel: str
    customer: str
    method: Method
    status: OrderStatus
    lines: tuple[OrderLine, ...]
    parcels: tuple[ParcelRecord, ...]
    latitude: float | None
    longitude: float | None
    collect_at: str
    promise_by_ms: int
    expires_at_ms: int
    max_parcels: int
    allow_split: bool
    explanation: tuple[str, ...] = ()
    detail: str = ""
    is_settling: bool = False
    rerouting: tuple[str, ...] = ()
    amendments: int = 0

    @property
    def refs(self) -> tuple[str, ...]:
        """Itself and its customer."""
        order = f"order:{self.id}"
        return (order, f"customer:{self.customer}") if self.customer else (order,)

    @property
    def is_open(self) -> bool:
        """Whether anything still has to happen to it."""
        return self.status in LIVE or self.is_settling

    @property
    def due_at_ms(self) -> int | None:
        """When it lapses."""
        return self.expires_at_ms if self.status in UNCONFIRMED else None
