"""Facts, batches and other inputs of a shard, filled in where a test does not care."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from cloud.shards.messages import BatchReceived, HelloReceived, MirrorRequested
from protocol import codec
from protocol.envelope import FactBatch, Hello, MirrorRequest
from protocol.facts import (
    AnyFact,
    DeviceHealthChanged,
    FactsShed,
    GoodsReceived,
    Measure,
    ReturnVoided,
    SaleVoided,
    ShelfCounted,
    StockCounted,
    TagsAppeared,
    TagsMoved,
    UnitsReturned,
    UnitsSold,
    Zone,
)

STORE = "S001"
EPOCH = 7
GTIN = "00614141123452"
OTHER_GTIN = "09506000134352"
INVALID_GTIN = "00614141123453"
NOW_MS = 1_790_000_000_000

_transactions = count(1)


def _till(gtin: str, quantity: int, measure: Measure, line: int, transaction: str) -> Any:
    return {
        "occurred_at_ms": 5,
        "source": "till-1",
        "gtin": gtin,
        "quantity": quantity,
        "measure": measure,
        "transaction": transaction or f"t{next(_transactions)}",
        "line": line,
    }


def sold(
    quantity: int = 1,
    gtin: str = GTIN,
    measure: Measure = "units",
    transaction: str = "",
    line: int = 1,
) -> UnitsSold:
    return UnitsSold(**_till(gtin, quantity, measure, line, transaction))


def returned(quantity: int = 1, gtin: str = GTIN, transaction: str = "") -> UnitsReturned:
    return UnitsReturned(**_till(gtin, quantity, "units", 1, transaction))


def sale_voided(quantity: int = 1, gtin: str = GTIN, transaction: str = "") -> SaleVoided:
    return SaleVoided(**_till(gtin, quantity, "units", 1, transaction), voided_transaction="t0")


def return_voided(quantity: int = 1, gtin: str = GTIN) -> ReturnVoided:
    return ReturnVoided(**_till(gtin, quantity, "units", 1, ""), voided_transaction="t0")


def received(
    quantity: int = 1,
    gtin: str = GTIN,
    zone: Zone = "sales_floor",
    measure: Measure = "units",
) -> GoodsReceived:
    return GoodsReceived(
        occurred_at_ms=5,
        source="dock",
        gtin=gtin,
        quantity=quantity,
        measure=measure,
        zone=zone,
        evidence="document",
    )


def counted(quantity: int, gtin: str = GTIN, measure: Measure = "units") -> StockCounted:
    return StockCounted(
        occurred_at_ms=5,
        source="sweep",
        gtin=gtin,
        quantity=quantity,
        measure=measure,
        evidence="sweep",
    )


def moved(from_zone: Zone, to_zone: Zone, tags: int = 1, gtin: str = GTIN) -> TagsMoved:
    return TagsMoved(
        occurred_at_ms=5,
        source="dock",
        gtin=gtin,
        from_zone=from_zone,
        to_zone=to_zone,
        epcs=[tag.to_bytes(12, "big") for tag in range(tags)],
    )


def appeared(gtin: str = GTIN) -> TagsAppeared:
    return TagsAppeared(
        occurred_at_ms=5, source="dock", gtin=gtin, zone="backroom", epcs=[bytes(12)]
    )


def shelf_counted(quantity: int, gtin: str = GTIN) -> ShelfCounted:
    return ShelfCounted(
        occurred_at_ms=5, source="scale", gtin=gtin, shelf="A1", quantity=quantity, weight_g=1
    )


def health() -> DeviceHealthChanged:
    return DeviceHealthChanged(occurred_at_ms=5, source="dock", health="lost", detail="silent")


def shed() -> FactsShed:
    return FactsShed(occurred_at_ms=5, source="outbox", telemetry=1, stock=0)


def batch(
    first_seq: int,
    facts: Sequence[AnyFact],
    store: str = STORE,
    epoch: int = EPOCH,
    sent_at_ms: int = 9,
) -> BatchReceived:
    message = FactBatch(
        store=store, epoch=epoch, first_seq=first_seq, sent_at_ms=sent_at_ms, facts=list(facts)
    )
    return BatchReceived(batch=message, frame=codec.encode_up(message))


def hello(
    first_seq: int,
    next_seq: int,
    mirror_position: int = 0,
    store: str = STORE,
    epoch: int = EPOCH,
) -> HelloReceived:
    message = Hello(
        store=store,
        epoch=epoch,
        first_seq=first_seq,
        next_seq=next_seq,
        mirror_position=mirror_position,
        sent_at_ms=9,
        agent_version="0.1.0",
    )
    return HelloReceived(hello=message)


def mirror_request(position: int, store: str = STORE) -> MirrorRequested:
    return MirrorRequested(request=MirrorRequest(store=store, position=position))


def gtins(how_many: int) -> list[str]:
    """Return distinct GTINs with correct check digits (GS1 General Specifications, 7.9)."""
    return [_with_check_digit(f"{900_000_000 + number:013d}") for number in range(how_many)]


def _with_check_digit(digits: str) -> str:
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
