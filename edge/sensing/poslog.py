"""ARTS/NRF POSLog 6 documents, as a till writes them: bytes in, stock transactions out.

Pure. Source: the published schema POSLogV6.0.0.xsd. A document is read whole or refused whole:
half a transaction is no transaction. Which of the schema's forms are read stands below.

- `Sale` and `Return` lines of a `RetailTransaction` that is finished. Its other lines (tax,
  tender, discount, service, fee, deposit) move no goods; goods that a customer takes later
  (layaway, delivery, pick-up) have not moved yet. Cancelled, suspended and training transactions
  count for nothing.
- A line taken back before payment carries `VoidFlag`, `CancelFlag` or `DeleteFlag`, or is undone,
  wholly or in part, by a `Voids` line whose `ItemLink` is its sequence number.
- A post-void is a transaction of its own: `TransactionStatus="PostVoided"`, a `TransactionLink`
  with `ReasonCode="Voided"` to what it undoes, and the undone lines again.
- `InventoryCount` with `CountStatus="CompletedAndEntered"`, and `ReceiveInventory` with
  `DocumentStatus="Posted"` (the schema's default). Others are plans.

Whatever else moves stock (`Transfer`, `InventoryLoss`, …) is refused, never dropped.
"""

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import Final, Literal, NamedTuple
from xml.etree.ElementTree import Element

from edge.sensing.poslog_xml import (
    NAMESPACE,
    Goods,
    PoslogRejected,
    amount_in,
    goods_in,
    instant_ms,
    is_set,
    parse_tree,
    qualified,
    required_text,
    text_of,
    whole_number,
)

LINES_MAX: Final = 10_000
"""Lines of goods in one document; what has more is refused."""
LINE_NUMBER_MAX: Final = 100_000
NAME_LENGTH_MAX: Final = 64

LineKind = Literal["sale", "return"]

_LINE_KINDS: Final[dict[str, LineKind]] = {"Sale": "sale", "Return": "return"}
_NOT_GOODS: Final = frozenset(
    (
        "Service",
        "Alteration",
        "Fee",
        "FeeRefund",
        "Deposit",
        "DepositRefund",
        "Tare",
        "Warranty",
    )
)
_UNFINISHED: Final = frozenset(
    (
        "Suspended",
        "SuspendedRetrieved",
        "SuspendedDeleted",
        "Totaled",
        "InProcess",
        "Failed",
        "Voided",
        "Cancelled",
        "Canceled",
    )
)
_NO_TRANSACTION: Final = frozenset(
    ("DispatchDocket", "GIftReceipt", "NonResettableAmounts", "Suggestion", "Summary")
)
_NOT_UNDERSTOOD: Final = ("Transfer", "ReturnToVendor", "InventoryAdjustment", "InventoryLoss")
_COUNTS_FOR_NOTHING: Final = (
    "CancelFlag",
    "SuspendFlag",
    "SuspendedFlag",
    "VoidedFlag",
    "TrainingModeFlag",
)
_TAKEN_BACK: Final = ("VoidFlag", "CancelFlag", "DeleteFlag")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class GoodsLine(NamedTuple):
    """One line of a till transaction; `line` is its sequence number there."""

    line: int
    kind: LineKind
    goods: Goods


class TillTransaction(NamedTuple):
    """Goods sold and returned; with `voids`, goods that in the end were not, in the one it names.

    `key` is `workstation/business day/sequence`.
    """

    key: str
    occurred_at_ms: int
    lines: tuple[GoodsLine, ...]
    voids: str | None


class StockDocument(NamedTuple):
    """A count of items or a receipt of goods, entered at a till; `number` is the paper's."""

    key: str
    occurred_at_ms: int
    kind: Literal["count", "receipt"]
    number: str
    lines: tuple[Goods, ...]


StockTransaction = TillTransaction | StockDocument


def parse_poslog(data: bytes, local: tzinfo) -> list[StockTransaction]:
    """Return the transactions of a document that move or count stock, in document order.

    `local` is the zone of times that are written without an offset. Raises `PoslogRejected`.
    """
    root = parse_tree(data)
    if root.tag != qualified("POSLog"):
        raise PoslogRejected(f"the root is {root.tag[:80]!r}; expected POSLog in {NAMESPACE}")
    transactions: list[StockTransaction] = []
    lines = 0
    for element in root.iterfind(qualified("Transaction")):
        for transaction in _transactions(element, local):
            transactions.append(transaction)
            lines += len(transaction.lines)
        if lines > LINES_MAX:
            raise PoslogRejected(f"more than {LINES_MAX} lines of goods in one document")
    return transactions


def _transactions(element: Element, local: tzinfo) -> Iterator[StockTransaction]:
    if is_set(element, *_COUNTS_FOR_NOTHING):
        return
    retail = [each for each in element.iterfind(qualified("RetailTransaction")) if _finished(each)]
    controls = element.findall(qualified("InventoryControlTransaction"))
    if not retail and not controls:
        return
    written_at = text_of(element, "EndDateTime") or required_text(element, "BeginDateTime")
    key = _key(element, text_of(element, "BusinessDayDate") or written_at[:10])
    try:
        at_ms = instant_ms(written_at, local)
        numbers: set[int] = set()
        for each in retail:
            yield _till_transaction(each, key, at_ms, numbers)
        for control in controls:
            yield from _stock_documents(control, key, at_ms)
    except PoslogRejected as error:
        raise PoslogRejected(f"transaction {key}: {error}") from error


def _finished(retail: Element) -> bool:
    if is_set(retail, *_COUNTS_FOR_NOTHING):
        return False
    kind = retail.get("TypeCode", "Transaction")
    status = retail.get("TransactionStatus", "Finished")
    if kind in _NO_TRANSACTION or status in _UNFINISHED:
        return False
    if kind != "Transaction" or status not in ("Finished", "PostVoided"):
        raise PoslogRejected(f"{kind[:32]!r} with status {status[:32]!r} is not understood")
    return True


def _key(element: Element, business_day: str) -> str:
    workstation = required_text(element, "WorkstationID")
    sequence = required_text(element, "SequenceNumber")
    if not _DATE.fullmatch(business_day):
        raise PoslogRejected(f"business day {business_day[:16]!r} is no date")
    return _name(f"{workstation}/{business_day}/{sequence}", "transaction")


def _name(text: str, what: str) -> str:
    if len(text) > NAME_LENGTH_MAX:
        raise PoslogRejected(f"{what} {text!r:.80} has more than {NAME_LENGTH_MAX} characters")
    return text


def _till_transaction(retail: Element, key: str, at_ms: int, numbers: set[int]) -> TillTransaction:
    """Read one retail transaction; `numbers` are the lines that its key has already."""
    lines: dict[int, GoodsLine] = {}
    taken_back: list[Element] = []
    for element in retail.iterfind(qualified("LineItem")):
        if is_set(element, *_TAKEN_BACK):
            continue
        taken_back += element.iterfind(qualified("Voids"))
        line = _goods_line(element)
        if line is None:
            continue
        if line.line in numbers:
            raise PoslogRejected(f"line {line.line} comes twice")
        numbers.add(line.line)
        lines[line.line] = line
    for voiding in taken_back:
        _take_back(voiding, lines)
    voids = _voided_key(retail) if retail.get("TransactionStatus") == "PostVoided" else None
    if voids is not None and not lines:
        raise PoslogRejected(f"it voids {voids} without its lines")
    return TillTransaction(key, at_ms, tuple(lines.values()), voids)


def _goods_line(element: Element) -> GoodsLine | None:
    for name, kind in _LINE_KINDS.items():
        item = element.find(qualified(name))
        if item is None:
            continue
        if item.get("ItemType") in _NOT_GOODS:
            return None
        number = required_text(element, "SequenceNumber")
        line = whole_number(number, "line", LINE_NUMBER_MAX)
        try:
            return GoodsLine(line, kind, goods_in(item, "Quantity", least=1))
        except PoslogRejected as error:
            raise PoslogRejected(f"line {line}: {error}") from error
    return None


def _take_back(voiding: Element, lines: dict[int, GoodsLine]) -> None:
    link = required_text(voiding, "ItemLink")
    line = lines.get(whole_number(link, "ItemLink", LINE_NUMBER_MAX))
    if line is None:
        return  # What it takes back was no goods, or had been taken back before.
    if voiding.find(qualified("Quantity")) is None:
        del lines[line.line]
        return
    quantity, measure = amount_in(voiding, "Quantity")
    left = line.goods.quantity - quantity
    if measure != line.goods.measure or left < 0:
        raise PoslogRejected(f"line {line.line}: {quantity} {measure} cannot be taken back from it")
    if left == 0:
        del lines[line.line]
    else:
        lines[line.line] = line._replace(goods=line.goods._replace(quantity=left))


def _voided_key(retail: Element) -> str:
    for link in retail.iterfind(qualified("TransactionLink")):
        if link.get("ReasonCode") != "Voided":
            continue
        # In the schema the day of a link has a Date child; tills write plain text as well.
        day = link.find(qualified("BusinessDayDate"))
        written = None if day is None else text_of(day, "Date") or (day.text or "").strip()
        return _key(link, written or "")
    raise PoslogRejected("a post-void needs a TransactionLink with ReasonCode Voided")


def _stock_documents(control: Element, key: str, at_ms: int) -> Iterator[StockDocument]:
    for name in _NOT_UNDERSTOOD:
        if control.find(qualified(name)) is not None:
            raise PoslogRejected(f"{name} moves stock, but is not understood")
    count = control.find(qualified("InventoryCount"))
    if count is not None and count.get("CountStatus", "Scheduled") == "CompletedAndEntered":
        number = _name(text_of(count, "CountID") or key, "CountID")
        yield StockDocument(key, at_ms, "count", number, _counted(count))
    receipt = control.find(qualified("ReceiveInventory"))
    if receipt is not None and receipt.get("DocumentStatus", "Posted") == "Posted":
        number = _name(text_of(receipt, "DocumentID") or key, "DocumentID")
        yield StockDocument(key, at_ms, "receipt", number, _received(receipt))


def _counted(count: Element) -> tuple[Goods, ...]:
    goods: dict[str, Goods] = {}
    for item in count.iterfind(qualified("ItemCount")):
        counted = goods_in(item, "Quantity", least=0)
        if counted.gtin in goods:
            raise PoslogRejected(f"it counts {counted.gtin} twice")
        goods[counted.gtin] = counted
    return tuple(goods.values())


def _received(receipt: Element) -> tuple[Goods, ...]:
    items = receipt.iterfind(qualified("LineItem"))
    goods = (goods_in(item, "QuantityReceived", least=0) for item in items)
    return tuple(each for each in goods if each.quantity)
