"""Matching: every unit of an arrival is advised, found, or named; and only once."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.receiving.matching import Arrival, match
from cloud.records.despatch_advice import AdvisedLine
from tests.receiving_world import SSCC, ReceivingWorld, goods, got, line, tag
from tests.shard_inputs import GTIN, OTHER_GTIN

EPCS = tuple(tag(serial) for serial in range(8))

subsets = st.sets(st.sampled_from(EPCS), min_size=1).map(lambda chosen: tuple(sorted(chosen)))


@st.composite
def advised_lines(draw: st.DrawFn) -> list[AdvisedLine]:
    lines = []
    unlisted = set(EPCS)
    for _ in range(draw(st.integers(0, 4))):
        epcs: tuple[bytes, ...] = ()
        is_listed = draw(st.booleans())
        if unlisted and is_listed:
            chosen = draw(st.sets(st.sampled_from(sorted(unlisted)), min_size=1))
            unlisted -= chosen
            epcs = tuple(sorted(chosen))
        advised = len(epcs) or draw(st.integers(1, 6))
        received = draw(st.integers(0, advised))
        lines.append(
            AdvisedLine(
                gtin=draw(st.sampled_from([GTIN, OTHER_GTIN])),
                advised=advised,
                measure="units",
                received=received,
                short=draw(st.integers(0, advised - received)),
                sscc=draw(st.sampled_from(["", SSCC])),
                epcs=epcs,
            )
        )
    return lines


@given(data=st.data(), lines=advised_lines())
def test_every_unit_of_an_arrival_is_one_thing(
    data: st.DataObject, lines: list[AdvisedLine]
) -> None:
    epcs = data.draw(st.just(()) | subsets)
    arrival = Arrival(
        gtin=GTIN,
        quantity=len(epcs) or data.draw(st.integers(1, 10)),
        measure="units",
        epcs=epcs,
        sscc=data.draw(st.sampled_from(["", SSCC])),
        is_damaged=data.draw(st.booleans()),
    )
    came_before = frozenset(data.draw(st.sets(st.sampled_from(EPCS))) & set(epcs))
    findable = {
        number: data.draw(st.integers(0, known.short)) for number, known in enumerate(lines)
    }
    matched = match(lines, arrival, came_before, findable)
    found = sum(quantity for _, quantity, _ in matched.found)
    extra = [d for d in matched.deviations if d.kind != "damaged"]
    damaged = [d for d in matched.deviations if d.kind == "damaged"]
    assert matched.expected + found + sum(d.quantity for d in extra) == arrival.quantity
    assert sum(d.quantity for d in damaged) == (
        matched.expected + found if arrival.is_damaged else 0
    )
    assert all(d.quantity > 0 for d in matched.deviations)
    named = [epc for d in extra for epc in d.epcs]
    assert len(named) == len(set(named))
    if epcs:
        assert all(len(d.epcs) == d.quantity for d in matched.deviations)
        assert came_before == {e for d in extra if d.kind == "received_twice" for e in d.epcs}
    for before, after in zip(lines, matched.lines, strict=True):
        assert after.advised == before.advised == after.received + after.short + after.outstanding
        assert min(after.received - before.received, after.outstanding, after.short) >= 0
        assert before.gtin == GTIN or after == before


ways = st.sampled_from(["hand", "portal", "document"])


@given(
    listed=st.booleans(),
    arrivals=st.lists(st.tuples(ways, subsets), min_size=1, max_size=8),
    closes_after=st.integers(0, 8),
)
def test_a_tag_counts_once_however_often_and_whichever_way_it_comes(
    listed: bool, arrivals: list[tuple[str, tuple[bytes, ...]]], closes_after: int
) -> None:
    world = ReceivingWorld()
    # Something of the despatch never comes, so that it stays open until somebody closes it.
    lines = [line(5, epcs=EPCS[:5]), line(1, OTHER_GTIN)] if listed else [line(9)]
    world.advise(*lines)
    seen: set[bytes] = set()
    for number, (way, epcs) in enumerate(arrivals):
        if number == closes_after:
            world.close()
        if way == "hand":
            world.receive(got(len(epcs), epcs=epcs), receipt_id=f"R{number}")
        else:
            world.facts(goods(epcs=epcs, document="D1" if way == "document" else None))
        seen.update(epcs)
        world.check()
        assert world.state().on_hand >= len(seen)
        if number < closes_after:
            assert world.state().on_hand == len(seen)
    world.check_replay()
