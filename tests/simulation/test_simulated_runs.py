"""The deterministic simulation itself: it repeats, it finds what is planted, it shrinks."""

import json
import os
import subprocess
import sys

import pytest

from simulators.harness.campaign import kinds, run_plan, run_seed
from simulators.harness.canaries import CANARIES, run_planted
from simulators.harness.plan import FAULTS_FOR_S, Plan, draw_plan
from simulators.harness.shrinking import shrink


def simulate(*arguments: str, hash_seed: str = "random") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "simulators", "simulate", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment
    )


@pytest.mark.parametrize(
    "always", [(), ("clone", "drop", "delay_ms"), ("power_cut", "sync_fails"), ("take_over",)]
)
def test_every_promise_holds(always: tuple[str, ...]) -> None:
    outcome = run_seed(3, always)
    assert outcome.violations == []
    assert outcome.till_lines > 0
    assert outcome.faults


def test_the_same_seed_gives_the_same_trace_in_every_process() -> None:
    outcomes = [
        json.loads(simulate("--seed", "5", "--json", hash_seed=hash_seed).stdout)
        for hash_seed in ("1", "2")
    ]
    assert outcomes[0]["violations"] == []
    assert outcomes[0]["trace"] == outcomes[1]["trace"]
    assert outcomes[0]["turns"] == outcomes[1]["turns"]


def test_another_seed_gives_another_trace() -> None:
    assert run_seed(6).trace != run_seed(7).trace


@pytest.mark.parametrize(
    ("name", "seed", "promise"),
    [
        ("trim-when-sent", 2, "nothing lost"),
        ("no-fence", 1, "one writer"),
        ("by-chance", 1, "same truth twice"),
        ("key-forgotten", 1, "doubled"),
    ],
)
def test_a_planted_bug_is_noticed_by_the_checker_of_its_promise(
    name: str, seed: int, promise: str
) -> None:
    assert promise in run_planted(name, seed)


def test_a_bug_is_gone_when_it_was_dug_out() -> None:
    run_planted("trim-when-sent", 2)
    assert run_seed(2, CANARIES["trim-when-sent"].needs).violations == []


def test_a_failing_plan_is_shrunk_to_the_faults_that_it_needs() -> None:
    plan = next(p for p in map(draw_plan, range(100)) if len(p.strikes) > 6 and len(p.weather) > 3)
    needed = {plan.strikes[2].number, plan.strikes[5].number}
    weather = sorted(plan.weather)[1]

    def fails(candidate: Plan) -> bool:
        strikes = {strike.number for strike in candidate.strikes}
        return needed <= strikes and weather in candidate.weather

    short = shrink(plan, fails)
    assert {strike.number for strike in short.strikes} == needed
    assert set(short.weather) == {weather}


def test_a_plan_without_faults_is_a_quiet_day() -> None:
    plan = draw_plan(1)
    quiet = plan.without(set(plan.weather), {strike.number for strike in plan.strikes})
    outcome = run_plan(quiet)
    assert (outcome.violations, outcome.faults) == ([], {})
    assert outcome.virtual_s >= FAULTS_FOR_S


def test_every_kind_of_fault_is_drawn_by_some_seed() -> None:
    plans = [draw_plan(seed) for seed in range(300)]
    drawn = {strike.kind for plan in plans for strike in plan.strikes}
    assert {"kill", "power_cut", "take_over", "clone", "restore_image", "crash"} <= drawn
    assert any(plan.has_counts for plan in plans)


def test_a_seed_is_told_apart_from_a_campaign() -> None:
    done = simulate("--seeds", "1", "--strikes", "1")
    assert done.returncode == 2
    assert "belong to --seed" in done.stderr


def test_a_campaign_counts_what_it_injected() -> None:
    done = simulate("--seeds", "2", "--first", "2", "--processes", "1", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["runs"], report["violating"]) == (0, 2, [])
    assert report["faults_total"] == sum(report["faults"].values()) > 0
    assert kinds(run_seed(2)) == set()
