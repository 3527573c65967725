"""A run over a tiny store: what goes right is right, and what goes wrong is named."""

from protocol.ids import StoreId
from simulators.truth.closing import LEDGER_ONLY, SWEEP_ONLY, US
from simulators.truth.outcome import StoreOutcome
from simulators.truth.store_run import StoreRun
from simulators.truth.trace import Trace
from tests.truth_world import TinySettings, TinyStore

DAYS = 5


def run(settings: TinySettings, trace: Trace | None = None, seed: int = 3) -> StoreOutcome:
    store = TinyStore(settings, seed)
    store_run = StoreRun(StoreId("S001"), store, recounts_per_day=2, seed=1, trace=trace)
    return store_run.run(DAYS, lambda: None)


def test_a_store_without_mishaps_is_counted_exactly_every_day() -> None:
    outcome = run(TinySettings())

    assert [each.accuracy[US].exact_share for each in outcome.closings] == [1.0] * DAYS
    assert [each.accuracy[LEDGER_ONLY].exact_share for each in outcome.closings] == [1.0] * DAYS
    assert outcome.wrong == []


def test_a_sweep_is_wrong_again_until_the_next_one() -> None:
    outcome = run(TinySettings())

    assert outcome.closings[1].accuracy[SWEEP_ONLY].exact_share < 1.0


def test_every_crossing_is_told_the_right_way() -> None:
    outcome = run(TinySettings())

    assert all(score.right > 0 for score in outcome.directions.values())
    assert all(score.accuracy == 1.0 for score in outcome.directions.values())
    assert all(score.invented == 0 for score in outcome.directions.values())


def test_thefts_make_counts_wrong_and_are_named_as_the_cause() -> None:
    outcome = run(TinySettings(thefts_per_day=2, sweep_every_days=100))

    assert outcome.thefts[LEDGER_ONLY].stolen == 2 * DAYS
    assert outcome.thefts[LEDGER_ONLY].noticed_share < 1.0
    assert {each.causes[0] for each in outcome.wrong} == {"theft"}


def test_nothing_of_a_run_is_refused_by_the_cloud() -> None:
    outcome = run(TinySettings(thefts_per_day=1, read=0.9, wrong_item=0.2, short_units=1))

    assert not outcome.quarantined
    assert outcome.facts > 100


def test_the_same_seed_gives_the_same_outcome() -> None:
    settings = TinySettings(thefts_per_day=1, read=0.9, wrong_item=0.2)
    first, second = run(settings), run(settings)

    assert [each.accuracy for each in first.closings] == [each.accuracy for each in second.closings]
    assert first.wrong == second.wrong
    assert first.closings[-1].calibration.histogram == second.closings[-1].calibration.histogram


def test_a_trace_tells_the_story_of_one_article() -> None:
    lines: list[str] = []
    gtin = next(iter(TinyStore(TinySettings()).skus))
    run(TinySettings(thefts_per_day=2), Trace(gtin, lines.append))

    assert any("said 5, book 5" in line for line in lines)
    assert any("fact TagsSwept" in line for line in lines)
