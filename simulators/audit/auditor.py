"""Reads the journal's inputs in order and keeps books of its own, to see whether P4 was kept. Pure.

At each journalled `Reserve` it asks: was as much to be had at that instant? `Reserve`s are kept for
the comparison with what clients were told (`grants`). Facts that the cloud has quarantined do not
count, and a till line counts once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from cloud.commands import AnyCommand
from cloud.commands.documents import SetDocument
from cloud.commands.orders import AmendOrder, PlaceOrder, SettleOrder
from cloud.commands.reorders import Escalate, Review, SetReorderStatus
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Expire,
    Extend,
    HandOver,
    Pick,
    Release,
    Reserve,
    Ship,
)
from cloud.commands.stock import AdjustStock
from cloud.journal.rows import InputRow, decode_command
from cloud.sku_location.commands import SetPolicy
from protocol.codec import decode_up
from protocol.envelope import FactBatch
from protocol.facts import (
    AnyFact,
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    StockCounted,
    TagsMoved,
    TillLine,
    UnitsReturned,
    UnitsSold,
)
from simulators.audit.books import Book, Promise

VIOLATIONS_KEPT_MAX: Final = 50
CLOCK_ERROR_TOLERATED_MS: Final = 60_000

FactName = tuple[str, int, int]
"""Store, epoch and number."""

_SIGNS: Final[dict[type[TillLine], int]] = {
    UnitsSold: -1,
    SaleVoided: +1,
    UnitsReturned: +1,
    ReturnVoided: -1,
}
_NO_CONCERN: Final = (
    AmendOrder,
    Escalate,
    PlaceOrder,
    Review,
    SetDocument,
    SetPolicy,
    SetReorderStatus,
    SettleOrder,
)
"""Commands that move no goods and promise none."""


class JournalledGrant(NamedTuple):
    """One `Reserve` in the journal. `key` is the client's, without the name of its token."""

    position: int
    key: str
    store: str
    reservation_id: str
    lines: Mapping[str, int]


class Violations:
    """Broken promises: all are counted, the first are named."""

    def __init__(self) -> None:
        self.total = 0
        self.named: Final[list[str]] = []

    def note(self, text: str) -> None:
        """Count one, and name it while there is room."""
        self.total += 1
        if len(self.named) < VIOLATIONS_KEPT_MAX:
            self.named.append(text)


class Auditor:
    """The books of some stores (of all, when `stores` is `None`).

    `buffers` is how much the rules hide from each channel; they must be in force before the first
    reservation. `refused` names the facts that were quarantined.
    """

    def __init__(
        self,
        *,
        buffers: Mapping[str, int],
        stores: Collection[str] | None = None,
        refused: Collection[FactName] = (),
    ) -> None:
        self.books: Final[dict[tuple[str, str], Book]] = {}
        self.grants: Final[list[JournalledGrant]] = []
        self.violations: Final = Violations()
        self.inputs = 0
        self.granted_lines = 0
        self._buffers: Final = buffers
        self._stores: Final = stores
        self._refused: Final = refused
        self._lines_of: Final[dict[tuple[str, str], tuple[str, ...]]] = {}
        self._till_lines: Final[set[tuple[str, str, int]]] = set()
        self._takers: Final[dict[type, Callable[[InputRow, Any], None]]] = {
            Reserve: self._reserve,
            Extend: self._extend,
            AwaitPayment: self._await_payment,
            Confirm: self._confirm,
            Expire: self._expire,
            Pick: self._pick,
            Release: self._release,
            Ship: self._ship,
            HandOver: self._ship,
            AdjustStock: self._adjust,
        }

    def take_all(self, rows: Iterable[InputRow]) -> None:
        """Take inputs in, in the order of the journal."""
        for row in rows:
            self.take(row)

    def take(self, row: InputRow) -> None:
        """Take one input in."""
        if self._stores is not None and row.store not in self._stores:
            return
        self.inputs += 1
        if row.kind == "command":
            self._command(row, decode_command(row.payload))
            return
        batch = decode_up(row.payload)
        if not isinstance(batch, FactBatch):
            self.violations.note(f"input {row.position} is journalled as a batch and is none")
            return
        # A batch that seems to have travelled for minutes comes from a clock that is wrong.
        error_ms = row.stamped_at_ms - batch.sent_at_ms
        error_ms = error_ms if abs(error_ms) > CLOCK_ERROR_TOLERATED_MS else 0
        for seq, fact in enumerate(batch.facts, batch.first_seq):
            known = row.first_seq <= seq <= row.last_seq
            if known and (row.store, row.epoch, seq) not in self._refused:
                self._fact(row, fact, fact.occurred_at_ms + error_ms)

    def book(self, store: str, gtin: str) -> Book:
        """Return the book of a SKU-location."""
        book = self.books.get((store, gtin))
        if book is None:
            book = self.books[store, gtin] = Book()
        return book

    def held(self, store: str, reservation_id: str) -> dict[str, int]:
        """Return what a reservation has, by GTIN."""
        held = {}
        for gtin in self._lines_of.get((store, reservation_id), ()):
            promise = self.book(store, gtin).promises.get(reservation_id)
            if promise is not None:
                held[gtin] = promise.quantity
        return held

    def _fact(self, row: InputRow, fact: AnyFact, at_ms: int) -> None:
        now_ms = row.stamped_at_ms
        if isinstance(fact, TillLine):
            name = (row.store, fact.transaction, fact.line)
            if name not in self._till_lines:
                self._till_lines.add(name)
                change = _SIGNS[type(fact)] * fact.quantity
                self.book(row.store, fact.gtin).move(at_ms, change, now_ms)
        elif isinstance(fact, GoodsReceived):
            self.book(row.store, fact.gtin).move(at_ms, fact.quantity, now_ms)
        elif isinstance(fact, StockCounted):
            self.book(row.store, fact.gtin).count(at_ms, fact.quantity, now_ms)
        elif isinstance(fact, TagsMoved):
            leaves = (fact.to_zone == "transit") - (fact.from_zone == "transit")
            if leaves:
                self.book(row.store, fact.gtin).move(at_ms, -leaves * len(fact.epcs), now_ms)

    def _command(self, row: InputRow, command: AnyCommand) -> None:
        if isinstance(command, _NO_CONCERN):
            return
        take = self._takers.get(type(command))
        if take is None:
            kind = type(command).__name__
            self.violations.note(f"input {row.position}: nobody here can audit a {kind}")
            return
        take(row, command)

    def _reserve(self, row: InputRow, command: Reserve) -> None:
        now_ms, name = row.stamped_at_ms, command.reservation_id
        lines: dict[str, int] = {}
        for line in command.lines:
            lines[line.gtin] = lines.get(line.gtin, 0) + line.quantity
        if (command.store, name) in self._lines_of:
            self.violations.note(f"input {row.position}: {name} is reserved a second time")
        self._lines_of[command.store, name] = tuple(lines)
        key = command.key.partition(":")[2]
        self.grants.append(JournalledGrant(row.position, key, command.store, name, lines))
        stamped = {line.gtin: line.buffer for line in command.lines}
        for gtin, quantity in lines.items():
            buffer = self._buffers.get(command.channel, 0)
            at = f"input {row.position}: {gtin}@{command.store}"
            if stamped[gtin] != buffer:
                detail = f"{stamped[gtin]} hidden from {command.channel}, the rules say {buffer}"
                self.violations.note(f"{at}: {detail}")
            book = self.book(command.store, gtin)
            allowed = book.allowed(buffer, now_ms)
            if quantity > allowed:
                self.violations.note(f"{at}: oversold, {quantity} granted, {allowed} allowed")
            self.granted_lines += 1
            promise = Promise(name, quantity, now_ms, command.expires_at_ms, command.ship_by_ms)
            book.grant(promise, now_ms)

    def _extend(self, row: InputRow, command: Extend) -> None:
        for promise in self._promises(row, command.reservation_id):
            if not promise.is_confirmed:
                promise.extend(command.expires_at_ms)

    def _await_payment(self, row: InputRow, command: AwaitPayment) -> None:
        for promise in self._promises(row, command.reservation_id):
            if not promise.is_confirmed:
                promise.await_payment(command.pay_by_ms)

    def _confirm(self, row: InputRow, command: Confirm) -> None:
        for promise in self._promises(row, command.reservation_id):
            promise.is_confirmed = True

    def _expire(self, row: InputRow, command: Expire) -> None:
        for gtin, quantity in self.held(row.store, command.reservation_id).items():
            book = self.book(row.store, gtin)
            if book.promises[command.reservation_id].is_over(row.stamped_at_ms):
                book.reduce(command.reservation_id, quantity)

    def _pick(self, row: InputRow, command: Pick) -> None:
        name = command.reservation_id
        chosen = {line.gtin: line.quantity for line in command.lines}
        for gtin, quantity in self.held(row.store, name).items():
            promise = self.book(row.store, gtin).promises[name]
            promise.picked += chosen.get(gtin, 0) if chosen else quantity - promise.picked

    def _release(self, row: InputRow, command: Release) -> None:
        for gtin, quantity in self._chosen(row, command):
            excess = self.book(row.store, gtin).reduce(command.reservation_id, quantity)
            self._note_excess(row, command, gtin, excess)

    def _ship(self, row: InputRow, command: Ship | HandOver) -> None:
        for gtin, quantity in self._chosen(row, command):
            book = self.book(row.store, gtin)
            excess = book.ship(command.reservation_id, quantity, row.stamped_at_ms)
            self._note_excess(row, command, gtin, excess)

    def _adjust(self, row: InputRow, command: AdjustStock) -> None:
        book, quantity, now_ms = (
            self.book(row.store, command.gtin),
            command.quantity,
            row.stamped_at_ms,
        )
        if command.action == "write_off":
            if command.reason is not None:
                book.unavailable[command.reason] -= quantity
            book.move(now_ms, -quantity, now_ms)
        else:
            sign = 1 if command.action == "withhold" else -1
            book.withhold(command.reason or "damaged", sign * quantity, now_ms)

    def _promises(self, row: InputRow, name: str) -> list[Promise]:
        gtins = self.held(row.store, name)
        return [self.book(row.store, gtin).promises[name] for gtin in gtins]

    def _chosen(
        self, row: InputRow, command: Release | Ship | HandOver
    ) -> Iterable[tuple[str, int]]:
        if command.lines:
            return [(line.gtin, line.quantity) for line in command.lines]
        return self.held(row.store, command.reservation_id).items()

    def _note_excess(self, row: InputRow, command: AnyCommand, gtin: str, excess: int) -> None:
        if excess:
            kind = type(command).__name__
            detail = f"{excess} more of {gtin} than it had"
            self.violations.note(f"input {row.position}: a {kind} took {detail}")
