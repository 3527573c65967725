"""Receipts: how they are written, what is stamped of them, and what a till takes back. Pure."""

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from cloud.commands.returns import AcceptReturn, SoldLine
from cloud.journal.port import JournalReader
from cloud.records.sale_void import SaleVoid
from cloud.returns.accounting import sale_lines
from cloud.returns.sales import sold_by_receipt
from protocol.facts import SaleVoided

if TYPE_CHECKING:
    from cloud.shards.desk import Desk


class Receipt(NamedTuple):
    """A till transaction of a store."""

    store: str
    transaction: str


def parse_receipt(text: str) -> Receipt | None:
    """Return what `STORE/TRANSACTION` names, if it is one; a transaction may hold more slashes."""
    store, _, transaction = text.partition("/")
    return Receipt(store, transaction) if store and transaction else None


def with_what_was_sold(command: AcceptReturn, journal: JournalReader) -> AcceptReturn:
    """Return a command with what its receipt says of the goods that came back.

    Whatever a sender wrote there is overwritten. Raises `JournalFailed`.
    """
    receipt = parse_receipt(command.receipt)
    if receipt is None:
        return replace(command, sold=())
    wanted = {line.gtin for line in command.lines}
    sold = sale_lines(sold_by_receipt(journal, *receipt), (), ())
    stamped = tuple(
        SoldLine(gtin=line.gtin, quantity=line.sold, measure=line.measure)
        for line in sold.values()
        if line.gtin in wanted
    )
    return replace(command, sold=stamped)


def note_void(desk: "Desk", fact: SaleVoided) -> None:
    """Keep that a sale line was undone, where returns by its receipt find it."""
    store = desk.stamp.store
    void = SaleVoid(
        store=store,
        id=f"{fact.transaction}/{fact.line}",
        receipt=f"{store}/{fact.voided_transaction}",
        gtin=fact.gtin,
        quantity=fact.quantity,
        measure=fact.measure,
    )
    desk.put(void)
