"""Which tags are in the box, and which are strays of the shop around it."""

import pytest

from edge.sensing.goods_in import Background, GoodsIn, JudgedTag, Judgement, judge, received
from edge.sensing.goods_in_features import log_rate, novelty
from edge.sensing.goods_in_reads import BLOCK_READS, BLOCKS_MAX, SessionReads
from edge.sensing.readings import TagReading
from protocol.facts import GoodsReceived
from protocol.ids import Epc, gtin_of_tag
from tests.goods_in_shop import box_epc, epcs_in, recording, stray_epc

NO_GTIN = Epc(bytes.fromhex("E28011700000020D350CAB2F"))


def _told(judgement: Judgement) -> set[Epc]:
    return {tag.epc for tag in judgement.tags if tag.probability >= 0.5}


def _reading(epc: Epc, at_ms: int, antenna: int = 0, count: int = 1) -> TagReading:
    return TagReading("dock", antenna, epc, -60.0, at_ms, at_ms, count)


def test_a_box_is_told_from_the_shop_around_it() -> None:
    judgement = judge("1", recording(1, 1).reads())

    assert _told(judgement) == epcs_in(1)
    assert len(judgement.of("stray")) > 50


@pytest.mark.parametrize("gain_db", [-12.0, 12.0])
def test_what_the_reader_calls_0_dbm_changes_no_probability(gain_db: float) -> None:
    plain = judge("1", recording(1, 1).reads())
    moved = judge("1", recording(1, 1, gain_db=gain_db).reads())

    probabilities = {tag.epc: tag.probability for tag in plain.tags}
    for tag in moved.tags:
        assert tag.probability == pytest.approx(probabilities[tag.epc], abs=1e-6)


@pytest.mark.parametrize("every", [2, 3])
def test_lost_reads_do_not_change_what_is_in_the_box(every: int) -> None:
    reads = SessionReads()
    reads.observe(recording(1, 1).readings[::every])

    assert _told(judge("1", reads)) == epcs_in(1)


def test_one_beam_is_enough() -> None:
    reads = SessionReads()
    reads.observe(r for r in recording(1, 1).readings if r.antenna == 0)

    assert _told(judge("1", reads)) == epcs_in(1)


def test_ten_seconds_are_enough() -> None:
    judgement = judge("1", recording(1, 1, seconds=10.0).reads())

    assert len(_told(judgement) ^ epcs_in(1)) <= 1


def test_each_decision_says_what_it_rests_on() -> None:
    first = judge("1", recording(1, 1).reads()).tags[0]

    assert first.verdict == "in_box"
    assert "blocks" in first.basis
    assert "spread" in first.basis
    assert len(first.basis) <= 200


def test_a_station_knows_the_strays_of_earlier_boxes() -> None:
    station = GoodsIn()
    for box in (1, 2):
        station.start(str(box))
        station.observe(recording(box, 1).readings)
        station.stop()
    station.start("3")
    station.observe(recording(3, 1, box_dbm=-66.0).readings)
    judgement = station.stop()

    assert judgement is not None
    assert _told(judgement) == epcs_in(3)
    assert "with other boxes" in judgement.tags[0].basis


def test_a_box_that_is_read_again_does_not_find_its_own_tags_among_the_strays() -> None:
    station = GoodsIn()
    results = []
    for box, number in ((1, 1), (2, 1), (2, 2)):
        station.start(str(box))
        station.observe(recording(box, number).readings)
        results.append(station.stop())

    assert results[2] is not None
    assert _told(results[2]) == epcs_in(2)


def test_goods_leave_no_trace_in_the_background() -> None:
    background = Background()
    background.learn(judge("1", recording(1, 1).reads()))
    shares = background.shares("2")

    assert shares is not None
    assert max(shares.get(epc, 0.0) for epc in epcs_in(1)) < 0.1
    assert background.shares("1") is None


def test_a_session_can_be_asked_before_it_is_over() -> None:
    station = GoodsIn()
    station.start("1")
    half = len(recording(1, 1).readings) // 2
    station.observe(recording(1, 1).readings[:half])
    early = station.so_far()
    station.observe(recording(1, 1).readings[half:])
    late = station.stop()

    assert early is not None
    assert late is not None
    assert _told(early) == _told(late) == epcs_in(1)


def test_in_pieces_or_at_once_comes_to_the_same() -> None:
    at_once, in_pieces = recording(1, 1).reads(), SessionReads()
    for reading in recording(1, 1).readings:
        in_pieces.observe([reading])

    assert judge("1", at_once) == judge("1", in_pieces)


def test_readings_without_a_box_are_nobodys() -> None:
    station = GoodsIn()
    station.observe(recording(1, 1).readings)

    assert station.so_far() is None
    assert station.stop() is None


def test_nothing_read_is_nothing_received() -> None:
    station = GoodsIn()
    station.start("1")

    assert station.stop() == Judgement("1", [], 0)


def test_a_single_tag_read_all_the_time_raises_nothing() -> None:
    reads = SessionReads()
    reads.observe(_reading(box_epc(1, 1), at_ms) for at_ms in range(0, 4_000, 10))

    assert len(judge("1", reads).tags) == 1


def test_a_report_of_many_reads_counts_as_many() -> None:
    reads = SessionReads()
    reads.observe([_reading(box_epc(1, 1), 0, count=5), _reading(box_epc(1, 2), 1)])

    assert [trace.reads for trace in reads.traces()] == [5, 1]


def test_a_session_that_never_ends_keeps_to_its_bound_and_counts_the_rest() -> None:
    reads = SessionReads()
    bound = BLOCKS_MAX * BLOCK_READS
    reads.observe(_reading(box_epc(1, 1), 0, count=BLOCK_READS) for _ in range(BLOCKS_MAX + 2))

    assert reads.block_count == BLOCKS_MAX
    assert reads.traces()[0].reads == bound
    assert reads.ignored_reads == 2 * BLOCK_READS


def test_only_what_is_sure_and_has_a_gtin_is_booked() -> None:
    sure, unsure, stray = box_epc(1, 1), box_epc(1, 2), stray_epc(1)
    judgement = Judgement(
        "1",
        [
            JudgedTag(sure, 0.97, "in_box", 0.9, "read in 9 of 10 blocks"),
            JudgedTag(NO_GTIN, 0.95, "in_box", 0.9, "read in 9 of 10 blocks"),
            JudgedTag(unsure, 0.6, "unsure", 0.5, ""),
            JudgedTag(stray, 0.01, "stray", 0.1, ""),
        ],
        0,
    )
    facts = received(judgement, "backroom", 1_000)

    assert [type(fact) for fact in facts] == [GoodsReceived]
    fact = facts[0]
    assert isinstance(fact, GoodsReceived)
    assert (fact.gtin, fact.quantity, fact.zone) == (gtin_of_tag(sure), 1, "backroom")
    assert (fact.evidence, fact.confidence) == ("portal", 0.95)
    assert fact.basis == "read in 9 of 10 blocks"


def test_presence_is_the_logarithm_of_a_rate() -> None:
    assert log_rate(1 - 0.36787944117) == pytest.approx(0.0, abs=1e-6)
    assert log_rate(0.9) - log_rate(0.1) == pytest.approx(3.0844, abs=1e-3)


def test_novelty_is_bounded_and_nothing_for_what_was_always_there() -> None:
    assert novelty(0.5, 0.5, 100) == 0
    assert novelty(1.0, 0.0, 100) == 3.0
    assert novelty(0.0, 1.0, 100) == -1.0
