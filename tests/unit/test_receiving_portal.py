"""Receiving by portal: facts find their despatch by document, tag or GTIN, and count once."""

from collections.abc import Iterator

import pytest

from cloud.receiving.expected import RECEIVED_TOGETHER_MS
from protocol.facts import TagsMoved, Zone
from tests.receiving_world import SSCC, THIRD_GTIN, ReceivingWorld, goods, got, line, tag, tags
from tests.shard_inputs import NOW_MS, OTHER_GTIN, STORE, counted, received


@pytest.fixture
def world() -> Iterator[ReceivingWorld]:
    world = ReceivingWorld()
    yield world
    world.check()
    world.check_replay()


def moved(from_zone: Zone, to_zone: Zone, epcs: tuple[bytes, ...]) -> TagsMoved:
    return TagsMoved(
        occurred_at_ms=NOW_MS,
        source="dock",
        gtin="00614141123452",
        from_zone=from_zone,
        to_zone=to_zone,
        epcs=list(epcs),
    )


def test_without_an_advice_goods_are_received_as_ever(world: ReceivingWorld) -> None:
    world.facts(goods(5), goods(epcs=tags(1, 2)), goods(3, document="D1"))
    state = world.state()
    assert (state.on_hand, state.backroom, state.received) == (10, 10, 10)
    assert list(world.journal.effects(STORE, state.gtin, 0)) == []


def test_a_document_names_its_despatch(world: ReceivingWorld) -> None:
    world.advise(line(10), despatch_id="D1")
    world.advise(line(10), despatch_id="D2")
    world.facts(goods(4, document="D2"))
    assert world.advice("D1").status == "advised"
    assert world.advice("D2").lines[0].received == 4
    assert (world.state().on_hand, world.state().incoming) == (4, 16)


def test_an_sscc_names_its_despatch_and_its_line(world: ReceivingWorld) -> None:
    world.advise(line(10), line(6, sscc=SSCC))
    world.facts(goods(6, document=SSCC))
    assert [advised.received for advised in world.advice().lines] == [0, 6]


def test_tags_find_the_despatch_that_lists_them(world: ReceivingWorld) -> None:
    world.advise(line(3, epcs=tags(1, 3)), despatch_id="D1")
    world.advise(line(3, epcs=tags(4, 6)), despatch_id="D2")
    world.facts(goods(epcs=tags(3, 5)))
    assert world.advice("D1").lines[0].arrived == tags(3, 3)
    assert world.advice("D2").lines[0].arrived == tags(4, 5)
    assert (world.state().on_hand, world.state().incoming) == (3, 3)
    assert world.kinds() == []


def test_a_gtin_fills_the_oldest_despatches_first(world: ReceivingWorld) -> None:
    world.advise(line(4), despatch_id="D9")
    world.now_ms += 1
    world.advise(line(4), despatch_id="D1")
    world.facts(goods(6))
    assert world.advice("D9").status == "received"
    assert world.advice("D1").lines[0].received == 2
    assert world.kinds() == []


def test_what_comes_as_advised_through_a_portal_closes_by_itself(world: ReceivingWorld) -> None:
    world.advise(line(3, epcs=tags(1, 3)))
    for serial in (2, 1, 3):
        world.facts(goods(epcs=tags(serial, serial)))
    assert world.advice().status == "received"
    assert world.state().incoming == 0


def test_a_fact_is_one_change_whatever_it_is_of(world: ReceivingWorld) -> None:
    world.advise(line(2), despatch_id="D1")
    world.advise(line(2), despatch_id="D2")
    before = world.state().version
    world.facts(goods(7))
    assert world.state().version == before + 1
    cause = world.state().cause
    assert cause is not None
    assert (cause.kind, cause.seq) == ("GoodsReceived", 1)


def test_what_a_fact_has_beyond_its_despatch_is_over(world: ReceivingWorld) -> None:
    world.advise(line(10))
    world.facts(goods(12))
    assert world.kinds() == [("over", 2)]
    assert (world.state().on_hand, world.state().incoming) == (12, 0)


def test_a_gtin_that_the_document_does_not_have_is_a_wrong_item(world: ReceivingWorld) -> None:
    world.advise(line(10), is_strict=True)
    world.facts(goods(1, THIRD_GTIN, document="D1"))
    assert world.kinds() == [("wrong_item", 1)]
    state = world.state(THIRD_GTIN)
    assert (state.on_hand, state.quality_control, state.sellable) == (1, 1, 0)


def test_what_crosses_the_portal_with_a_despatch_and_is_not_of_it_is_a_wrong_item(
    world: ReceivingWorld,
) -> None:
    world.advise(line(10, epcs=tags(1, 10)))
    world.facts(goods(epcs=tags(1, 8)), goods(epcs=(tag(1, THIRD_GTIN),), gtin=THIRD_GTIN))
    assert world.kinds() == [("wrong_item", 1)]
    assert world.state(THIRD_GTIN).on_hand == 1


def test_what_comes_long_after_or_another_way_is_nothing_to_do_with_a_despatch(
    world: ReceivingWorld,
) -> None:
    world.advise(line(10))
    world.now_ms += RECEIVED_TOGETHER_MS + 1
    world.facts(
        goods(8, occurred_at_ms=NOW_MS),
        goods(1, THIRD_GTIN, occurred_at_ms=world.now_ms),
        goods(1, OTHER_GTIN, occurred_at_ms=NOW_MS, evidence="presence"),
    )
    assert world.kinds() == []
    assert (world.state(THIRD_GTIN).on_hand, world.state(OTHER_GTIN).on_hand) == (1, 1)


@pytest.mark.parametrize("document", [None, "D1"])
def test_a_tag_that_no_line_lists_is_unknown(world: ReceivingWorld, document: str | None) -> None:
    world.advise(line(3, epcs=tags(1, 3)))
    world.facts(goods(epcs=(tag(1), tag(9)), document=document))
    (discrepancy,) = world.discrepancies()
    assert (discrepancy.kind, discrepancy.epcs) == ("unknown_tag", (tag(9),))
    assert (world.state().on_hand, world.state().incoming) == (2, 2)


def test_an_unknown_tag_alone_is_named_while_others_are_missing(world: ReceivingWorld) -> None:
    world.advise(line(1, epcs=tags(1, 1)))
    world.facts(goods(epcs=tags(9, 9), evidence="presence"))
    assert world.kinds() == [("unknown_tag", 1)]


@pytest.mark.parametrize("lines", [[line(5)], [line(5, epcs=tags(1, 5))]])
@pytest.mark.parametrize("document", [None, "D1"])
def test_a_tag_that_comes_twice_counts_once(
    world: ReceivingWorld, lines: list[object], document: str | None
) -> None:
    world.advise(*lines)  # type: ignore[arg-type] # Lines of a despatch, listed above.
    world.facts(goods(epcs=tags(1, 2), document=document))
    world.facts(goods(epcs=tags(2, 3), document=document))
    (discrepancy,) = world.discrepancies()
    assert (discrepancy.kind, discrepancy.epcs) == ("received_twice", tags(2, 2))
    assert (world.state().on_hand, world.state().incoming) == (3, 2)


def test_a_fact_of_nothing_but_goods_that_were_here_makes_no_version(
    world: ReceivingWorld,
) -> None:
    world.advise(line(5))
    world.facts(goods(epcs=tags(1, 2)))
    before = world.state()
    world.facts(goods(epcs=tags(1, 2)))
    assert world.state() == before
    assert world.kinds() == [("received_twice", 2)]


def test_a_tag_counts_once_after_its_despatch_was_received_too(world: ReceivingWorld) -> None:
    world.advise(line(2))
    world.facts(goods(epcs=tags(1, 2)))
    assert world.advice().status == "received"
    world.facts(goods(epcs=tags(1, 1)))
    assert world.kinds() == [("received_twice", 1)]
    assert world.state().on_hand == 2


@pytest.mark.parametrize("lines", [[line(2)], [line(2, epcs=tags(1, 2))]])
def test_another_despatch_may_bring_a_tag_again(world: ReceivingWorld, lines: list[object]) -> None:
    world.advise(line(2), despatch_id="D1")
    world.facts(goods(epcs=tags(1, 2)))
    world.advise(*lines, despatch_id="D2")  # type: ignore[arg-type] # Lines, listed above.
    world.facts(goods(epcs=tags(1, 2)))
    assert world.kinds() == []
    assert (world.advice("D2").status, world.state().received) == ("received", 4)


def test_a_unit_by_hand_and_by_portal_counts_once_by_its_tag(world: ReceivingWorld) -> None:
    world.advise(line(5))
    world.receive(got(2, epcs=tags(1, 2)))
    world.facts(goods(epcs=tags(1, 3)))
    assert world.state().on_hand == 3


def test_tags_that_come_after_closing_are_found(world: ReceivingWorld) -> None:
    world.advise(line(3, epcs=tags(1, 3)))
    world.facts(goods(epcs=tags(1, 1)))
    world.close()
    world.facts(goods(epcs=tags(3, 3)))
    (short,) = world.discrepancies()
    assert (short.unsettled, short.epcs) == (1, tags(2, 2))
    assert (world.advice().lines[0].received, world.state().on_hand) == (2, 2)
    world.facts(goods(epcs=tags(2, 2)))
    assert world.discrepancies()[0].resolution == "found"


def test_a_tag_that_was_found_is_missing_no_more_within_the_same_group_either(
    world: ReceivingWorld,
) -> None:
    world.advise(line(2, epcs=tags(1, 2)))
    world.close()
    world.facts(goods(epcs=tags(1, 1)), moved("transit", "backroom", tags(1, 1)))
    state = world.state()
    assert (state.received, state.moved, state.on_hand) == (1, -1, 2)
    assert world.kinds() == [("short", 2)]


def test_a_document_finds_a_closed_despatch_too(world: ReceivingWorld) -> None:
    world.advise(line(3, sscc=SSCC))
    world.close()
    world.facts(goods(1, document="D1"), goods(3, document=SSCC))
    assert world.kinds() == [("short", 3), ("over", 1)]
    assert world.state().on_hand == 4


def test_goods_of_an_unknown_document_are_matched_by_gtin(world: ReceivingWorld) -> None:
    world.advise(line(3))
    world.facts(goods(2, document="paper 17"))
    assert world.advice().lines[0].received == 2


def test_tags_that_are_not_one_for_each_unit_say_nothing(world: ReceivingWorld) -> None:
    world.advise(line(3, epcs=tags(1, 3)))
    world.facts(goods(2, epcs=(tag(9), tag(9))), goods(1, epcs=tags(8, 9)))
    assert world.kinds() == []
    assert world.advice().lines[0].received == 3


def test_an_advice_and_its_goods_may_come_in_one_group(world: ReceivingWorld) -> None:
    world.facts(goods(1), received(2))
    world.advise(line(3))
    world.facts(goods(2), counted(5), goods(1), goods(1))
    assert world.advice().status == "received"


def test_goods_that_left_and_come_back_are_not_received_twice(world: ReceivingWorld) -> None:
    world.advise(line(5, epcs=tags(1, 5)))
    world.facts(goods(epcs=tags(1, 2)))
    world.facts(moved("backroom", "transit", tags(1, 1)), moved("transit", "backroom", tags(1, 1)))
    state = world.state()
    assert (state.on_hand, state.moved, state.incoming) == (2, 0, 3)
    assert world.kinds() == []


def test_known_tags_that_come_back_with_a_despatch_are_received(world: ReceivingWorld) -> None:
    world.facts(goods(epcs=tags(1, 3)), moved("backroom", "transit", tags(1, 3)))
    world.advise(line(3))
    world.facts(moved("transit", "sales_floor", tags(1, 3)))
    state = world.state()
    assert (state.on_hand, state.incoming, state.backroom) == (3, 0, 0)
    assert world.advice().status == "received"


def test_a_fact_in_another_measure_is_quarantined_and_fills_nothing(
    world: ReceivingWorld,
) -> None:
    world.advise(line(3))
    world.facts(goods(500, measure="grams"))
    assert world.quarantined() == ["measure_conflict"]
    assert world.advice().status == "advised"


def test_weighed_goods_are_received_in_grams(world: ReceivingWorld) -> None:
    world.advise(line(12_500, measure="grams"))
    world.facts(goods(12_300, measure="grams"))
    world.close()
    assert (world.state().on_hand, world.kinds()) == (12_300, [("short", 200)])
