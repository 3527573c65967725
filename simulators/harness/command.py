"""`stocktruth-sim simulate`: run seeds, count what was broken, and shrink what fails."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from simulators.harness.campaign import Totals, run_plan, run_seeds, shortest
from simulators.harness.plan import WEATHER, Plan, described, draw_plan, outage_plan
from simulators.harness.simulation import Outcome

STATUS_FAILED: Final = 1
SHRUNK_MAX: Final = 3
"""So many failing seeds are shrunk; the others are only named."""
FIXED_HASH: Final = "0"


def pin_hashes() -> None:
    """Begin anew with fixed string hashes, unless they are: sets must be walked alike each time."""
    if os.environ.get("PYTHONHASHSEED") == FIXED_HASH:
        return
    os.environ["PYTHONHASHSEED"] = FIXED_HASH
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 # Ourselves.


def run_campaign(seeds: range, processes: int, *, as_json: bool, shrinks: bool) -> int:
    """Run seeds and return the exit status."""
    errors = Console(stderr=True)
    totals = Totals()
    began_s = time.monotonic()
    with _progress(errors) as progress:
        task = progress.add_task("seeds", total=len(seeds))
        for outcome in run_seeds(seeds, processes):
            totals.add(outcome)
            if outcome.violations:
                progress.console.print(f"seed {outcome.seed}: {outcome.violations[0]}")
            progress.advance(task)
    took_s = time.monotonic() - began_s
    totals.failed.sort(key=lambda outcome: outcome.seed)
    report = _report(totals, seeds, took_s)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        _show(report, errors)
    if not totals.failed:
        return 0
    for outcome in totals.failed[: SHRUNK_MAX if shrinks else 0]:
        _shrink(draw_plan(outcome.seed), errors)
    return STATUS_FAILED


def run_one(plan: Plan, *, as_json: bool) -> int:
    """Run one plan, twice, and show everything about it."""
    outcome = run_plan(plan)
    again = run_plan(plan)
    if outcome.trace != again.trace:
        outcome.violations.append(f"determinism: {outcome.trace}, then {again.trace}")
    if as_json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    else:
        errors = Console(stderr=True)
        errors.print(described(plan))
        errors.print(f"trace {outcome.trace}, twice; {outcome.turns} turns")
        errors.print(dict(sorted(outcome.faults.items())))
        for violation in outcome.violations:
            sys.stdout.write(f"{violation}\n")
    return STATUS_FAILED if outcome.violations else 0


def plan_of(seed: int, outage_h: float) -> Plan:
    """Return the plan of a seed, or that of one long outage."""
    return outage_plan(seed, outage_h) if outage_h else draw_plan(seed)


def thinned(plan: Plan, strikes: Iterable[int] | None, weather: Iterable[str] | None) -> Plan:
    """Return the plan with only these strikes and this weather; `None` keeps all.

    Raises `ValueError` for weather that there is not.
    """
    unknown = set(weather or ()) - set(WEATHER)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: weather is one of {', '.join(WEATHER)}")
    kept_strikes = {each.number for each in plan.strikes} if strikes is None else set(strikes)
    kept_weather = set(plan.weather) if weather is None else set(weather)
    return plan.without(
        set(plan.weather) - kept_weather,
        {each.number for each in plan.strikes} - kept_strikes,
    )


def replay_command(plan: Plan) -> str:
    """Return what repeats a plan."""
    strikes = ",".join(str(strike.number) for strike in plan.strikes) or "none"
    weather = ",".join(sorted(plan.weather)) or "none"
    return f"stocktruth-sim simulate --seed {plan.seed} --strikes {strikes} --weather {weather}"


def commit() -> str:
    """Return the commit that is checked out here."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 # Whichever git is at hand.
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return found.stdout.strip() or "unknown"


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)


def _report(totals: Totals, seeds: range, took_s: float) -> dict[str, Any]:
    return {
        "commit": commit(),
        "seeds": f"{seeds.start}..{seeds.stop - 1}",
        "runs": totals.seeds,
        "violating": [outcome.seed for outcome in totals.failed],
        "store_days": round(totals.store_days, 1),
        "till_lines": totals.till_lines,
        "reservations": totals.reservations,
        "commits": totals.commits,
        "converged_in_s_max": round(totals.converged_in_s_max, 1),
        "faults": dict(sorted(totals.faults.items())),
        "faults_total": sum(totals.faults.values()),
        "seeds_per_s": round(totals.seeds / took_s, 2),
    }


def _show(report: dict[str, Any], console: Console) -> None:
    table = Table(show_header=False, box=None)
    for name, value in report.items():
        if name != "faults":
            table.add_row(name.replace("_", " "), str(value))
    for kind, count in report["faults"].items():
        table.add_row(f"  {kind}", f"{count:,}")
    console.print(table)


def _shrink(plan: Plan, console: Console) -> None:
    short = shortest(plan)
    outcome: Outcome = run_plan(short)
    console.print(f"\nseed {plan.seed} at {commit()}, shrunk to")
    console.print(described(short))
    for violation in outcome.violations:
        console.print(f"  {violation}")
    console.print(f"  {replay_command(short)}")
