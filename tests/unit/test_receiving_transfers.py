"""Transfers: what leaves one location is incoming at another, and nothing is lost unseen."""

from collections.abc import Iterator

import pytest

from cloud.commands.command import Line
from cloud.shards.messages import Done
from cloud.sku_location.refusal import Refused
from tests.receiving_world import SSCC, ReceivingWorld, goods, got, tags
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, STORE, counted

THERE = "S002"


@pytest.fixture
def world() -> Iterator[ReceivingWorld]:
    world = ReceivingWorld()
    world.facts(counted(10))
    yield world
    world.check()
    world.check_replay()


def ten(gtin: str = GTIN, quantity: int = 10) -> Line:
    return Line(gtin=gtin, quantity=quantity)


def test_goods_leave_here_and_are_incoming_there_at_once(world: ReceivingWorld) -> None:
    position = world.journal.position()
    assert isinstance(world.transfer(ten(quantity=4), expected_at_ms=NOW_MS + 9), Done)
    assert world.journal.position() == position + 1
    here, there = world.state(), world.state(store=THERE)
    assert (here.on_hand, here.moved) == (6, 4)
    assert (there.on_hand, there.incoming, there.measure) == (0, 4, "units")
    advice = world.advice("T1", THERE)
    assert (advice.source, advice.is_transfer, advice.status) == (STORE, True, "advised")
    assert f"origin:{STORE}" in advice.refs


def test_a_transfer_arrives(world: ReceivingWorld) -> None:
    world.transfer(ten(), sscc=SSCC)
    world.facts(goods(10, document=SSCC), store=THERE)
    assert world.advice("T1", THERE).status == "received"
    assert (world.state(store=THERE).on_hand, world.state(store=THERE).incoming) == (10, 0)


def test_what_is_lost_on_the_way_is_short_and_written_off(world: ReceivingWorld) -> None:
    world.transfer(ten())
    world.receive(got(7), despatch_id="T1", store=THERE)
    advice = world.close("T1", THERE)
    assert (advice.lines[0].received, advice.lines[0].short) == (7, 3)
    assert isinstance(world.resolve("T1-1", "written_off", THERE), Done)
    (loss,) = world.discrepancies(THERE)
    assert (loss.kind, loss.quantity, loss.resolution) == ("short", 3, "written_off")
    assert (world.state().moved, world.state(store=THERE).received) == (10, 7)


def test_a_transfer_that_comes_again_leaves_once(world: ReceivingWorld) -> None:
    world.transfer(ten(quantity=4))
    again = world.transfer(ten(quantity=3), ten(quantity=1))
    assert isinstance(again, Done)
    assert again.is_idle
    assert world.state().on_hand == 6
    other = world.transfer(ten(quantity=5))
    assert isinstance(other, Refused)
    assert other.reason == "repeated_id"


@pytest.mark.parametrize(
    ("lines", "destination", "reason"),
    [
        ([ten(quantity=11)], THERE, "insufficient"),
        ([ten(quantity=6), ten(quantity=5)], THERE, "insufficient"),
        ([ten(OTHER_GTIN)], THERE, "unknown"),
        ([ten()], STORE, "invalid"),
        ([ten()], "cloud", "invalid"),
        ([ten()], "a/b", "invalid"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_and_nothing_leaves(
    world: ReceivingWorld, lines: list[Line], destination: str, reason: str
) -> None:
    answer = world.transfer(ten(quantity=1), *lines, destination=destination)
    assert isinstance(answer, Refused)
    assert answer.reason == reason
    assert world.state().on_hand == 10


def test_weighed_goods_are_transferred_in_the_measure_of_their_origin(
    world: ReceivingWorld,
) -> None:
    world.facts(counted(5_000, OTHER_GTIN, "grams"))
    world.transfer(ten(OTHER_GTIN, 1_200))
    assert world.state(OTHER_GTIN, THERE).measure == "grams"
    world.facts(goods(1_150, OTHER_GTIN, measure="grams"), store=THERE)
    world.close("T1", THERE)
    assert [(d.kind, d.quantity, d.measure) for d in world.discrepancies(THERE)] == [
        ("short", 50, "grams")
    ]


def test_a_measure_that_the_destination_does_not_have_stops_the_transfer(
    world: ReceivingWorld,
) -> None:
    world.facts(counted(500, GTIN, "grams"), store=THERE)
    answer = world.transfer(ten())
    assert isinstance(answer, Refused)
    assert (answer.reason, world.state().on_hand) == ("measure_conflict", 10)


def test_goods_may_go_to_and_fro(world: ReceivingWorld) -> None:
    world.transfer(ten(quantity=3))
    world.facts(goods(epcs=tags(1, 3)), store=THERE)
    world.transfer(ten(quantity=3), transfer_id="T2", origin=THERE, destination=STORE)
    world.facts(goods(epcs=tags(1, 3)))
    world.transfer(ten(quantity=3), transfer_id="T3")
    world.facts(goods(epcs=tags(1, 3)), store=THERE)
    assert (world.state().on_hand, world.state(store=THERE).on_hand) == (7, 3)
    assert world.kinds() == world.kinds(THERE) == []
