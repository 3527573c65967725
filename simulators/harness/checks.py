"""The checkers: what must hold when everything has converged, whatever was broken on the way.

They read the journal, the mirrors and the broker, and know the truth of the stores; of faults they
know only which documents may have died with a disk. Each violation begins with the promise's name.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cloud.errors import CloudError
from cloud.journal.port import JournalReader
from cloud.journal.rows import decode_state
from cloud.journal.sqlite_reader import SqliteReader
from cloud.journal.verify import verify
from cloud.records import decode_record
from cloud.records.order import LIVE, Order
from cloud.records.reservation import Reservation
from edge.mirror.sqlite import SqliteMirror
from protocol.codec import decode_up
from protocol.envelope import FactBatch
from protocol.facts import GoodsReceived, StockCounted
from simulators.audit.auditor import Auditor
from simulators.harness.shop import Document
from simulators.harness.witness import digest_of

if TYPE_CHECKING:
    from simulators.harness.simulation import Simulation

NAMED_MAX: Final = 20

Line = tuple[str, str, int]
"""Store, transaction and line."""


class Findings(Struct, kw_only=True):
    """What the checkers found, and a digest of the final states."""

    violations: list[str]
    digest: str
    till_lines: int
    reservations: int


def check(simulation: "Simulation") -> Findings:
    """Hold what the system has against the truth and against what it promised."""
    with closing(SqliteReader(simulation.journal_path)) as journal:
        auditor = Auditor(buffers={}, refused=_refused(journal))
        auditor.take_all(journal.inputs())
        lines = Counter(_journalled_lines(journal))
        checks = (
            _lines_once(simulation, journal, lines),
            _counts_right(simulation, journal, lines),
            _acknowledged_kept(simulation, journal),
            _answers_kept(simulation, journal),
            _confirmed_kept(simulation, journal),
            (f"never oversold: {each}" for each in auditor.violations.named),
            _grants_once(auditor),
            _orders_whole(journal),
            _same_twice(journal),
            _mirrors_agree(simulation, journal),
            _retained_agree(simulation, journal),
        )
        violations = [each for found in checks for each in _first(found)]
        digest = blake2b(digest_size=16)
        for state in journal.states():
            digest.update(repr(state).encode())
    return Findings(
        violations=violations,
        digest=digest.hexdigest(),
        till_lines=len(lines),
        reservations=len(auditor.grants),
    )


def _first(found: Iterator[str]) -> list[str]:
    named = list(found)
    more = len(named) - NAMED_MAX
    return named if more <= 0 else [*named[:NAMED_MAX], f"{named[0].split(':')[0]}: {more} more"]


def _refused(journal: JournalReader) -> set[tuple[str, int, int]]:
    contents = (entry.content for entry in journal.quarantine())
    return {(each.store, each.epoch, each.seq) for each in contents if each.seq}


def _journalled_lines(journal: JournalReader) -> Iterator[Line]:
    """Yield the till lines in the journal, as often as a key was claimed."""
    for row in journal.business_keys():
        yield row.store, row.transaction, row.line


def _documents(simulation: "Simulation") -> Iterator[tuple[str, Document]]:
    for shop in (*simulation.shops.values(), *simulation.twins):
        for document in shop.documents:
            yield shop.store, document


def _lines_once(
    simulation: "Simulation", journal: JournalReader, lines: Counter[Line]
) -> Iterator[str]:
    """P1 and P2: each till line is in the journal, once, and nothing else is."""
    excused = {id(document) for document in simulation.excused}
    expected: set[Line] = set()
    for store, document in _documents(simulation):
        for number, _, _ in document.lines:
            line = (store, document.key, number)
            expected.add(line)
            if not lines[line] and id(document) not in excused:
                yield f"nothing lost: {line} is not in the journal"
            elif lines[line] > 1:
                yield f"nothing doubled: {line} is in the journal {lines[line]} times"
    for line in lines.keys() - expected:
        yield f"nothing doubled: nobody sold {line}"
    for entry in journal.quarantine():
        content = entry.content
        if content.reason != "seq_reused":
            yield f"nothing lost: quarantined for {content.reason}: {content.detail}"


def _counts_right(
    simulation: "Simulation", journal: JournalReader, lines: Counter[Line]
) -> Iterator[str]:
    """P5, and P7 between stores: every count is what the store's own documents add up to."""
    excused = {id(document) for document in simulation.excused}
    taken = set(_journalled_documents(journal))
    expected: Counter[tuple[str, str]] = Counter()
    for store, document in _documents(simulation):
        is_in = (
            (store, document.key, document.lines[0][0]) in lines
            if document.lines
            else (store, document.number) in taken
        )
        if is_in or id(document) not in excused:
            for gtin, change in document.changes:
                expected[store, gtin] += change
    for shop in simulation.shops.values():
        for gtin, quantity in shop.shipped.items():
            expected[shop.store, gtin] -= quantity
    for row in journal.states():
        state = decode_state(row.data)
        wanted = expected.pop((row.store, row.gtin), 0)
        if state.on_hand != wanted:
            yield f"conservation: {row.gtin}@{row.store} has {state.on_hand}, the truth is {wanted}"
    for (store, gtin), wanted in expected.items():
        if wanted:
            yield f"nothing lost: {gtin}@{store} is unknown, the truth is {wanted}"


def _journalled_documents(journal: JournalReader) -> Iterator[tuple[str, str]]:
    """Yield store and document of the receipts and counts in the journal."""
    for row in journal.inputs():
        if row.kind != "batch":
            continue
        batch = decode_up(row.payload)
        if isinstance(batch, FactBatch):
            for fact in batch.facts:
                if isinstance(fact, GoodsReceived | StockCounted):
                    yield row.store, fact.document or ""


def _acknowledged_kept(simulation: "Simulation", journal: JournalReader) -> Iterator[str]:
    """P1 and P3: what a commit returned for is there, as it was, in the order of owners."""
    present = {row.position: digest_of(row) for row in journal.inputs()}
    newest_owner = 0
    seen: dict[int, int] = {}
    for position, owner_epoch, digest in simulation.witness.acknowledged:
        if present.get(position) != digest:
            what = "is gone" if position not in present else "is another"
            yield f"nothing lost: input {position}, acknowledged by owner {owner_epoch}, {what}"
        if seen.setdefault(position, owner_epoch) != owner_epoch:
            yield f"one writer: {seen[position]} and {owner_epoch} committed input {position}"
        if owner_epoch < newest_owner:
            yield f"one writer: {owner_epoch} committed after {newest_owner}"
        newest_owner = max(newest_owner, owner_epoch)


def _answers_kept(simulation: "Simulation", journal: JournalReader) -> Iterator[str]:
    """P1 for commands: what a customer was told is in the journal, at that position."""
    for key, answer in simulation.customers.answers.items():
        kept = journal.command_key(key)
        if kept is None:
            yield f"nothing lost: {key} was accepted at {answer.position} and is not known"
        elif kept.position != answer.position:
            yield f"nothing doubled: {key}: told {answer.position}, kept at {kept.position}"


def _confirmed_kept(simulation: "Simulation", journal: JournalReader) -> Iterator[str]:
    """P4: what was confirmed to a customer expires no more."""
    answers = simulation.customers.answers
    for row in journal.records(Reservation.KIND):
        reservation = decode_record(Reservation, row.data)
        confirmed = f"web:{reservation.id.removeprefix('r')}-confirm" in answers
        if confirmed and any(line.expired for line in reservation.lines):
            yield f"confirmed: {reservation.id} was confirmed, and has expired"


def _grants_once(auditor: Auditor) -> Iterator[str]:
    # An order across stores asks for its parcels without keys; their names are compared elsewhere.
    seen: Counter[str] = Counter(grant.key for grant in auditor.grants if grant.key)
    for key, times in seen.items():
        if times > 1:
            yield f"nothing doubled: {key} was granted {times} times"


def _orders_whole(journal: JournalReader) -> Iterator[str]:
    """An order is held as a whole, or not at all, whoever crashed while it was placed."""
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in journal.records(Reservation.KIND):
        reservation = decode_record(Reservation, row.data)
        if reservation.is_parcel and reservation.is_open:
            for line in reservation.lines:
                held[reservation.order_id][line.gtin] += line.held
    for row in journal.records(Order.KIND):
        order = decode_record(Order, row.data)
        yield from _order_whole(order, held.pop(order.id, Counter()))
    for order_id in held:
        yield f"saga: parcels hold goods for {order_id}, which nobody knows"


def _order_whole(order: Order, held: Counter[str]) -> Iterator[str]:
    if order.status == "placing" or order.is_settling:
        yield f"saga: order {order.id} is still {order.status}"
    elif order.status not in LIVE and held:
        yield f"saga: order {order.id} is {order.status} and still holds {dict(held)}"
    elif order.status in LIVE:
        for line in order.lines:
            if held[line.gtin] < line.quantity - line.short:
                detail = f"{held[line.gtin]} of {line.quantity} {line.gtin}"
                yield f"saga: order {order.id} is {order.status} and holds {detail}"


def _same_twice(journal: JournalReader) -> Iterator[str]:
    """P8: the inputs lead to the same bytes again."""
    try:
        report = verify(journal)
    except CloudError as error:
        yield f"same truth twice: {error}"
        return
    for difference in report.differences:
        yield f"same truth twice: {difference}"


def _mirrors_agree(simulation: "Simulation", journal: JournalReader) -> Iterator[str]:
    """P6: each store's own copy is what the journal says."""
    for store in simulation.gateways:
        path = simulation.folder / store / "disk" / "mirror.db"
        with closing(SqliteMirror(path)) as mirror:
            mirrored = {state.gtin: (state.version, state.on_hand) for state in mirror.states()}
        for row in journal.states(store):
            state = decode_state(row.data)
            if state.measure is not None and mirrored.get(row.gtin) != (
                state.version,
                state.on_hand,
            ):
                had = mirrored.get(row.gtin)
                yield f"convergence: {store}'s mirror of {row.gtin} has {had}, not {state.version}"


def _retained_agree(simulation: "Simulation", journal: JournalReader) -> Iterator[str]:
    """Whoever subscribes now gets the newest state of everything."""
    retained = simulation.broker.retained
    for row in journal.states():
        state = decode_state(row.data)
        if state.measure is None:
            continue
        payload = retained.get(f"st/1/{row.store}/stock/{row.gtin}")
        told = None if payload is None else json.loads(payload)
        found = None if told is None else (told["version"], told["on_hand"])
        if found != (state.version, state.on_hand):
            yield f"convergence: {row.gtin}@{row.store} is retained as {found}, not {state.version}"
