"""What the journal has of orders. Runs on reading threads."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cloud.journal.port import JournalReader
from cloud.orders.saga import Rest, Situation, next_move
from cloud.orders.standing import Reservations, Standing, standing
from cloud.records import decode_record
from cloud.records.order import Order
from cloud.records.reservation import Reservation
from protocol.ids import CLOUD_STORE_ID


class Found(NamedTuple):
    """An order and its reservations by id, at one moment."""

    order: Order
    reservations: Reservations

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return standing(self.order, self.reservations)


def find_order(order_id: str) -> Callable[[JournalReader], Found | None]:
    """Return the question for an order."""

    def question(reader: JournalReader) -> Found | None:
        with reader.snapshot():
            row = reader.record(Order.KIND, CLOUD_STORE_ID, order_id)
            return None if row is None else _found(reader, decode_record(Order, row.data))

    return question


def _found(reader: JournalReader, order: Order) -> Found:
    return Found(order, dict(_reservations(reader, order)))


def _reservations(reader: JournalReader, order: Order) -> Iterator[tuple[str, Reservation]]:
    for parcel in order.parcels:
        row = reader.record(Reservation.KIND, parcel.location, parcel.reservation_id)
        if row is None:
            continue
        reservation = decode_record(Reservation, row.data)
        # A channel may have given the same name to a reservation of its own.
        if reservation.is_parcel and reservation.order_id == order.id:
            yield reservation.id, reservation


def find_moving(now_ms: int) -> Callable[[JournalReader], list[str]]:
    """Return the question which open orders are not at rest."""

    def question(reader: JournalReader) -> list[str]:
        with reader.snapshot():
            rows = list(reader.records_open(Order.KIND, CLOUD_STORE_ID))
            orders = (decode_record(Order, row.data) for row in rows)
            found = (_found(reader, order) for order in orders)
            return [each.order.id for each in found if not _rests(each, now_ms)]

    return question


def _rests(found: Found, now_ms: int) -> bool:
    return isinstance(next_move(Situation(*found, {}, now_ms)), Rest)


def find_due(now_ms: int, orders_max: int) -> Callable[[JournalReader], list[str]]:
    """Return the question which orders are past their deadline, the earliest first."""
    return lambda reader: [row.id for row in reader.records_due(Order.KIND, now_ms, orders_max)]


def find_digest(key: str) -> Callable[[JournalReader], bytes | None]:
    """Return the question what was asked under a key, as its digest."""

    def question(reader: JournalReader) -> bytes | None:
        row = reader.command_key(key)
        return None if row is None else row.digest

    return question
