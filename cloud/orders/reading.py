"""What the journal has of orders. Runs on reading threads."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple, TypeAlias, TypeVar

from cloud.journal.port import JournalReader
from cloud.journal.rows import RecordRow
from cloud.orders.errors import FATAL
from cloud.orders.handlers import last_number, reservation_name
from cloud.orders.saga import Rest, Situation, next_move
from cloud.orders.standing import Reservations, Standing, standing
from cloud.records import decode_record
from cloud.records.order import Order, ParcelRecord
from cloud.records.reservation import Reservation
from protocol.ids import CLOUD_STORE_ID

T = TypeVar("T")

Question: TypeAlias = Callable[[JournalReader], T]

NAMES_TRIED_MAX: Final = 1_000
"""So many names are looked at when some are taken; then the location cannot be asked."""


class Found(NamedTuple):
    """An order and its reservations by id, at one moment.

    `taken` are names of its parcels that reservations of somebody else have.
    """

    order: Order
    reservations: Reservations
    taken: frozenset[str] = frozenset()

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return standing(self.order, self.reservations)


def find_order(order_id: str) -> Question[Found | None]:
    """Return the question for an order."""

    def question(reader: JournalReader) -> Found | None:
        with reader.snapshot():
            row = reader.record(Order.KIND, CLOUD_STORE_ID, order_id)
            return None if row is None else _found(reader, decode_record(Order, row.data))

    return question


def _found(reader: JournalReader, order: Order) -> Found:
    reservations: dict[str, Reservation] = {}
    taken: set[str] = set()
    for parcel in order.parcels:
        row = reader.record(Reservation.KIND, parcel.location, parcel.reservation_id)
        if row is None:
            continue
        reservation = decode_record(Reservation, row.data)
        if _is_ours(reservation, order):
            reservations[reservation.id] = reservation
        else:
            taken.add(parcel.reservation_id)
    return Found(order, reservations, frozenset(taken))


def _is_ours(reservation: Reservation, order: Order) -> bool:
    """Say whether the saga made it: anybody may give a reservation of his own the same name."""
    return (
        reservation.is_parcel
        and reservation.order_id == order.id
        and reservation.channel == order.channel
    )


def find_names(order: Order, parcels: Iterable[ParcelRecord]) -> Question[list[str] | None]:
    """Return the question for a free name for each parcel; `None` if there are not enough.

    They are numbered after all that the order has had, so that no name comes back.
    """

    def question(reader: JournalReader) -> list[str] | None:
        first = last_number(order) + 1
        numbers = iter(range(first, first + NAMES_TRIED_MAX))
        names = [_next_free(reader, order.id, parcel.location, numbers) for parcel in parcels]
        found = [name for name in names if name is not None]
        return found if len(found) == len(names) else None

    return question


def _next_free(
    reader: JournalReader, order_id: str, location: str, numbers: Iterator[int]
) -> str | None:
    for number in numbers:
        name = reservation_name(order_id, number)
        if reader.record(Reservation.KIND, location, name) is None:
            return name
    return None


class Moving(NamedTuple):
    """Open orders that are not at rest, of one part of all; `after` is where the next begins.

    `after` is `None` when there is no more.
    """

    order_ids: list[str]
    after: str | None


def find_moving(now_ms: int, orders_max: int, after: str = "") -> Question[Moving]:
    """Return the question which of the next open orders are not at rest, by id after such one."""

    def question(reader: JournalReader) -> Moving:
        with reader.snapshot():
            rows_after = reader.records_open(
                Order.KIND, CLOUD_STORE_ID, after=(CLOUD_STORE_ID, after)
            )
            rows = list(islice(rows_after, orders_max))
            moving = [row.id for row in rows if not _rests(reader, row, now_ms)]
            return Moving(moving, rows[-1].id if len(rows) == orders_max else None)

    return question


def _rests(reader: JournalReader, row: RecordRow, now_ms: int) -> bool:
    try:
        found = _found(reader, decode_record(Order, row.data))
        move = next_move(Situation(found.order, found.reservations, {}, now_ms, found.taken))
    except FATAL:
        raise
    except Exception:  # noqa: BLE001 -- nothing is changed here: driving it fails the same, and tells.
        return False
    return isinstance(move, Rest)


def find_due(now_ms: int, orders_max: int) -> Question[list[str]]:
    """Return the question which orders are past their deadline, the earliest first."""
    return lambda reader: [row.id for row in reader.records_due(Order.KIND, now_ms, orders_max)]


def find_digest(key: str) -> Question[bytes | None]:
    """Return the question what was asked under a key, as its digest."""

    def question(reader: JournalReader) -> bytes | None:
        row = reader.command_key(key)
        return None if row is None else row.digest

    return question
