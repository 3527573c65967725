"""Lists of records, page by page: the part that the routes of many resources share."""

from collections.abc import Callable, Iterator
from typing import Annotated, TypeVar

from litestar.params import QueryParameter

from cloud.api.access import Caller
from cloud.api.cursors import PAIR, decode_cursor, encode_cursor, first_of
from cloud.api.fields import LOCATION_PATTERN, location_of
from cloud.api.services import Services
from cloud.journal.port import JournalReader
from cloud.journal.rows import RecordRow
from cloud.records import Record, decode_record

R = TypeVar("R", bound=Record)
Rows = Callable[[JournalReader, tuple[str, str]], Iterator[RecordRow]]
"""The rows of a kind after a location and an id; earlier ones may be among them."""

LocationQuery = Annotated[
    str | None,
    QueryParameter(
        name="location", pattern=LOCATION_PATTERN, max_length=32, description="only at this one"
    ),
]
OpenQuery = Annotated[
    bool,
    QueryParameter(name="open", description="only those that somebody still has to act on"),
]


async def page_of_records(
    services: Services,
    kind: type[R],
    rows: Rows,
    cursor: str | None,
    limit: int,
    sees: Callable[[R], bool],
) -> tuple[list[R], str | None]:
    """Return the next records that the caller sees, and the cursor to those after them."""
    after = decode_cursor(cursor, PAIR) or ("", "")

    def read(reader: JournalReader) -> tuple[list[R], bool]:
        found = (
            decode_record(kind, row.data)
            for row in rows(reader, after)
            if (row.store, row.id) > after
        )
        return first_of((record for record in found if sees(record)), limit)

    records, more = await services.reads.at_one_moment(read)
    last = (records[-1].store, records[-1].id) if more else None
    return records, None if last is None else encode_cursor(last)


async def records_at(
    services: Services,
    caller: Caller,
    kind: type[R],
    location: str | None,
    cursor: str | None,
    limit: int,
    *,
    only_open: bool,
) -> tuple[list[R], str | None]:
    """Return those at a location, or at all that the caller's token reaches."""
    store = None if location is None else location_of(location)
    if store is not None:
        caller.require_location(store)

    def rows(reader: JournalReader, after: tuple[str, str]) -> Iterator[RecordRow]:
        if only_open:
            return reader.records_open(kind.KIND, store)
        return reader.records(kind.KIND, store, after=after)

    return await page_of_records(
        services, kind, rows, cursor, limit, lambda record: caller.may_see_location(record.store)
    )


async def records_by_ref(
    services: Services,
    kind: type[R],
    ref: str,
    cursor: str | None,
    limit: int,
    sees: Callable[[R], bool],
) -> tuple[list[R], str | None]:
    """Return those that refer to something."""

    def rows(reader: JournalReader, after: tuple[str, str]) -> Iterator[RecordRow]:
        del after
        return iter(reader.records_by_ref(kind.KIND, ref))

    return await page_of_records(services, kind, rows, cursor, limit, sees)
