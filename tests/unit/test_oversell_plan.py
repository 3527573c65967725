"""What an oversell run attempts, counts and says."""

from collections import Counter

from msgspec.structs import replace

from simulators.audit.report import AuditReport
from simulators.oversell.outcome import OversellOutcome, outcome_of
from simulators.oversell.plan import HOLD_MS_MAX, HOLD_MS_MIN, Plan
from simulators.oversell.tally import Tally

GTINS = [f"{number:014d}" for number in range(20)]
STORES = ["A", "B"]


def test_the_same_seed_gives_the_same_attempts_in_any_order() -> None:
    forwards = [Plan(7, STORES, GTINS).attempt(n) for n in range(100)]
    plan = Plan(7, STORES, GTINS)
    assert [plan.attempt(n) for n in reversed(range(100))] == forwards[::-1]
    assert forwards != [Plan(8, STORES, GTINS).attempt(n) for n in range(100)]


def test_a_run_has_everything_in_it() -> None:
    attempts = [Plan(1, STORES, GTINS).attempt(n) for n in range(1_000)]
    assert {attempt.manner for attempt in attempts} == {
        "once",
        "twice_at_once",
        "impatient",
        "again_later",
    }
    assert len({attempt.sequel for attempt in attempts}) == 7
    assert {attempt.store for attempt in attempts} == set(STORES)
    assert any(len(attempt.lines) > len(attempt.quantities) for attempt in attempts)
    assert all(HOLD_MS_MIN <= attempt.hold_ms <= HOLD_MS_MAX for attempt in attempts)


def test_some_articles_are_contested_more_than_others() -> None:
    attempts = [Plan(1, STORES, GTINS).attempt(n) for n in range(1_000)]
    wanted = Counter(gtin for attempt in attempts for gtin, _ in attempt.lines)
    assert wanted[GTINS[0]] > 2 * wanted[GTINS[-1]]


def test_lines_of_one_gtin_are_one_quantity() -> None:
    attempt = Plan(1, STORES, GTINS).attempt(1)._replace(lines=(("a", 2), ("b", 1), ("a", 3)))
    assert attempt.quantities == {"a": 5, "b": 1}


def test_percentiles_are_nearest_rank() -> None:
    tally = Tally()
    assert tally.percentile_ms(99) == 0.0
    tally.latencies_ms.extend(range(1, 101))
    assert (tally.percentile_ms(50), tally.percentile_ms(99)) == (50, 99)


def an_outcome() -> OversellOutcome:
    tally = Tally()
    tally.attempts, tally.granted, tally.requests = 480, 150, 600
    tally.refused["insufficient"] = 330
    report = AuditReport(
        inputs=300,
        grants=150,
        granted_lines=200,
        sku_locations=60,
        endings={"expired": 100, "short": 2},
        violations=0,
        named=[],
    )
    return outcome_of(
        tally, seed=1, clients=64, trading_s=2.0, audit=report, verify=(0, "identical")
    )


def test_an_outcome_says_how_fast_and_that_nothing_was_oversold() -> None:
    lines = list(an_outcome().lines())
    assert lines[0].startswith(
        "480 attempts by 64 clients in 2.0 s: 240 attempts/s, 300 requests/s"
    )
    assert "granted 150; refused: 330 insufficient" in lines
    assert any("100 expired, 2 short" in line for line in lines)
    assert lines[-1] == "verdict: never oversold"
    assert an_outcome().is_good


def test_any_violation_or_server_error_or_difference_fails_the_run() -> None:
    good = an_outcome()
    bad_audit = replace(good.audit, violations=1, named=["oversold"])
    for bad in (
        replace(good, audit=bad_audit),
        replace(good, server_errors={"500": 1}),
        replace(good, verify_status=1),
    ):
        assert not bad.is_good
        assert list(bad.lines())[-1] == "verdict: FAILED"
    assert "audit violation: oversold" in list(replace(good, audit=bad_audit).lines())
