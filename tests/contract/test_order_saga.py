"""A saga may be interrupted after, or before, each of its commits; who comes next finishes it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cloud.commands.reservations import Extend
from cloud.journal.port import Journal
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_reader import SqliteReader
from cloud.journal.verify import verify
from cloud.orders.desk import OrderDesk
from cloud.records.order import Order
from cloud.sku_location.refusal import Refused
from tests.order_world import HOUR_MS, Crashed, OrderWorld, request
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN

STEPS_MAX = 60
BOTH = {GTIN: 1, OTHER_GTIN: 1}

Work = Callable[[OrderDesk], Awaitable[Order | Refused]]
CALLS: list[Work] = [
    lambda desk: desk.place(request(lines=BOTH), "place"),
    lambda desk: desk.await_payment("o1", NOW_MS + HOUR_MS, "await"),
    lambda desk: desk.confirm("o1", "confirm"),
    lambda desk: desk.release("o1", "release"),
]
STATUSES = ["held", "awaiting_payment", "confirmed", "released"]


def stocked(journal: Journal | None = None) -> OrderWorld:
    """Return stores of which two have to fulfil, and one of those refuses its parcel."""
    world = OrderWorld(journal)
    world.stock("S001", 1, GTIN)
    world.stock("S002", 1, OTHER_GTIN)
    world.stock("S003", 1, OTHER_GTIN)
    return world


def outrun(world: OrderWorld) -> None:
    """Let somebody at the till take what the first plan counts on."""

    def sell_once(step: int) -> None:
        is_there = any(state.store == "S002" and state.on_hand for state in world.states())
        if is_there and step >= 2:
            world.sell("S002", 1, OTHER_GTIN)

    world.before_step = sell_once


def crash_at(world: OrderWorld, crash_step: int, *, after_commit: bool) -> None:
    before = world.before_step

    def die(step: int) -> None:
        if step == crash_step:
            raise Crashed

    def live_and_die(step: int) -> None:
        before(step)
        die(step)

    if after_commit:
        world.after_step = die
    else:
        world.before_step = live_and_die


def call(world: OrderWorld, work: Work) -> Order | Refused:
    return world.run(work(world.desk))


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("resumes", [False, True])
def test_a_crash_at_any_step_changes_nothing_but_time(*, after_commit: bool, resumes: bool) -> None:
    crashes = 0
    for crash_step in range(1, STEPS_MAX):
        world = stocked()
        outrun(world)
        crash_at(world, crash_step, after_commit=after_commit)
        for work, status in zip(CALLS, STATUSES, strict=True):
            try:
                answer = call(world, work)
            except Crashed:
                crashes += 1
                world.restart()
                if resumes:
                    assert world.run(world.desk.resume()).unsettled == ()
                    assert all(order.status != "placing" for order in world.orders())
                answer = call(world, work)
            assert isinstance(answer, Order)
            assert answer.status == status
            open_here = [each.status for each in world.reservations() if each.is_open]
            assert open_here == ([] if status == "released" else [status, status])
        assert world.held() == {}
        assert not world.order().is_open
        assert verify(world.journal).difference_count == 0
    assert crashes >= 10


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_crash_while_giving_back_leaves_nothing_held(*, after_commit: bool) -> None:
    crashes = 0
    for crash_step in range(1, STEPS_MAX):
        world = OrderWorld()
        world.stock("S001", 1, GTIN)
        world.stock("S002", 1, OTHER_GTIN)
        outrun(world)
        crash_at(world, crash_step, after_commit=after_commit)
        try:
            assert isinstance(call(world, CALLS[0]), Refused)
        except Crashed:
            crashes += 1
            world.restart()
            outrun(world)
            world.run(world.desk.resume())
        assert not any(order.is_open for order in world.orders())
        assert world.held() == {}
    assert crashes >= 5


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_crash_while_re_routing_still_sends_it_elsewhere_once(*, after_commit: bool) -> None:
    for crash_step in range(1, STEPS_MAX):
        world = stocked()
        for work in CALLS[:3]:
            assert isinstance(call(world, work), Order)
        world.sell("S002", 1, OTHER_GTIN)
        lost = list(world.notices)
        crash_at(world, world.steps + crash_step, after_commit=after_commit)
        try:
            world.run(world.desk.on_notices(lost))
        except Crashed:
            # The notice is lost with the process; what it was about shows in the records.
            world.restart()
            world.run(world.desk.resume())
        assert world.held() == {("S001", GTIN): 1, ("S003", OTHER_GTIN): 1}
        assert [each.kind for each in world.told] == ["reservation_short", "order_rerouted"]


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_crash_while_an_order_lapses_leaves_nothing_held(*, after_commit: bool) -> None:
    for crash_step in range(1, STEPS_MAX):
        world = stocked()
        assert isinstance(call(world, CALLS[0]), Order)
        world.answer(Extend(store="S001", reservation_id="o1.1", expires_at_ms=0))
        world.now_ms += HOUR_MS
        crash_at(world, world.steps + crash_step, after_commit=after_commit)
        try:
            world.run(world.desk.sweep())
        except Crashed:
            world.restart()
            world.run(world.desk.resume())
        assert (world.order().status, world.order().is_open) == ("released", False)
        assert world.held() == {}


def test_work_that_broke_off_is_swept_up_without_a_restart() -> None:
    world = stocked()
    crash_at(world, 2, after_commit=True)
    with pytest.raises(Crashed):
        call(world, CALLS[0])
    world.undisturbed()
    assert world.order().status == "placing"
    assert world.run(world.desk.sweep()) == (1, ())
    assert world.order().status == "held"
    assert world.run(world.desk.sweep()).driven == 0


def test_the_same_happens_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    world = stocked(journal)
    world.reader = SqliteReader(path)
    outrun(world)
    for work in CALLS:
        assert isinstance(call(world, work), Order)
    assert (world.order().status, world.held()) == ("released", {})
    assert verify(world.reader).difference_count == 0
    world.reader.close()
    journal.close()
