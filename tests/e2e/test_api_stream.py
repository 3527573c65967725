"""The live stream: nothing is skipped, whoever is slow or away."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cloud.api import following
from cloud.api.reading import Reads
from cloud.api.streaming import Hub, Selection, Told
from cloud.journal.port import JournalReader
from cloud.journal.sqlite_reader import SqliteReader
from tests.api_server import OPS, WEB, Api, running
from tests.shard_inputs import GTIN, OTHER_GTIN, STORE, counted, gtins, sold

DEADLINE_S = 15.0

T = TypeVar("T")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path) as started:
        yield started


class Heard(NamedTuple):
    """One event of a stream; `id` is the newest that was told."""

    event: str
    id: int | None
    data: Any


class Stream:
    """Reads Server-Sent Events, as the WHATWG describes it."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id: int | None = None

    async def next(self) -> Heard:
        """Return the next event."""
        async with asyncio.timeout(DEADLINE_S):
            event, data = "", ""
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = int(value)
                elif name == "event":
                    event = value
                elif name == "data":
                    data += value
                elif not line and data:
                    return Heard(event, self.last_id, json.loads(data))
            raise EOFError

    async def rest(self) -> list[Heard]:
        """Return everything until the server ends the stream."""
        heard: list[Heard] = []
        try:
            while True:
                heard.append(await self.next())
        except EOFError:
            return heard


@asynccontextmanager
async def stream(
    client: httpx.AsyncClient, after: int | None = None, **params: Any
) -> AsyncIterator[Stream]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    async with client.stream("GET", "/v1/stream", params=params, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(response)


async def test_changes_are_told_as_they_are_committed(api: Api) -> None:
    async with stream(api.ops, kind="stock") as heard:
        api.offer(counted(5))
        first = await heard.next()
        assert (first.event, first.data["gtin"], first.data["on_hand"]) == ("stock", GTIN, 5)
        api.offer(sold(2))
        second = await heard.next()
        assert second.data["on_hand"] == 3
        assert second.id is not None
        assert second.id > (first.id or 0)


async def test_who_was_away_hears_what_was_missed_and_then_goes_on_live(api: Api) -> None:
    api.offer(counted(5))
    after = api.position()
    api.offer(sold(1))
    api.offer(counted(9, gtin=OTHER_GTIN))
    async with stream(api.ops, after, kind="stock") as heard:
        missed = [await heard.next(), await heard.next()]
        assert {e.data["gtin"]: e.data["on_hand"] for e in missed} == {GTIN: 4, OTHER_GTIN: 9}
        api.offer(sold(1))
        assert (await heard.next()).data["on_hand"] == 3


async def test_resuming_from_any_event_skips_nothing(api: Api) -> None:
    many = gtins(40)
    for part in range(4):
        api.offer(*(counted(part + 1, gtin=gtin) for gtin in many[part * 10 : part * 10 + 10]))
    for broken_off_after in range(0, 50, 7):
        seen: set[str] = set()
        async with stream(api.ops, 0, kind="stock", follow="false") as heard:
            for _ in range(min(broken_off_after, len(many))):
                seen.add((await heard.next()).data["gtin"])
        async with stream(api.ops, heard.last_id or 0, kind="stock", follow="false") as heard:
            seen |= {event.data["gtin"] for event in await heard.rest()}
        assert seen == set(many)


async def test_without_following_the_stream_ends_when_all_is_told(api: Api) -> None:
    api.offer(counted(5))
    async with stream(api.ops, 0, follow="false") as heard:
        assert [event.event for event in await heard.rest()] == ["stock"]
        assert heard.last_id == api.position()


async def test_only_what_was_asked_for_is_told(api: Api) -> None:
    async with stream(api.ops, gtin=OTHER_GTIN, location=STORE, kind="stock") as heard:
        api.offer(counted(5))
        api.offer(counted(6, gtin=OTHER_GTIN), store="S002")
        api.offer(counted(7, gtin=OTHER_GTIN))
        event = await heard.next()
        assert (event.data["store"], event.data["on_hand"]) == (STORE, 7)


async def test_a_channel_hears_what_it_may_sell_and_of_its_own_orders(api: Api) -> None:
    rule = {"name": "two", "hide": 2, "channels": ["web"]}
    await api.ops.put("/v1/rules", json={"schema": "rules/1", "rules": [rule]})
    api.offer(counted(5))
    async with stream(api.web) as heard:
        for channel in ("app", "web"):
            body = {
                "location": STORE,
                "channel": channel,
                "order_id": "o",
                "lines": [{"gtin": GTIN, "quantity": 1}],
            }
            made = await api.ops.post("/v1/reservations", json=body, headers=api.key())
            assert made.status_code == 201
        events = [await heard.next() for _ in range(3)]
        assert [event.event for event in events] == ["stock", "stock", "reservation"]
        assert [event.data["available"] for event in events[:2]] == [2, 1]
        assert "on_hand" not in events[0].data
        assert events[2].data["channel"] == "web"


async def test_a_stop_ends_the_streams_with_a_reason(tmp_path: Path) -> None:
    async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
        async with running(tmp_path) as api:
            client.base_url = httpx.URL(api.url)
            client.headers["Authorization"] = f"Bearer {OPS}"
            manager = stream(client)
            heard = await manager.__aenter__()
        last = (await heard.rest())[-1]
        assert (last.event, "stops" in last.data["reason"]) == ("closed", True)
        await manager.__aexit__(None, None, None)


async def test_a_websocket_tells_the_same(api: Api) -> None:
    url = api.url.replace("http", "ws") + "/v1/stream/ws?kind=stock"
    api.offer(counted(5))
    async with connect(
        f"{url}&last_event_id=0", additional_headers={"Authorization": f"Bearer {OPS}"}
    ) as socket:
        message = await _next(socket)
        assert (message["event"], message["data"]["on_hand"]) == ("stock", 5)
        api.offer(sold(1))
        assert (await _next(socket))["data"]["on_hand"] == 4


async def _reserve(api: Api, *reservation_ids: str, channel: str = "web") -> None:
    for reservation_id in reservation_ids:
        body = {
            "location": STORE,
            "channel": channel,
            "order_id": "o",
            "reservation_id": reservation_id,
            "lines": [{"gtin": GTIN, "quantity": 1}],
        }
        made = await api.ops.post("/v1/reservations", json=body, headers=api.key())
        assert made.status_code == 201, made.text


async def test_what_one_input_changed_is_told_whole_however_much_it_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "ROWS_PER_READ", 2)
    api.offer(counted(20))
    names = [f"r{number}" for number in range(7)]
    await _reserve(api, "kept", *names)
    before = api.position()
    api.offer(sold(19))
    async with stream(api.ops, before, kind="reservation", follow="false") as heard:
        short = [event.data["reservation_id"] for event in await heard.rest()]
    assert sorted(short) == names
    assert heard.last_id == api.position()


class Interrupted:
    """Readers that let something be committed after the first read of a moment."""

    def __init__(self, reads: Reads, interrupt: Callable[[], None]) -> None:
        self._reads = reads
        self._interrupt: Callable[[], None] | None = interrupt

    async def on_reader(self, read: Callable[[JournalReader], T]) -> T:
        return await self._reads.on_reader(read)

    async def at_one_moment(self, read: Callable[[JournalReader], T]) -> T:
        answer = await self._reads.at_one_moment(read)
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            await asyncio.to_thread(interrupt)
        return answer


async def test_what_changes_during_a_round_is_not_told_in_it(api: Api) -> None:
    api.offer(counted(5))
    begun = api.position()
    reads = Reads(lambda: SqliteReader(api.journal), 1)
    interrupted: Any = Interrupted(reads, lambda: api.offer(counted(6, gtin=OTHER_GTIN)))
    selection = Selection(frozenset(["stock"]))
    told = [
        part
        async for part in following.follow(
            interrupted,
            Hub(),
            selection,
            following.Beginning(0),
            token_name="ops",
            forever=False,
        )
        if isinstance(part, Told)
    ]
    reads.close()
    gtins_told = [event.what.gtin for part in told for event in part.events]  # type: ignore[union-attr]  # stock only.
    assert gtins_told == [GTIN]
    assert told[-1].position == begun


async def test_a_channel_hears_of_no_internal_notice_live_or_later(api: Api) -> None:
    api.offer(counted(20))
    await _reserve(api, "r0", "r1")
    await _reserve(api, "a0", channel="app")
    before = api.position()
    async with stream(api.web, kind="notice") as live, stream(api.ops, kind="notice") as all_live:
        api.offer(sold(19))
        seen_by_ops = {(await all_live.next()).data["kind"] for _ in range(2)}
        assert "reservation_short" in seen_by_ops
        assert (await live.next()).data["channel"] == "web"
    async with stream(api.web, before, kind="notice", follow="false") as missed:
        told = [event.data for event in await missed.rest()]
    listed = (await api.web.get("/v1/notices", params={"after": before})).json()["items"]
    assert told == listed
    assert {each["channel"] for each in told} == {"web"}


@pytest.mark.parametrize("last_id", ["999999999", "abc", "-1", "99999999999999999999", "é"])
async def test_an_id_that_the_journal_does_not_know_begins_now_and_says_so(
    api: Api, last_id: str
) -> None:
    api.offer(counted(5))
    headers = [("Last-Event-ID", last_id.encode().decode("latin-1"))]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    async with api.ops.stream("GET", "/v1/stream", headers=raw) as response:
        assert response.status_code == 200
        heard = Stream(response)
        first = await heard.next()
        assert (first.event, first.id) == ("reset", api.position())
        assert "read anew" in first.data["reason"]
        api.offer(sold(1))
        assert (await heard.next()).data["on_hand"] == 4


async def test_an_empty_id_is_none(api: Api) -> None:
    headers = {"Last-Event-ID": ""}
    params = {"follow": "false"}
    answer = await api.ops.get("/v1/stream", params=params, headers=headers)
    assert (answer.status_code, "reset" in answer.text) == (200, False)


async def test_a_token_has_so_many_streams_and_is_told_before_it_begins(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "require_room", _bounded_by_one)
    async with stream(api.ops) as first:
        api.offer(counted(5))
        await first.next()
        refused = await api.ops.get("/v1/stream")
        assert (refused.status_code, refused.json()["type"]) == (
            429,
            "urn:stocktruth:problem:too-many-streams",
        )
        url = api.url.replace("http", "ws") + "/v1/stream/ws"
        async with connect(url, additional_headers={"Authorization": f"Bearer {OPS}"}) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
        async with stream(api.web) as other:
            api.offer(sold(1))
            assert (await other.next()).event == "stock"


_require_room = Hub.require_room


def _bounded_by_one(hub: Hub, token_name: str) -> None:
    hub._per_token_max = 1  # type: ignore[misc]  # as if it had been made so.
    _require_room(hub, token_name)


async def _next(socket: Any) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message = json.loads(await socket.recv())
            if message["event"] != "position":
                return message


async def test_a_websocket_needs_a_token_and_a_channel_its_own(api: Api) -> None:
    url = api.url.replace("http", "ws") + "/v1/stream/ws"
    with pytest.raises(InvalidStatus):
        async with connect(url):
            pass
    async with connect(
        f"{url}?channel=app", additional_headers={"Authorization": f"Bearer {WEB}"}
    ) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4403
