"""The live stream: Server-Sent Events, and the same over a WebSocket."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct

from cloud.api.access import ANYONE, Caller
from cloud.api.documents.notices import notice_document
from cloud.api.documents.reservations import reservation_document
from cloud.api.documents.stream import StreamEvent
from cloud.api.fields import gtin_of, location_of
from cloud.api.following import Closed, Heard, Reset, beginning, follow
from cloud.api.problems import ApiProblem, documented, forbidden, invalid
from cloud.api.resources.availability import answers
from cloud.api.services import CallerHere, Services, ServicesHere
from cloud.api.streaming import KINDS, Event, Kind, Selection, Told
from cloud.publisher.documents import reorder_document, stock_document
from cloud.records.notice import Notice
from cloud.records.reservation import Reservation
from cloud.shards.messages import ReorderChange

TAGS = ["stream"]
FILTERS_MAX: Final = 1_000
SSE: Final = "text/event-stream"
TRY_AGAIN_LATER: Final = 1013
"""The status with which a WebSocket is closed that may be opened again (RFC 6455, 11.7)."""

Texts = list[Annotated[str, Meta(min_length=1, max_length=64)]]
LocationsQuery = Annotated[
    Texts | None,
    QueryParameter(name="location", max_items=FILTERS_MAX, description="only of these"),
]
GtinsQuery = Annotated[
    Texts | None, QueryParameter(name="gtin", max_items=FILTERS_MAX, description="only of these")
]
ChannelQuery = Annotated[
    str | None,
    QueryParameter(
        name="channel",
        min_length=1,
        max_length=64,
        description="stock is told as what this channel may sell, and only its own orders are",
    ),
]
KindsQuery = Annotated[
    list[Kind] | None,
    QueryParameter(name="kind", max_items=len(KINDS), description="only such events"),
]
EVENT_ID_CHARS_MAX: Final = 64
REASON_CHARS_MAX: Final = 100
"""Of a reason to close a WebSocket, which has 123 bytes at most (RFC 6455, 5.5)."""
EVENTS_PER_PART_MAX: Final = 256
EVENTS_ON_LOOP_MAX: Final = 16

T = TypeVar("T")

_encoder: Final = msgspec.json.Encoder()


@get(
    "/stream",
    operation_id="stream",
    summary="Changes of stock, reorders, notices and reservations as they are committed (SSE)",
    tags=TAGS,
    guards=[ANYONE],
    media_type=SSE,
    responses={
        **documented(),
        200: ResponseSpec(
            StreamEvent,
            generate_examples=False,
            media_type=SSE,
            description="such events, one after the other",
        ),
    },
)
async def stream(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationsQuery = None,
    gtin: GtinsQuery = None,
    channel: ChannelQuery = None,
    kind: KindsQuery = None,
    follow_on: Annotated[
        bool,
        QueryParameter(
            name="follow", description="false: end when everything missed has been told"
        ),
    ] = True,
    last_event_id: Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID",
            max_length=EVENT_ID_CHARS_MAX,
            description="resume after this event; an id that is none begins now, with `reset`",
        ),
    ] = None,
) -> Stream:
    """Tell what changes from now on, or since `Last-Event-ID`. A slow reader is sent away."""
    selection = _selection(caller, location, gtin, channel, kind)
    services.hub.require_room(caller.name)
    told = follow(
        services.reads,
        services.hub,
        selection,
        await beginning(services.reads, last_event_id),
        token_name=caller.name,
        forever=follow_on,
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(_sse(services, selection, told), media_type=SSE, headers=headers)


def _selection(
    caller: Caller,
    locations: list[str] | None,
    gtins: list[str] | None,
    channel: str | None,
    kinds: list[Kind] | None,
) -> Selection:
    if channel is None and caller.channels:
        if len(caller.channels) > 1:
            raise invalid("channel", "this token has several: say which")
        channel = min(caller.channels)
    if channel is None and caller.is_channel_only:
        raise invalid("channel", "say for which channel")
    if channel is not None:
        caller.require_channel(channel)
    if caller.is_channel_only and kinds is not None and "reorder" in kinds:
        raise forbidden("a channel does not hear of reorders")
    named = frozenset(location_of(text) for text in locations or ())
    caller.require_location(*named)
    offered = [kind for kind in KINDS if not (caller.is_channel_only and kind == "reorder")]
    return Selection(
        kinds=frozenset(kinds or offered),
        locations=named or caller.locations,
        gtins=frozenset(gtin_of(text) for text in gtins or ()),
        channel=channel or "",
        caller=caller,
    )


async def _sse(
    services: Services, selection: Selection, stream_of: AsyncGenerator[Heard, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream_of) as stream:
        async for heard in stream:
            if isinstance(heard, Told):
                for part in _parts(heard):
                    yield await _off_the_loop(part, partial(_sse_part, services, selection))
            elif isinstance(heard, Reset):
                data = _encoder.encode({"reason": heard.reason})
                yield _sse_event("reset", heard.position, data)
            else:
                yield _sse_event("closed", None, _encoder.encode({"reason": heard.reason}))


def _parts(told: Told) -> Iterator[Told]:
    """Return what is told in parts that are short to encode and to send."""
    ends = len(told.events)
    for begin in range(0, max(1, ends), EVENTS_PER_PART_MAX):
        end = begin + EVENTS_PER_PART_MAX
        yield Told(told.events[begin:end], told.position if end >= ends else None)


async def _off_the_loop(part: Told, encode: Callable[[Told], T]) -> T:
    """Return a part encoded: a large one on a thread, since rules may have to be asked for each."""
    if len(part.events) <= EVENTS_ON_LOOP_MAX:
        return encode(part)
    return await asyncio.to_thread(encode, part)


def _sse_part(services: Services, selection: Selection, told: Told) -> bytes:
    if not told.events and told.position is not None:
        # An id without data moves the reader on without an event (WHATWG HTML, 9.2.6).
        return f": alive\nid: {told.position}\n\n".encode()
    return b"".join(
        _sse_event(event.kind, position, _encoder.encode(_document(services, selection, event)))
        for event, position in _numbered(told)
    )


def _numbered(told: Told) -> Iterator[tuple[Event, int | None]]:
    """Return the events, the last of them with the position."""
    last = len(told.events) - 1
    for place, event in enumerate(told.events):
        yield event, told.position if place == last else None


def _sse_event(kind: str, position: int | None, data: bytes) -> bytes:
    number = b"" if position is None else f"id: {position}\n".encode()
    return b"event: " + kind.encode() + b"\n" + number + b"data: " + data + b"\n\n"


def _document(services: Services, selection: Selection, event: Event) -> Struct:
    what = event.what
    if isinstance(what, ReorderChange):
        return reorder_document(what)
    if isinstance(what, Notice):
        return notice_document(what)
    if isinstance(what, Reservation):
        return reservation_document(what)
    if selection.channel:
        return answers(services, [what], selection.channel, 0, explain=False)[0]
    return stock_document(what)


@websocket("/stream/ws", guards=[ANYONE])
async def stream_ws(
    socket: WebSocket[Caller, Any, Any],
    services: ServicesHere,
    location: LocationsQuery = None,
    gtin: GtinsQuery = None,
    channel: ChannelQuery = None,
    kind: KindsQuery = None,
    last_event_id: Annotated[
        str | None, QueryParameter(name="last_event_id", max_length=EVENT_ID_CHARS_MAX)
    ] = None,
) -> None:
    """Tell the same over a WebSocket, as JSON: `event`, `id` (or null) and `data`."""
    await socket.accept()
    try:
        selection = _selection(socket.user, location, gtin, channel, kind)
        begin = await beginning(services.reads, last_event_id)
    except ApiProblem as problem:
        is_busy = problem.status == HTTPStatus.SERVICE_UNAVAILABLE
        code = TRY_AGAIN_LATER if is_busy else 4000 + problem.status
        await socket.close(code=code, reason=problem.detail[:REASON_CHARS_MAX])
        return
    told = follow(services.reads, services.hub, selection, begin, token_name=socket.user.name)
    sending = asyncio.create_task(_send(socket, services, selection, told))
    leaving = asyncio.create_task(_until_gone(socket))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


async def _until_gone(socket: WebSocket[Caller, Any, Any]) -> None:
    """Wait until the other side closes; what it says meanwhile means nothing."""
    try:
        while True:
            await socket.receive_data(mode="text")
    except WebSocketDisconnect:
        return


async def _send(
    socket: WebSocket[Caller, Any, Any],
    services: Services,
    selection: Selection,
    stream_of: AsyncGenerator[Heard, None],
) -> None:
    async with aclosing(stream_of) as stream:
        async for heard in stream:
            if isinstance(heard, Closed):
                reason = heard.reason[:REASON_CHARS_MAX]
                await socket.close(code=TRY_AGAIN_LATER, reason=reason)
                return
            if isinstance(heard, Reset):
                await socket.send_text(_message("reset", heard.position, {"reason": heard.reason}))
                continue
            for part in _parts(heard):
                encode = partial(_ws_messages, services, selection)
                for message in await _off_the_loop(part, encode):
                    await socket.send_text(message)


def _ws_messages(services: Services, selection: Selection, told: Told) -> list[str]:
    if not told.events and told.position is not None:
        return [_message("position", told.position, None)]
    return [
        _message(event.kind, position, _document(services, selection, event))
        for event, position in _numbered(told)
    ]


def _message(event: str, position: int | None, data: object) -> str:
    return _encoder.encode({"event": event, "id": position, "data": data}).decode()


ROUTES = [stream, stream_ws]
