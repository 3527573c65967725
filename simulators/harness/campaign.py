"""Many seeds, on all cores: what was injected, what was violated, and how to see it again."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from simulators.harness.plan import STORES, Plan, draw_plan
from simulators.harness.shrinking import shrink
from simulators.harness.simulation import Outcome, simulate

DAY_S: Final = 86_400
MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 # Simulated disks need no real one.


class Totals(Struct, kw_only=True):
    """What a campaign did."""

    seeds: int = 0
    failed: list[Outcome] = field(default_factory=list)
    virtual_s: float = 0.0
    till_lines: int = 0
    reservations: int = 0
    commits: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    converged_in_s_max: float = 0.0

    @property
    def store_days(self) -> float:
        """Virtual days of all stores together."""
        return self.virtual_s * len(STORES) / DAY_S

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self.seeds += 1
        if outcome.violations:
            self.failed.append(outcome)
        self.virtual_s += outcome.virtual_s
        self.till_lines += outcome.till_lines
        self.reservations += outcome.reservations
        self.commits += outcome.commits
        self.faults.update(outcome.faults)
        self.converged_in_s_max = max(self.converged_in_s_max, outcome.converged_in_s)


def run_plan(plan: Plan) -> Outcome:
    """Run a plan in a folder of its own, that is gone afterwards."""
    base = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="stocktruth-simulate-", dir=base))
    try:
        return simulate(plan, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_seed(seed: int, always: Collection[str] = ()) -> Outcome:
    """Run the plan of a seed, with these kinds of fault always on."""
    return run_plan(draw_plan(seed, always))


def run_seeds(seeds: Iterable[int], processes: int) -> Iterator[Outcome]:
    """Yield outcomes as they come, from so many processes."""
    if processes == 1:
        yield from map(run_seed, seeds)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for running in as_completed([pool.submit(run_seed, seed) for seed in seeds]):
            yield running.result()


def shortest(plan: Plan, told: Callable[[Plan], None] | None = None) -> Plan:
    """Return the plan with as few faults as lead to a violation of the same promise."""
    wanted = kinds(run_plan(plan))
    return shrink(plan, partial(_fails_alike, wanted, told))


def kinds(outcome: Outcome) -> set[str]:
    """Return which promises were violated."""
    return {violation.split(":", 1)[0] for violation in outcome.violations}


def _fails_alike(wanted: set[str], told: Callable[[Plan], None] | None, plan: Plan) -> bool:
    if told is not None:
        told(plan)
    return bool(kinds(run_plan(plan)) & wanted)
