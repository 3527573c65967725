"""Receiving by hand: what was advised comes, or deviates, and every deviation has a name."""

from collections.abc import Iterator
from typing import Any

import pytest

from cloud.commands.goods import AdviseDespatch, CloseDespatch, DespatchLine
from cloud.records.discrepancy import Discrepancy
from cloud.shards.messages import Done
from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import Policy
from tests.receiving_world import SSCC, THIRD_GTIN, ReceivingWorld, got, line, receipt, tag, tags
from tests.shard_inputs import GTIN, INVALID_GTIN, NOW_MS, OTHER_GTIN, STORE, counted, sold


@pytest.fixture
def world() -> Iterator[ReceivingWorld]:
    world = ReceivingWorld()
    yield world
    world.check()
    world.check_replay()


def advise(*lines: DespatchLine, **more: Any) -> AdviseDespatch:
    return AdviseDespatch(store=STORE, despatch_id="D1", source="DC1", lines=list(lines), **more)


def test_what_is_advised_is_incoming_and_not_on_hand(world: ReceivingWorld) -> None:
    advice = world.advise(line(10), line(4, OTHER_GTIN), line(2))
    assert (world.state().incoming, world.state().on_hand) == (12, 0)
    assert world.state(OTHER_GTIN).incoming == 4
    assert (advice.status, advice.outstanding) == ("advised", 16)
    assert advice.created_at_ms == NOW_MS


def test_what_comes_as_advised_closes_the_despatch_by_itself(world: ReceivingWorld) -> None:
    world.advise(line(10), line(4, OTHER_GTIN))
    assert world.receive(got(10)).status == "receiving"
    assert world.receive(got(4, OTHER_GTIN), receipt_id="R2").status == "received"
    state = world.state()
    assert (state.incoming, state.on_hand, state.received, state.backroom) == (0, 10, 10, 10)
    assert world.discrepancies() == []


def test_the_same_advice_again_changes_nothing(world: ReceivingWorld) -> None:
    world.advise(line(10, epcs=tags(1, 10)))
    again = world.accepted(advise(line(10, epcs=tags(1, 10))))
    assert again.is_idle
    assert world.state().incoming == 10


def test_an_advice_may_come_again_when_it_was_received(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(10))
    assert world.accepted(advise(line(10))).is_idle
    assert world.state().incoming == 0


@pytest.mark.parametrize(
    "other", [advise(line(11)), advise(line(10), is_strict=True), advise(line(10, sscc=SSCC))]
)
def test_other_content_under_a_despatch_id_is_refused(
    world: ReceivingWorld, other: AdviseDespatch
) -> None:
    world.advise(line(10))
    assert world.refusal(other) == "repeated_id"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([line(1, INVALID_GTIN)], "invalid_gtin"),
        ([line(3, epcs=tags(1, 2))], "invalid"),
        ([line(2, epcs=(tag(1), tag(1)))], "repeated_tag"),
        ([line(1, epcs=tags(1, 1)), line(1, OTHER_GTIN, epcs=tags(1, 1))], "repeated_tag"),
        ([line(2, measure="grams", epcs=tags(1, 2))], "invalid"),
        ([line(2), line(500, measure="grams")], "measure_conflict"),
        ([line(512, epcs=tags(n * 512 + 1, n * 512 + 512)) for n in range(20)], "invalid"),
    ],
)
def test_an_advice_that_cannot_be_is_refused(
    world: ReceivingWorld, lines: list[DespatchLine], reason: str
) -> None:
    assert world.refusal(advise(*lines)) == reason


def test_goods_of_another_measure_are_refused_and_nothing_of_the_receipt_counts(
    world: ReceivingWorld,
) -> None:
    world.advise(line(10), line(4, OTHER_GTIN))
    mixed = receipt(got(4, OTHER_GTIN), got(500, measure="grams"))
    assert world.refusal(mixed) == "measure_conflict"
    assert world.state(OTHER_GTIN).on_hand == 0


def test_what_nobody_advised_cannot_be_received(world: ReceivingWorld) -> None:
    assert world.refusal(receipt(got(1))) == "unknown"
    assert world.refusal(CloseDespatch(store=STORE, despatch_id="D1")) == "unknown"


def test_a_receipt_that_comes_again_counts_once(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(6))
    assert world.accepted(receipt(got(6))).is_idle
    assert world.state().on_hand == 6
    assert world.refusal(receipt(got(5))) == "repeated_id"


def test_more_than_advised_is_over_and_counts(world: ReceivingWorld) -> None:
    world.advise(line(10))
    advice = world.receive(got(12))
    assert world.kinds() == [("over", 2)]
    assert (world.state().on_hand, world.state().sellable) == (12, 12)
    assert (advice.status, advice.lines[0].received) == ("receiving", 10)


def test_another_item_is_wrong_and_counts(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(3, THIRD_GTIN))
    assert world.kinds() == [("wrong_item", 3)]
    assert world.state(THIRD_GTIN).on_hand == 3
    assert world.state().incoming == 10


def test_damaged_goods_are_here_and_cannot_be_sold(world: ReceivingWorld) -> None:
    world.advise(line(10))
    advice = world.receive(got(8), got(2, condition="damaged"))
    state = world.state()
    assert (state.on_hand, state.damaged, state.sellable, state.incoming) == (10, 2, 8, 0)
    assert world.kinds() == [("damaged", 2)]
    assert (advice.lines[0].received, advice.lines[0].damaged) == (10, 2)
    assert world.close().status == "closed"


def test_a_tag_that_is_not_listed_is_unknown_and_counts(world: ReceivingWorld) -> None:
    world.advise(line(3, epcs=tags(1, 3)))
    advice = world.receive(got(3, epcs=(tag(1), tag(2), tag(9))))
    (discrepancy,) = world.discrepancies()
    assert (discrepancy.kind, discrepancy.epcs) == ("unknown_tag", (tag(9),))
    assert (world.state().on_hand, world.state().incoming) == (3, 1)
    assert advice.lines[0].arrived == tags(1, 2)


def test_a_tag_counts_once_in_a_despatch(world: ReceivingWorld) -> None:
    world.advise(line(5))
    world.receive(got(3, epcs=tags(1, 3)))
    world.receive(got(3, epcs=tags(2, 4)), receipt_id="R2")
    (discrepancy,) = world.discrepancies()
    assert (discrepancy.kind, discrepancy.epcs) == ("received_twice", tags(2, 3))
    assert (world.state().on_hand, world.state().incoming) == (4, 1)


def test_tags_of_which_it_is_open_why_they_came_twice_are_not_named_again(
    world: ReceivingWorld,
) -> None:
    world.advise(line(5))
    world.receive(got(3, epcs=tags(1, 3)))
    world.receive(got(1, epcs=tags(2, 2)), receipt_id="R2")
    world.receive(got(2, epcs=tags(1, 2)), receipt_id="R3")
    assert world.kinds() == [("received_twice", 1), ("received_twice", 1)]
    assert world.state().on_hand == 3


def test_a_logistic_unit_comes_once(world: ReceivingWorld) -> None:
    world.advise(line(4, sscc=SSCC), line(6))
    world.receive(got(4, sscc=SSCC))
    world.receive(got(4, sscc=SSCC), receipt_id="R2")
    assert world.kinds() == [("received_twice", 4)]
    assert (world.state().on_hand, world.state().incoming) == (4, 6)


def test_a_line_of_the_logistic_unit_is_filled_first(world: ReceivingWorld) -> None:
    world.advise(line(4), line(6, sscc=SSCC))
    advice = world.receive(got(6, sscc=SSCC))
    assert [advised.received for advised in advice.lines] == [0, 6]


def test_what_does_not_come_is_short_when_the_despatch_is_closed(world: ReceivingWorld) -> None:
    world.advise(line(3, epcs=tags(1, 3)), line(4, OTHER_GTIN, sscc=SSCC))
    world.receive(got(2, epcs=tags(1, 2)))
    advice = world.close()
    short, other = world.discrepancies()
    assert (short.kind, short.quantity, short.epcs) == ("short", 1, tags(3, 3))
    assert (other.kind, other.quantity, other.sscc) == ("short", 4, SSCC)
    assert (advice.status, [advised.short for advised in advice.lines]) == ("closed", [1, 4])
    assert (world.state().incoming, world.state(OTHER_GTIN).incoming) == (0, 0)
    assert world.accepted(CloseDespatch(store=STORE, despatch_id="D1")).is_idle


def test_every_discrepancy_is_told_once_and_has_an_id_of_its_own(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(12), got(1, THIRD_GTIN))
    told = [(notice.kind, notice.subject) for notice in world.committed.notices]
    assert told == [("discrepancy_found", "D1-1"), ("discrepancy_found", "D1-2")]


def test_strict_receiving_withholds_what_deviates_and_nothing_else(world: ReceivingWorld) -> None:
    world.advise(line(10), is_strict=True)
    world.receive(got(12), got(1, THIRD_GTIN), got(1, condition="damaged"))
    state = world.state()
    assert (state.on_hand, state.quality_control, state.damaged, state.sellable) == (13, 2, 1, 10)
    assert world.state(THIRD_GTIN).sellable == 0


def test_goods_that_a_count_has_already_seen_are_not_counted_twice(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.facts(counted(10))
    world.accepted(receipt(got(10), occurred_at_ms=NOW_MS - 60_000))
    state = world.state()
    assert (state.on_hand, state.incoming) == (10, 0)


def resolved(world: ReceivingWorld, number: int = 1) -> Discrepancy:
    return world.discrepancies()[number - 1]


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize(
    ("resolution", "on_hand", "moved", "lost"),
    [("accepted", 12, 0, 0), ("rejected", 10, 2, 0), ("written_off", 10, 0, 2)],
)
def test_what_is_over_stays_or_leaves(
    world: ReceivingWorld, is_strict: bool, resolution: str, on_hand: int, moved: int, lost: int
) -> None:
    world.advise(line(10), is_strict=is_strict)
    world.receive(got(12))
    assert isinstance(world.resolve("D1-1", resolution), Done)  # type: ignore[arg-type] # Listed above.
    state = world.state()
    assert (state.on_hand, state.moved, state.lost) == (on_hand, moved, lost)
    assert (state.unavailable, state.sellable) == (0, on_hand)
    assert (resolved(world).status, resolved(world).resolution) == ("resolved", resolution)


@pytest.mark.parametrize(
    ("resolution", "sellable", "on_hand"),
    [("accepted", 10, 10), ("rejected", 8, 8), ("written_off", 8, 8), ("noted", 8, 10)],
)
def test_damaged_goods_are_sold_after_all_sent_back_or_lost(
    world: ReceivingWorld, resolution: str, sellable: int, on_hand: int
) -> None:
    world.advise(line(10))
    world.receive(got(8), got(2, condition="damaged"))
    assert isinstance(world.resolve("D1-1", resolution), Done)  # type: ignore[arg-type] # Listed above.
    assert (world.state().sellable, world.state().on_hand) == (sellable, on_hand)


def test_a_discrepancy_is_settled_part_by_part(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(15))
    assert isinstance(world.resolve("D1-1", "accepted", quantity=2), Done)
    assert resolved(world).unsettled == 3
    too_much = world.resolve("D1-1", "rejected", quantity=4)
    assert isinstance(too_much, Refused)
    assert isinstance(world.resolve("D1-1", "rejected"), Done)
    assert world.state().on_hand == 12
    assert [(part.resolution, part.quantity) for part in resolved(world).settled] == [
        ("accepted", 2),
        ("rejected", 3),
    ]


def test_what_was_short_turns_up(world: ReceivingWorld) -> None:
    world.advise(line(10, epcs=tags(1, 10)))
    world.receive(got(8, epcs=tags(1, 8)))
    world.close()
    assert isinstance(world.resolve("D1-1", "found"), Done)
    advice = world.advice()
    assert (advice.lines[0].received, advice.lines[0].short) == (10, 0)
    assert set(advice.lines[0].arrived) == set(tags(1, 10))
    assert world.state().on_hand == 10


def test_what_was_short_is_lost_on_the_way_and_never_was_here(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.close()
    before = world.state()
    assert isinstance(world.resolve("D1-1", "written_off"), Done)
    assert world.state() == before
    assert world.advice().lines[0].short == 10


def test_what_was_received_twice_may_be_other_goods_after_all(world: ReceivingWorld) -> None:
    world.advise(line(4, sscc=SSCC))
    world.receive(got(4, sscc=SSCC))
    world.receive(got(4, sscc=SSCC), receipt_id="R2")
    assert isinstance(world.resolve("D1-1", "accepted"), Done)
    assert world.state().on_hand == 8


def test_what_was_received_twice_is_the_same_goods(world: ReceivingWorld) -> None:
    world.advise(line(4, sscc=SSCC))
    world.receive(got(4, sscc=SSCC))
    world.receive(got(4, sscc=SSCC), receipt_id="R2")
    assert isinstance(world.resolve("D1-1", "rejected"), Done)
    assert world.state().on_hand == 4


@pytest.mark.parametrize("resolution", ["found", "accepted"])
def test_a_discrepancy_is_resolved_once_and_as_its_kind_allows(
    world: ReceivingWorld, resolution: str
) -> None:
    world.advise(line(10))
    world.receive(got(12))
    world.resolve("D1-1", "accepted")
    again = world.resolve("D1-1", resolution)  # type: ignore[arg-type] # Listed above.
    assert isinstance(again, Refused)
    assert again.reason == "wrong_status"


def test_what_is_here_cannot_be_found(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(12))
    answer = world.resolve("D1-1", "found")
    assert isinstance(answer, Refused)
    assert (answer.reason, "accepted" in answer.detail) == ("invalid", True)
    unknown = world.resolve("D1-2", "accepted")
    assert isinstance(unknown, Refused)
    assert unknown.reason == "unknown"


def test_goods_that_were_sold_cannot_be_sent_back(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(12))
    world.facts(sold(11))
    answer = world.resolve("D1-1", "rejected")
    assert isinstance(answer, Refused)
    assert answer.reason == "insufficient"
    assert resolved(world).is_open


def test_what_comes_after_closing_is_found_as_far_as_it_was_short(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(6))
    world.close()
    advice = world.receive(got(3), receipt_id="R2")
    assert (advice.lines[0].received, advice.lines[0].short) == (9, 1)
    assert resolved(world).unsettled == 1
    world.receive(got(3), receipt_id="R3")
    assert world.kinds() == [("short", 4), ("over", 2)]
    assert resolved(world).resolution == "found"
    assert (world.state().on_hand, world.state().incoming) == (12, 0)
    assert world.advice().status == "closed"


def test_what_comes_after_it_was_written_off_is_over(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.close()
    world.resolve("D1-1", "written_off")
    world.receive(got(10))
    assert world.kinds() == [("short", 10), ("over", 10)]


def test_what_comes_after_everything_came_is_over(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.receive(got(10))
    assert world.receive(got(1), receipt_id="R2").status == "received"
    assert world.kinds() == [("over", 1)]


def with_reorder(world: ReceivingWorld) -> str:
    policy = Policy(reorder_point=5, order_up_to=20)
    world.shard.commit([SetPolicy(store=STORE, gtin=GTIN, policy=policy)], NOW_MS)
    world.facts(counted(2))
    return f"{STORE}-{GTIN}-1"


def test_a_despatch_marks_the_reorder_that_it_answers_and_fills_it(world: ReceivingWorld) -> None:
    reorder_id = with_reorder(world)
    world.advise(line(18), reorder_id=reorder_id, expected_at_ms=NOW_MS + 5)
    reorder = world.state().reorder
    assert reorder is not None
    assert (reorder.status, reorder.reference, reorder.expected_at_ms) == (
        "despatched",
        "D1",
        NOW_MS + 5,
    )
    assert world.state().position == 20
    world.receive(got(18))
    reorder = world.state().reorder
    assert reorder is not None
    assert (reorder.status, reorder.received) == ("received", 18)


@pytest.mark.parametrize(
    "reorder_id",
    [f"{STORE}-{GTIN}-2", f"{STORE}-{OTHER_GTIN}-1", f"S002-{GTIN}-1", "nonsense", "a-b-c"],
)
def test_a_despatch_for_a_reorder_that_never_was_is_refused(
    world: ReceivingWorld, reorder_id: str
) -> None:
    with_reorder(world)
    assert world.refusal(advise(line(18), line(1, THIRD_GTIN), reorder_id=reorder_id)) == "unknown"


def test_goods_of_a_reorder_that_has_ended_are_on_their_way_all_the_same(
    world: ReceivingWorld,
) -> None:
    reorder_id = with_reorder(world)
    world.advise(line(18), despatch_id="D0")
    world.receive(got(18), despatch_id="D0")
    world.advise(line(18), reorder_id=reorder_id)
    reorder = world.state().reorder
    assert reorder is not None
    assert reorder.status in ("received", "cancelled")
    assert world.state().incoming == 18
