"""Portals: which way a tag went, how sure that is, and what is no crossing at all."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensing.layout import Side
from edge.sensing.portal import (
    BINS_MAX,
    EARLY_CONFIDENCE,
    REST_MS,
    RSSI_UNKNOWN_DBM,
    Crossing,
    Passage,
)
from edge.sensing.portal_score import DOUBTFUL_MAX, READS_MIN
from protocol.facts import GoodsReceived
from simulators.crossings import SURE, Crossings

SETTLE_MS, CONFIDENCE_MIN = 300, 0.6
Read = tuple[Side, int, float]


def walk(
    from_side: Side, start_ms: int = 0, pace: float = 1.0, peak_dbm: float = -40.0
) -> list[Read]:
    """Return the reads of a tag that is carried through: each side's level rises and falls."""
    to_side: Side = "inside" if from_side == "outside" else "outside"
    reads: list[Read] = []
    for step in range(30):
        at_ms = start_ms + int(step * 100 / pace)
        for side, middle in ((from_side, 10), (to_side, 19)):
            level_dbm = peak_dbm - 0.35 * (step - middle) ** 2
            if level_dbm > -70:
                reads.append((side, at_ms, level_dbm))
    return reads


def passage(reads: list[Read], count: int = 1) -> Passage:
    told = Passage()
    for side, at_ms, level_dbm in reads:
        told.read(side, at_ms, at_ms, level_dbm, count)
    return told


def over(told: Passage, confidence_min: float = CONFIDENCE_MIN) -> Crossing | None:
    return told.crossing(told.last_ms + 20_000, SETTLE_MS, confidence_min, is_over=True)


def early(told: Passage, now_ms: int) -> Crossing | None:
    return told.crossing(now_ms, SETTLE_MS, CONFIDENCE_MIN, is_over=False)


@pytest.mark.parametrize("from_side", ["outside", "inside"])
@pytest.mark.parametrize("pace", [0.4, 1.0, 2.0])
@pytest.mark.parametrize("peak_dbm", [-55.0, -40.0, -25.0])
def test_a_tag_that_is_carried_through_went_through(
    from_side: Side, pace: float, peak_dbm: float
) -> None:
    crossing = over(passage(walk(from_side, pace=pace, peak_dbm=peak_dbm)))
    assert crossing is not None
    assert crossing.to_side != from_side
    assert crossing.confidence >= SURE


def test_a_plain_crossing_is_told_while_the_tag_is_still_there() -> None:
    told = Passage()
    reads = walk("outside") + [("inside", 3_000 + 100 * step, -60.0) for step in range(20)]
    for side, at_ms, level_dbm in reads:
        told.read(side, at_ms, at_ms, level_dbm, 1)
        crossing = early(told, at_ms)
        if crossing is not None:
            assert crossing.to_side == "inside"
            assert crossing.confidence >= EARLY_CONFIDENCE
            assert crossing.at_ms == at_ms < reads[-1][1]
            return
    raise AssertionError("it was not told")


def test_a_crossing_is_told_once_and_the_way_back_is_another() -> None:
    told = passage(walk("outside"))
    assert over(told) is not None
    assert over(told) is None
    for side, at_ms, level_dbm in walk("inside", start_ms=3_000 + REST_MS + 500):
        told.read(side, at_ms, at_ms, level_dbm, 1)
    back = over(told)
    assert back is not None
    assert back.to_side == "outside"


def test_what_is_read_on_one_side_only_has_not_crossed() -> None:
    assert over(passage([("outside", 100 * step, -40.0) for step in range(50)])) is None


def test_a_tag_that_hangs_between_both_sides_has_not_crossed() -> None:
    rng = Random(1)
    told = Passage()
    for at_ms in range(0, 600_000, 50):
        side: Side = "inside" if rng.random() < 0.4 else "outside"
        told.read(side, at_ms, at_ms, rng.gauss(-55, 4), 1)
        assert early(told, at_ms) is None
    assert over(told) is None
    assert len(told._bins) <= BINS_MAX


def test_a_tag_that_comes_up_to_the_portal_and_goes_back_has_not_crossed() -> None:
    there = [read for read in walk("inside") if read[1] <= 1_400]
    back = [(side, 2_800 - at_ms, level_dbm) for side, at_ms, level_dbm in there]
    assert over(passage(sorted(there + back, key=lambda read: read[1]))) is None


def test_a_few_weak_reads_are_never_sure() -> None:
    reads: list[Read] = [("outside", 0, -70.0), ("inside", 1_000, -71.0)]
    crossing = over(passage(reads), 0.0)
    assert crossing is None or crossing.confidence <= DOUBTFUL_MAX
    few = over(passage([("outside", 0, -40.0), ("inside", 1_000, -40.0)] * (READS_MIN - 1)), 0.0)
    assert few is None or few.confidence <= DOUBTFUL_MAX


def test_what_is_too_unsure_is_not_told() -> None:
    reads: list[Read] = [("outside", 0, -50.0), ("inside", 1_000, -50.0)]
    crossing = over(passage(reads))
    assert crossing is not None
    assert over(passage(reads), crossing.confidence + 0.01) is None


def test_a_stop_in_the_doorway_does_not_hide_the_way() -> None:
    first = [read for read in walk("outside") if read[1] <= 1_400]
    rest = [(side, at_ms + 6_000, dbm) for side, at_ms, dbm in walk("outside") if at_ms > 1_400]
    crossing = over(passage(first + rest))
    assert crossing is not None
    assert crossing.to_side == "inside"


def test_readers_that_tell_no_level_still_tell_the_way() -> None:
    crossing = over(passage([(side, at_ms, RSSI_UNKNOWN_DBM) for side, at_ms, _ in walk("inside")]))
    assert crossing is not None
    assert crossing.to_side == "outside"


def test_the_basis_says_what_each_side_read() -> None:
    reads: list[Read] = [("outside", 100 * step, -55.0) for step in range(9)]
    reads += [("inside", 600 + 100 * step, -52.0) for step in range(9)]
    crossing = over(passage(reads), 0.0)
    assert crossing is not None
    assert crossing.basis == (
        "outside 9 reads 0.0 to 0.8 s, peak -55 dBm; inside 9 reads 0.6 to 1.4 s, peak -52 dBm"
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["outside", "inside"]),
            st.integers(0, 10**15),
            st.integers(0, 5_000),
            st.floats(-200, 50, allow_nan=False),
            st.integers(0, 65_535),
        ),
        max_size=40,
    )
)
def test_any_reads_in_any_order_lead_to_a_probability_or_to_nothing(
    reads: list[tuple[Side, int, int, float, int]],
) -> None:
    told = Passage()
    for side, at_ms, span_ms, level_dbm, count in reads:
        told.read(side, at_ms, at_ms + span_ms, level_dbm, count)
        early(told, at_ms)
    crossing = over(told, 0.0)
    if crossing is not None:
        assert 0.0 <= crossing.confidence <= 1.0
        assert math.isfinite(crossing.confidence)
        fact = GoodsReceived(
            occurred_at_ms=0,
            source="tags",
            gtin="00614141123452",
            quantity=1,
            measure="units",
            zone="backroom",
            evidence="portal",
            basis=crossing.basis,
        )
        assert len(fact.basis) <= 200


def test_crossings_are_told_right_with_lingering_tags_and_strays_nearby() -> None:
    outcome = Crossings(7, lingering=10, strays=50).run(40)
    assert outcome.tags > 100
    assert outcome.accuracy >= 0.99
    assert outcome.wrong == 0
    assert outcome.decisions_wrong <= 1
    assert sum(line.decisions for line in outcome.reliability) >= outcome.right


def test_the_same_seed_gives_the_same_crossings() -> None:
    assert Crossings(8, lingering=3, strays=5).run(10) == Crossings(8, lingering=3, strays=5).run(
        10
    )
