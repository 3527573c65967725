"""All kinds of records, and their bytes."""

from typing import Final, TypeVar

import msgspec

from cloud.journal.rows import RecordRow
from cloud.records.basket_watch import BasketWatch
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy
from cloud.records.document import Document
from cloud.records.goods_return import GoodsReturn
from cloud.records.notice import Notice
from cloud.records.order import Order
from cloud.records.received_tag import ReceivedTag
from cloud.records.record import Record as Record
from cloud.records.reservation import Reservation
from cloud.records.sale_void import SaleVoid

RECORD_TYPES: Final[dict[str, type[Record]]] = {
    kind.KIND: kind
    for kind in (
        BasketWatch,
        DespatchAdvice,
        Discrepancy,
        Document,
        GoodsReturn,
        Notice,
        Order,
        ReceivedTag,
        Reservation,
        SaleVoid,
    )
}
"""By kind. A kind is stored, so it is never renamed."""

R = TypeVar("R", bound=Record)

_encoder: Final = msgspec.msgpack.Encoder()
_decoders: Final = {kind: msgspec.msgpack.Decoder(cls) for kind, cls in RECORD_TYPES.items()}


def record_row(record: Record, position: int) -> RecordRow:
    """Return a record as the journal keeps it."""
    return RecordRow(
        kind=record.KIND,
        store=record.store,
        id=record.id,
        position=position,
        is_open=record.is_open,
        due_at_ms=record.due_at_ms,
        refs=record.refs,
        data=encode_record(record),
    )


def encode_record(record: Record) -> bytes:
    """Return a record's bytes."""
    return _encoder.encode(record)


def decode_record(kind: type[R], data: bytes) -> R:
    """Return the record of a kind in these bytes."""
    record = _decoders[kind.KIND].decode(data)
    if not isinstance(record, kind):
        raise AssertionError(f"{kind.KIND} is registered as another type than {kind.__name__}")
    return record


def decode_any_record(kind: str, data: bytes) -> Record:
    """Return the record of a kind, by name, in these bytes."""
    return _decoders[kind].decode(data)
