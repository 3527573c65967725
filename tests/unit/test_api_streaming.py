"""Lines of listeners: bounded, in order, and never a reason for anybody else to wait."""

import asyncio

import pytest
from msgspec.structs import replace

from cloud.api.access import Caller
from cloud.api.problems import ApiProblem
from cloud.api.streaming import KINDS, STOPPING, TOO_SLOW, Event, Hub, Listener, Selection
from cloud.records.notice import Notice
from cloud.shards.messages import Committed, StoreChange
from cloud.sku_location.state import SkuLocation

GTIN, OTHER = "00614141123452", "09506000134352"
EVERYTHING = Selection(frozenset(KINDS))


def state(gtin: str = GTIN, store: str = "S001", version: int = 1) -> SkuLocation:
    return SkuLocation(store=store, gtin=gtin, version=version, measure="units")


def committed(position: int, *states: SkuLocation) -> Committed:
    change = StoreChange(
        store="S001",
        previous_position=position - 1,
        position=position,
        epoch=0,
        through_seq=0,
        states=list(states),
    )
    return Committed(position=position, changes=[change])


def stock(*gtins: str) -> list[Event]:
    return [Event("stock", state(gtin)) for gtin in gtins]


async def test_commits_are_told_in_order_each_with_its_position() -> None:
    listener = Listener(EVERYTHING)
    listener.offer(stock(GTIN, OTHER), 4)
    listener.offer(stock(GTIN), 7)
    told = await listener.take(1.0)
    assert [(len(part.events), part.position) for part in told] == [(2, 4), (1, 7)]


async def test_silence_ends_with_nothing_and_tells_how_far_it_went() -> None:
    listener = Listener(Selection(frozenset(["stock"]), gtins=frozenset([OTHER])))
    listener.offer(stock(GTIN), 9)
    assert await listener.take(0.0) == []
    assert listener.through == 9


async def test_who_is_too_slow_is_closed_with_the_reason_and_forgotten() -> None:
    hub = Hub()
    slow, quick = Listener(EVERYTHING, events_max=2), Listener(EVERYTHING)
    hub.add(slow)
    hub.add(quick)
    for position in range(1, 4):
        hub.note(committed(position, state(version=position)))
    await asyncio.sleep(0)
    assert (slow.closed, await slow.take(0.0)) == (TOO_SLOW, [])
    assert [part.position for part in await quick.take(1.0)] == [1, 2, 3]


async def test_who_keeps_up_may_hear_any_number_of_events() -> None:
    listener = Listener(EVERYTHING, events_max=2)
    for position in range(1, 100):
        listener.offer(stock(GTIN, OTHER), position)
        assert len(await listener.take(1.0)) == 1
    assert listener.closed is None


async def test_a_commit_longer_than_the_line_closes_nobody_who_has_taken_everything() -> None:
    listener = Listener(EVERYTHING, events_max=2)
    listener.offer(stock(GTIN, OTHER, GTIN), 1)
    assert listener.closed is None
    assert [len(part.events) for part in await listener.take(1.0)] == [3]
    listener.offer(stock(GTIN, OTHER, GTIN), 2)
    listener.offer(stock(GTIN), 3)
    assert listener.closed == TOO_SLOW


async def test_no_position_is_told_before_what_led_to_it() -> None:
    listener = Listener(EVERYTHING)
    loop = asyncio.get_running_loop()
    taking = asyncio.create_task(listener.take(0.01))
    await asyncio.sleep(0)
    # The news and the end of the waiting time come in one turn of the loop.
    loop.call_at(loop.time() + 0.011, listener.offer, stock(GTIN), 7)
    busy_until_s = loop.time() + 0.02
    while loop.time() < busy_until_s:
        pass
    assert [part.position for part in await taking] == [7]


async def test_nobody_new_is_heard_after_the_end() -> None:
    hub = Hub()
    early, late = Listener(EVERYTHING), Listener(EVERYTHING)
    hub.add(early)
    hub.close()
    hub.add(late)
    assert (early.closed, late.closed) == (STOPPING, STOPPING)
    assert await late.take(1.0) == []
    with pytest.raises(ApiProblem, match="too many streams"):
        hub.require_room("ops")


async def test_streams_are_bounded_for_each_token_and_in_all() -> None:
    hub = Hub(streams_max=3, per_token_max=2)
    with hub.stream("web"), hub.stream("web"):
        with pytest.raises(ApiProblem) as problem:
            hub.require_room("web")
        assert (problem.value.status, problem.value.headers) == (429, {"Retry-After": "30"})
        with hub.stream("ops"):
            with pytest.raises(ApiProblem) as problem:
                hub.require_room("store")
            assert problem.value.status == 503
    hub.require_room("web")


def test_a_channel_hears_only_of_notices_and_reservations_that_it_may_read() -> None:
    web = Caller(name="web", roles=frozenset(["channel"]), channels=frozenset(["web"]))
    selection = Selection(frozenset(KINDS), channel="web", caller=web)
    internal = Notice(store="S001", id="1", kind="discrepancy_found", subject="d", gtin=GTIN)
    assert not selection.wants(Event("notice", internal))
    assert Selection(frozenset(KINDS), channel="web").wants(Event("notice", internal))
    mine = replace(internal, kind="reservation_short", channel="web")
    assert selection.wants(Event("notice", mine))
    elsewhere = Selection(
        frozenset(KINDS), channel="web", caller=replace(web, locations=frozenset(["S002"]))
    )
    assert not elsewhere.wants(Event("notice", mine))


def test_a_selection_wants_what_concerns_its_locations_goods_and_channel() -> None:
    selection = Selection(
        frozenset(["stock", "notice"]), frozenset(["S001"]), frozenset([GTIN]), "web"
    )
    assert selection.wants(Event("stock", state()))
    assert not selection.wants(Event("stock", state(store="S002")))
    assert not selection.wants(Event("stock", state(OTHER)))
    ours = Notice(
        store="S001", id="1", kind="reservation_short", subject="r", gtin=GTIN, channel="web"
    )
    theirs = Notice(
        store="S001", id="2", kind="reservation_short", subject="r", gtin=GTIN, channel="app"
    )
    assert selection.wants(Event("notice", ours))
    assert not selection.wants(Event("notice", theirs))
