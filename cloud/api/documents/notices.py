"""Notices as the API shows them."""

from typing import Annotated

from msgspec import Meta, Struct

from cloud.api.fields import Level
from cloud.records.notice import Notice, NoticeKind
from protocol.documents import Timestamp, timestamp
from protocol.facts import Measure


class NoticeDocument(Struct, frozen=True, kw_only=True):
    """Something that somebody should know or act on. `subject` is the id that it is about."""

    notice_id: str
    kind: NoticeKind
    location: str
    subject: str
    gtin: str | None
    quantity: Level
    measure: Measure | None
    order_id: str | None
    channel: str | None
    detail: str
    created_at: Timestamp


class NoticePage(Struct, frozen=True, kw_only=True):
    """Notices in the order in which they were made; go on with `after=next_after`."""

    items: list[NoticeDocument]
    next_after: Annotated[int, Meta(ge=0)]
    has_more: bool


def notice_document(record: Notice) -> NoticeDocument:
    """Return the document of a notice."""
    return NoticeDocument(
        notice_id=record.id,
        kind=record.kind,
        location=record.store,
        subject=record.subject,
        gtin=record.gtin or None,
        quantity=record.quantity,
        measure=record.measure,
        order_id=record.order_id or None,
        channel=record.channel or None,
        detail=record.detail,
        created_at=timestamp(record.created_at_ms),
    )
