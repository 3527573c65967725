"""What the commands report, as typed records (their JSON) and as rows of text. Pure."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from cloud.journal.history import HistoryEntry
from cloud.journal.port import JournalReader
from cloud.journal.rows import QuarantineEntry, StateRow, decode_state
from cloud.journal.verify import VerifyReport
from cloud.publisher.documents import is_told, stock_document
from protocol.documents import StockDocument, timestamp
from protocol.facts import TillLine
from protocol.ids import parse_gtin, parse_store_id

HEX_BYTES_SHOWN: Final = 256
HEX_BYTES_PER_LINE: Final = 16

STOCK_COLUMNS: Final = (
    *("store", "gtin", "version", "on_hand", "available", "reserved", "on_order"),
    *("backroom", "measure", "as_of"),
)
STOCK_NUMBERS: Final = STOCK_COLUMNS[2:8]
STEP_COLUMNS: Final = (
    *("version", "event", "on_hand", "change", "kind", "epoch", "seq"),
    *("source", "document", "occurred_at", "position"),
)
STEP_NUMBERS: Final = ("version", "on_hand", "change", "epoch", "seq", "position")
REFUSAL_COLUMNS: Final = ("id", "status", "store", "reason", "times", "last_received_at", "detail")
REFUSAL_NUMBERS: Final = ("id", "times")


class Step(Struct, frozen=True, kw_only=True):
    """One version of a SKU-location, and the fact or command that made it."""

    version: int
    event: str
    on_hand: int
    change: int
    kind: str
    epoch: int
    seq: int
    source: str | None
    document: str | None
    occurred_at: str
    position: int


class RefusalReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One quarantined payload, or one fact of a batch whose others were applied."""

    id: int
    status: str
    store: str
    topic: str
    epoch: int
    seq: int
    reason: str
    detail: str
    times: int
    payload_bytes: int
    received_at: str
    last_received_at: str
    payload: bytes | None = None


def parse_sku_location(text: str) -> tuple[str, str | None]:
    """Split `GTIN[@STORE]`, or raise `InvalidIdentifier`."""
    gtin, separator, store = text.partition("@")
    return parse_gtin(gtin), parse_store_id(store) if separator else None


def stock(reader: JournalReader, gtin: str | None, store: str | None) -> Iterator[StockDocument]:
    """Return the documents of all SKU-locations, of one GTIN, or of one GTIN at one store."""
    for row in _state_rows(reader, gtin, store):
        state = decode_state(row.data)
        if is_told(state):
            yield stock_document(state)


def _state_rows(reader: JournalReader, gtin: str | None, store: str | None) -> Iterator[StateRow]:
    if gtin is None:
        yield from reader.states()
        return
    stores = [row.store for row in reader.stores()] if store is None else [store]
    for name in stores:
        row = reader.state(name, gtin)
        if row is not None:
            yield row


def stock_row(document: StockDocument) -> list[object]:
    """Return a document as `STOCK_COLUMNS`."""
    return [getattr(document, column) for column in STOCK_COLUMNS]


def step_of(entry: HistoryEntry, on_hand_before: int) -> Step:
    """Return a version with the difference that it made."""
    cause, fact = entry.cause, entry.fact
    document: str | None = getattr(fact, "document", None)
    if isinstance(fact, TillLine):
        document = f"{fact.transaction}/{fact.line}"
    return Step(
        version=entry.version,
        event=entry.event,
        on_hand=entry.on_hand,
        change=entry.on_hand - on_hand_before,
        kind=cause.kind if cause else "",
        epoch=cause.epoch if cause else 0,
        seq=cause.seq if cause else 0,
        source=fact.source if fact else None,
        document=document,
        occurred_at=timestamp(cause.occurred_at_ms if cause else 0),
        position=entry.position,
    )


def steps(entries: Iterator[HistoryEntry]) -> Iterator[Step]:
    """Return a history as steps."""
    on_hand = 0
    for entry in entries:
        yield step_of(entry, on_hand)
        on_hand = entry.on_hand


def step_row(step: Step) -> list[object]:
    """Return a step as `STEP_COLUMNS`."""
    cells = [getattr(step, column) for column in STEP_COLUMNS]
    cells[3] = f"{step.change:+d}"
    return ["" if cell is None else cell for cell in cells]


def refusal_of(entry: QuarantineEntry, *, with_payload: bool = False) -> RefusalReport:
    """Return a quarantined entry as its report."""
    content = entry.content
    return RefusalReport(
        id=entry.id,
        status=entry.status,
        store=content.store,
        topic=content.topic,
        epoch=content.epoch,
        seq=content.seq,
        reason=content.reason,
        detail=content.detail,
        times=entry.times,
        payload_bytes=len(content.payload),
        received_at=timestamp(content.received_at_ms),
        last_received_at=timestamp(entry.last_received_at_ms),
        payload=content.payload if with_payload else None,
    )


def refusal_row(report: RefusalReport) -> list[object]:
    """Return a report as `REFUSAL_COLUMNS`. A peer wrote some of it: only what prints is shown."""
    cells = [getattr(report, column) for column in REFUSAL_COLUMNS]
    return [_printable(cell) if isinstance(cell, str) else cell for cell in cells]


def refusal_lines(entry: QuarantineEntry) -> Iterator[str]:
    """Return everything about an entry, and the beginning of its bytes."""
    report = refusal_of(entry)
    for name in report.__struct_fields__:
        if name != "payload":
            yield f"{name}: {_printable(str(getattr(report, name)))}"
    payload = entry.content.payload
    for start in range(0, min(len(payload), HEX_BYTES_SHOWN), HEX_BYTES_PER_LINE):
        line = payload[start : start + HEX_BYTES_PER_LINE]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        yield f"{start:06x}  {line.hex(' '):47}  {text}"
    if len(payload) > HEX_BYTES_SHOWN:
        yield f"… {len(payload) - HEX_BYTES_SHOWN} more bytes; --json has all of them"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def verify_lines(report: VerifyReport) -> Iterator[str]:
    """Return what a replay found; the last line is the verdict."""
    yield from report.differences
    unnamed = report.difference_count - len(report.differences)
    if unnamed:
        yield f"… and {unnamed} more"
    replayed = (
        f"{report.facts_applied} facts in {report.inputs_replayed} inputs replayed"
        f" (era {report.era})"
    )
    if report.is_identical:
        yield (
            f"identical: {report.states_compared} states, {report.reorders_compared} reorders,"
            f" {report.watermarks_compared} watermarks, {report.till_lines_compared} till lines,"
            f" {report.records_compared} records, {report.command_keys_compared} keys;"
            f" {replayed}"
        )
    else:
        yield f"different: {report.difference_count} differences; {replayed}"
