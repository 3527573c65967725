"""Sales as the journal knows them, found by receipt, order or customer, without asking anyone.

A till line is a fact in a journalled batch; the business key of its transaction says in which one.
An order's goods are what its reservations fulfilled. Pure: it reads through the journal's port.
Whoever wants several reads to see one moment holds a `snapshot`.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from cloud.commands.returns import SoldLine
from cloud.commands.stock import ApplyFact
from cloud.journal.port import JournalReader
from cloud.journal.rows import InputRow, decode_command, decode_state
from cloud.records import decode_record
from cloud.records.goods_return import GoodsReturn, sale_ref
from cloud.records.reservation import Reservation
from cloud.records.sale_void import SaleVoid
from cloud.returns.accounting import SaleLine, fulfilled, sale_lines
from protocol.codec import decode_fact, facts_of_batch
from protocol.facts import Measure, UnitsSold


class Sale(Struct, frozen=True, kw_only=True):
    """What was sold by one receipt or order, and what can still be returned of it."""

    lines: tuple[SaleLine, ...]
    receipt: str = ""
    order_id: str = ""
    customer: str = ""


def sale_of_receipt(reader: JournalReader, store: str, transaction: str) -> Sale | None:
    """Return the sale of a till transaction, if it is known. Raises `JournalFailed`."""
    sold = sold_by_receipt(reader, store, transaction)
    if not sold:
        return None
    receipt = f"{store}/{transaction}"
    ref = sale_ref(receipt, "")
    lines = sale_lines(sold, _voids(reader, ref), _returns(reader, ref))
    return Sale(lines=tuple(lines.values()), receipt=receipt)


def sales_of_order(reader: JournalReader, order_id: str) -> Sale | None:
    """Return what was fulfilled of an order, if anything was. Raises `JournalFailed`."""
    reservations = _reservations(reader, f"order:{order_id}")
    sold = fulfilled(reservations, lambda store, gtin: _measure_of(reader, store, gtin))
    if not sold:
        return None
    lines = sale_lines(sold, (), _returns(reader, sale_ref("", order_id)))
    customers = (reservation.customer for reservation in reservations if reservation.customer)
    return Sale(lines=tuple(lines.values()), order_id=order_id, customer=next(customers, ""))


def sales_of_customer(reader: JournalReader, customer: str) -> list[Sale]:
    """Return what was fulfilled of a customer's orders, by order. Raises `JournalFailed`."""
    orders = {found.order_id for found in _reservations(reader, f"customer:{customer}")}
    sales = (sales_of_order(reader, order_id) for order_id in sorted(orders))
    return [sale for sale in sales if sale is not None]


def sold_by_receipt(reader: JournalReader, store: str, transaction: str) -> list[SoldLine]:
    """Return the lines with which goods left in a till transaction; voids are not subtracted."""
    claimed: dict[int, list[int]] = {}
    for claim in reader.business_keys_of(store, [transaction]).values():
        claimed.setdefault(claim.position, []).append(claim.seq)
    return [
        SoldLine(gtin=fact.gtin, quantity=fact.quantity, measure=fact.measure)
        for position in sorted(claimed)
        for fact in _sold_in(_input_at(reader, store, position), sorted(claimed[position]))
    ]


def _input_at(reader: JournalReader, store: str, position: int) -> InputRow:
    row = next(reader.inputs(position - 1, store), None)
    if row is None or row.position != position:
        raise AssertionError(
            f"a till line of {store} was claimed by input {position}: there is none"
        )
    return row


def _sold_in(row: InputRow, seqs: Iterable[int]) -> Iterator[UnitsSold]:
    if row.kind == "command":
        command = decode_command(row.payload)
        encoded = {command.seq: command.fact} if isinstance(command, ApplyFact) else {}
    else:
        facts = facts_of_batch(row.payload)
        encoded = dict(enumerate(facts, row.last_seq - len(facts) + 1))
    for seq in seqs:
        fact = decode_fact(encoded[seq])
        if isinstance(fact, UnitsSold):
            yield fact


def _reservations(reader: JournalReader, ref: str) -> list[Reservation]:
    rows = reader.records_by_ref(Reservation.KIND, ref)
    return [decode_record(Reservation, row.data) for row in rows]


def _returns(reader: JournalReader, ref: str) -> list[GoodsReturn]:
    rows = reader.records_by_ref(GoodsReturn.KIND, ref)
    return [decode_record(GoodsReturn, row.data) for row in rows]


def _voids(reader: JournalReader, ref: str) -> list[SaleVoid]:
    rows = reader.records_by_ref(SaleVoid.KIND, ref)
    return [decode_record(SaleVoid, row.data) for row in rows]


def _measure_of(reader: JournalReader, store: str, gtin: str) -> Measure | None:
    row = reader.state(store, gtin)
    return None if row is None else decode_state(row.data).measure
