"""A till that writes ARTS/NRF POSLog 6 documents into a spool directory.

It stands in for a register that knows nothing of us: documents are built with the standard
library, straight from the schema, and share no code with the edge that reads them. Each is written
under a temporary name and renamed, and file names sort in the order of writing. Among the goods it
writes what real tills write: prices, taxes, tenders, a carrier-bag fee, lines rung up and taken
back. It runs on its caller's thread.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from random import Random
from typing import Final, Literal, NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

NAMESPACE: Final = "http://www.nrf-arts.org/IXRetail/namespace/"
TRANSACTIONS_REMEMBERED_MAX: Final = 10_000
"""A till voids only its recent transactions; older ones are forgotten."""

_PRICE_CENTS: Final = 499
_TAX_PERCENT: Final = 19
_MOVES: Final = {"Sale": "Add", "Return": "Subtract"}

Kind = Literal["Sale", "Return"]


class TillItem(NamedTuple):
    """Some of one item; `quantity` is whole units or whole grams."""

    gtin: str
    quantity: int
    measure: Literal["units", "grams"] = "units"


class _Past(NamedTuple):
    kind: Kind
    items: tuple[TillItem, ...]


class Till:
    """One register.

    `taken_back_rate` is the part of transactions in which a line is rung up and taken back before
    payment; `rng` decides which.
    """

    def __init__(
        self,
        *,
        spool: Path,
        workstation: str,
        business_day: date,
        store: str = "S001",
        zone: tzinfo = UTC,
        first_sequence: int = 1,
        taken_back_rate: float = 0.0,
        rng: Random | None = None,
    ) -> None:
        self.business_day = business_day
        self._spool = spool
        self._workstation = workstation
        self._store = store
        self._zone = zone
        self._sequence = first_sequence - 1
        self._taken_back_rate = taken_back_rate
        self._rng = rng or Random(0)
        self._past: OrderedDict[str, _Past] = OrderedDict()
        spool.mkdir(parents=True, exist_ok=True)

    def sell(self, items: Sequence[TillItem], at_ms: int) -> str:
        """Write a sale and return its transaction key."""
        return self._retail("Sale", items, at_ms)

    def refund(self, items: Sequence[TillItem], at_ms: int, original: str | None = None) -> str:
        """Write a return of goods, of the sale `original` if there is a receipt."""
        return self._retail("Return", items, at_ms, original)

    def void(self, transaction_key: str, at_ms: int) -> str:
        """Write the post-void of one of this till's recent sales or returns, once.

        Raises `KeyError` for a transaction that is unknown or voided already.
        """
        past = self._past.pop(transaction_key)
        sequence = self._next_sequence()
        transaction = self._open(sequence)
        retail = SubElement(transaction, "RetailTransaction", TransactionStatus="PostVoided")
        for number, item in enumerate(past.items, start=1):
            _goods_line(retail, number, past.kind, item)
        self._link(retail, transaction_key, "Voided")
        self._close(transaction, at_ms)
        return self._write(transaction, sequence)

    def count(self, items: Sequence[TillItem], at_ms: int) -> str:
        """Write a completed count of all there is of these items."""
        sequence = self._next_sequence()
        transaction = self._open(sequence)
        self._close(transaction, at_ms)
        control = SubElement(transaction, "InventoryControlTransaction")
        status = {"CountType": "Physical", "CountStatus": "CompletedAndEntered"}
        count = SubElement(control, "InventoryCount", status)
        _text(count, "CountID", str(sequence))
        for item in items:
            counted = SubElement(count, "ItemCount")
            _text(counted, "ItemID", item.gtin, Type="GTIN")
            _quantity(counted, "Quantity", item)
        return self._write(transaction, sequence)

    def receive(self, items: Sequence[TillItem], at_ms: int, document: str) -> str:
        """Write a posted receipt of goods against a delivery note."""
        sequence = self._next_sequence()
        transaction = self._open(sequence)
        self._close(transaction, at_ms)
        control = SubElement(transaction, "InventoryControlTransaction")
        status = {"DocumentType": "Receipt", "DocumentStatus": "Posted"}
        receipt = SubElement(control, "ReceiveInventory", status)
        _text(receipt, "DocumentID", document)
        for number, item in enumerate(items, start=1):
            line = SubElement(receipt, "LineItem")
            _text(line, "ItemID", item.gtin, Type="GTIN")
            _quantity(line, "QuantityOrdered", item)
            _quantity(line, "QuantityReceived", item)
            _text(line, "LineItemNumber", str(number))
        return self._write(transaction, sequence)

    def _retail(
        self, kind: Kind, items: Sequence[TillItem], at_ms: int, original: str | None = None
    ) -> str:
        sequence = self._next_sequence()
        transaction = self._open(sequence)
        retail = SubElement(transaction, "RetailTransaction", TransactionStatus="Finished")
        number = 0
        for item in items:
            number += 1
            _goods_line(retail, number, kind, item)
        if items and self._rng.random() < self._taken_back_rate:
            number = self._take_back(retail, number, kind, items[0])
        number = _fee_line(retail, number + 1) if kind == "Sale" else number
        _money_lines(retail, number, kind, items)
        if original is not None:
            self._link(retail, original, "Return")
        self._close(transaction, at_ms)
        key = self._write(transaction, sequence)
        self._past[key] = _Past(kind, tuple(items))
        while len(self._past) > TRANSACTIONS_REMEMBERED_MAX:
            self._past.popitem(last=False)
        return key

    def _take_back(self, retail: Element, number: int, kind: Kind, item: TillItem) -> int:
        """Ring an item up and take it back, in one of two forms; return the last number."""
        if self._rng.random() < 0.5:
            _goods_line(retail, number + 1, kind, item, VoidFlag="true")
            return number + 1
        _goods_line(retail, number + 1, kind, item)
        voiding = SubElement(retail, "LineItem")
        _text(SubElement(voiding, "Voids"), "ItemLink", str(number + 1))
        _text(voiding, "SequenceNumber", str(number + 2))
        return number + 2

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def _open(self, sequence: int) -> Element:
        transaction = Element("Transaction", TrainingModeFlag="false")
        _text(
            SubElement(transaction, "BusinessUnit"), "UnitID", self._store, TypeCode="RetailStore"
        )
        _text(transaction, "WorkstationID", self._workstation, TypeCode="POS")
        _text(transaction, "SequenceNumber", str(sequence))
        _text(transaction, "OperatorID", "17", OperatorType="Cashier")
        _text(transaction, "CurrencyCode", "EUR")
        return transaction

    def _close(self, transaction: Element, at_ms: int) -> None:
        seconds, milliseconds = divmod(at_ms, 1000)
        at = datetime.fromtimestamp(seconds, self._zone).replace(microsecond=milliseconds * 1000)
        written = at.isoformat(timespec="milliseconds")
        _text(transaction, "BusinessDayDate", self.business_day.isoformat())
        _text(transaction, "BeginDateTime", written)
        _text(transaction, "EndDateTime", written)

    def _link(self, retail: Element, key: str, reason: str) -> None:
        workstation, day, sequence = key.rsplit("/", 2)
        link = SubElement(retail, "TransactionLink", ReasonCode=reason)
        _text(link, "BusinessUnit", self._store, TypeCode="RetailStore")
        _text(link, "WorkstationID", workstation)
        _text(SubElement(link, "BusinessDayDate"), "Date", day)
        _text(link, "SequenceNumber", sequence)

    def _write(self, transaction: Element, sequence: int) -> str:
        version = {"MajorVersion": "6", "MinorVersion": "0", "FixVersion": "0"}
        document = Element("POSLog", {"xmlns": NAMESPACE, **version})
        document.append(transaction)
        content = tostring(document, encoding="utf-8", xml_declaration=True)
        name = f"{self.business_day:%Y%m%d}-{sequence:08d}.xml"
        temporary = self._spool / f".{name}.tmp"
        temporary.write_bytes(content)
        temporary.replace(self._spool / name)
        return f"{self._workstation}/{self.business_day.isoformat()}/{sequence}"


def _goods_line(retail: Element, number: int, kind: Kind, item: TillItem, **flags: str) -> None:
    line = SubElement(retail, "LineItem", {"EntryMethod": "Scanned", **flags})
    goods = SubElement(line, kind, ItemType="Stock")
    _text(SubElement(goods, "POSIdentity", POSIDType="GTIN"), "POSItemID", item.gtin)
    _text(goods, "MerchandiseHierarchy", "100", Level="Department")
    _text(goods, "RegularSalesUnitPrice", _money(_PRICE_CENTS))
    _text(goods, "ExtendedAmount", _money(_price_cents(item)), Action=_MOVES[kind])
    _quantity(goods, "Quantity", item)
    _text(line, "SequenceNumber", str(number))


def _fee_line(retail: Element, number: int) -> int:
    line = SubElement(retail, "LineItem", EntryMethod="Keyed")
    fee = SubElement(line, "Sale", ItemType="Fee")
    _text(fee, "ItemID", "BAG")
    _text(fee, "Description", "Carrier bag")
    _text(fee, "ExtendedAmount", _money(20))
    _text(fee, "Quantity", "1")
    _text(line, "SequenceNumber", str(number))
    return number


def _money_lines(retail: Element, last: int, kind: Kind, items: Sequence[TillItem]) -> None:
    cents = sum(_price_cents(item) for item in items)
    direction = "Sale" if kind == "Sale" else "Refund"
    line = SubElement(retail, "LineItem")
    tax = SubElement(line, "Tax", TaxType="VAT", TypeCode=direction)
    _text(tax, "TaxableAmount", _money(cents), TaxIncludedInTaxableAmountFlag="true")
    _text(tax, "Amount", _money(cents * _TAX_PERCENT // (100 + _TAX_PERCENT)))
    _text(tax, "Percent", str(_TAX_PERCENT))
    _text(line, "SequenceNumber", str(last + 1))
    line = SubElement(retail, "LineItem")
    tender = SubElement(line, "Tender", TenderType="Cash", TypeCode=direction)
    _text(tender, "Amount", _money(cents))
    _text(line, "SequenceNumber", str(last + 2))
    _text(retail, "Total", _money(cents), TotalType="TransactionGrandAmount")


def _quantity(parent: Element, name: str, item: TillItem) -> None:
    if item.measure == "grams":
        kilograms, grams = divmod(item.quantity, 1000)
        _text(parent, name, f"{kilograms}.{grams:03d}", UnitOfMeasureCode="KGM")
    else:
        _text(parent, name, str(item.quantity), UnitOfMeasureCode="EA")


def _price_cents(item: TillItem) -> int:
    per = 1000 if item.measure == "grams" else 1
    return _PRICE_CENTS * item.quantity // per


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _text(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, name, attributes).text = text
