"""Notices: what somebody should know or act on, in order."""

from itertools import takewhile
from typing import Annotated, NamedTuple

from litestar import get
from litestar.params import QueryParameter

from cloud.api.access import ANYONE
from cloud.api.cursors import LIMIT
from cloud.api.documents.notices import NoticePage, notice_document
from cloud.api.fields import LimitQuery
from cloud.api.problems import documented
from cloud.api.services import CallerHere, ServicesHere
from cloud.api.visibility import sees_notice
from cloud.journal.port import JournalReader
from cloud.records import decode_record
from cloud.records.notice import Notice

TAGS = ["notices"]


class Found(NamedTuple):
    """Notices up to a position, and whether there are more."""

    notices: list[Notice]
    position: int
    has_more: bool


@get(
    "/notices",
    operation_id="list_notices",
    summary="What somebody should know or act on: shortages, discrepancies, refunds, tasks",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(),
)
async def list_notices(
    services: ServicesHere,
    caller: CallerHere,
    after: Annotated[
        int,
        QueryParameter(name="after", ge=0, le=2**53 - 1, description="the `next_after` of before"),
    ] = 0,
    limit: LimitQuery = LIMIT,
) -> NoticePage:
    """Return them from the oldest; a caller sees those of its locations and channels.

    A page may be a little longer than `limit`: what was noticed at once stays together.
    """
    found = await services.reads.at_one_moment(lambda reader: _found(reader, after, limit))
    return NoticePage(
        items=[notice_document(notice) for notice in found.notices if sees_notice(caller, notice)],
        next_after=found.position,
        has_more=found.has_more,
    )


def _found(reader: JournalReader, after: int, limit: int) -> Found:
    rows = reader.records_changed(Notice.KIND, after)
    taken = [row for _, row in zip(range(limit), rows, strict=False)]
    if len(taken) < limit:
        notices = [decode_record(Notice, row.data) for row in taken]
        return Found(notices, max(after, reader.position()), has_more=False)
    last = taken[-1].position
    taken += takewhile(lambda row: row.position == last, rows)
    return Found([decode_record(Notice, row.data) for row in taken], last, has_more=True)


ROUTES = [list_notices]
