"""The live stream: Server-Sent Events, and the same over a WebSocket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

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
from cloud.api.following import Closed, follow
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
AFTER_MAX: Final = 2**53 - 1


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
        int | None,
        HeaderParameter(
            name="Last-Event-ID", ge=0, le=AFTER_MAX, description="resume after this event"
        ),
    ] = None,
) -> Stream:
    """Tell what changes from now on, or since `Last-Event-ID`. A slow reader is sent away."""
    selection = _selection(caller, location, gtin, channel, kind)
    told = follow(services.reads, services.hub, selection, last_event_id, forever=follow_on)
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
    )


async def _sse(
    services: Services, selection: Selection, stream_of: AsyncGenerator[Told | Closed, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream_of) as stream:
        async for told in stream:
            if isinstance(told, Closed):
                yield _sse_event("closed", None, _encoder.encode({"reason": told.reason}))
                return
            yield b"".join(_sse_parts(services, selection, told))


def _sse_parts(services: Services, selection: Selection, told: Told) -> list[bytes]:
    last = len(told.events) - 1
    parts = [
        _sse_event(
            event.kind,
            told.position if place == last else None,
            _encoder.encode(_document(services, selection, event)),
        )
        for place, event in enumerate(told.events)
    ]
    if not told.events and told.position is not None:
        # An id without data moves the reader on without an event (WHATWG HTML, 9.2.6).
        parts.append(f": alive\nid: {told.position}\n\n".encode())
    return parts


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
        int | None, QueryParameter(name="last_event_id", ge=0, le=AFTER_MAX)
    ] = None,
) -> None:
    """Tell the same over a WebSocket, as JSON: `event`, `id` (or null) and `data`."""
    await socket.accept()
    try:
        selection = _selection(socket.user, location, gtin, channel, kind)
    except ApiProblem as problem:
        await socket.close(code=4000 + problem.status, reason=problem.detail[:100])
        return
    told = follow(services.reads, services.hub, selection, last_event_id)
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
    stream_of: AsyncGenerator[Told | Closed, None],
) -> None:
    async with aclosing(stream_of) as stream:
        async for told in stream:
            if isinstance(told, Closed):
                await socket.close(code=TRY_AGAIN_LATER, reason=told.reason)
                return
            last = len(told.events) - 1
            for place, event in enumerate(told.events):
                position = told.position if place == last else None
                data = _document(services, selection, event)
                message = {"event": event.kind, "id": position, "data": data}
                await socket.send_text(_encoder.encode(message).decode())
            if not told.events and told.position is not None:
                alive = {"event": "position", "id": told.position, "data": None}
                await socket.send_text(_encoder.encode(alive).decode())


ROUTES = [stream, stream_ws]
