"""All stores of a run, one after the other or in processes of their own, and their sum."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import repeat
from typing import Final

from protocol.ids import StoreId
from simulators.errors import BenchmarkFailed, ScenarioInvalid
from simulators.truth.closing import nothing_yet
from simulators.truth.noisy_world import new_world, recounts_per_day
from simulators.truth.options import TruthOptions
from simulators.truth.outcome import Outcome, StoreOutcome
from simulators.truth.store_run import StoreRun
from simulators.truth.trace import Trace

PROCESSES_MAX: Final = 2

Say = Callable[[str], None]


def run(options: TruthOptions, after_days: Callable[[int], None], say: Say) -> Outcome:
    """Return what became of all stores. `after_days` hears how many more days are over.

    Raises `BenchmarkFailed` and `ScenarioInvalid`.
    """
    outcome = Outcome(options=options)
    outcome.closings = [nothing_yet() for _ in range(options.days)]
    for store in _stores(options, after_days, say):
        outcome.merge(store)
    return outcome


def _stores(
    options: TruthOptions, after_days: Callable[[int], None], say: Say
) -> Iterator[StoreOutcome]:
    if options.processes == 1 or options.stores == 1:
        for number in range(options.stores):
            yield run_store(options, number, lambda: after_days(1), say)
        return
    # A process that is forked would inherit the threads of the progress bar, half dead.
    context = multiprocessing.get_context("spawn")
    workers = min(options.processes, options.stores, PROCESSES_MAX)
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            numbers = range(options.stores)
            for outcome in pool.map(_run_quietly, repeat(options), numbers):
                after_days(options.days)
                yield outcome
    except BrokenProcessPool as error:
        raise BenchmarkFailed(f"a process of the run died: {error}") from error


def _run_quietly(options: TruthOptions, number: int) -> StoreOutcome:
    return run_store(options, number, lambda: None, lambda _: None)


def run_store(
    options: TruthOptions, number: int, after_day: Callable[[], None], say: Say
) -> StoreOutcome:
    """Return what became of one store of a run. Raises `BenchmarkFailed`, `ScenarioInvalid`."""
    world = new_world(options, number)
    trace = None if options.trace is None or number else Trace(options.trace, say)
    if trace is not None and trace.gtin not in world.skus:
        raise ScenarioInvalid(f"--trace {trace.gtin}: the store does not sell it")
    store_run = StoreRun(
        StoreId(f"S{number + 1:03d}"),
        world,
        recounts_per_day=recounts_per_day(options),
        seed=options.seed,
        trace=trace,
    )
    return store_run.run(options.days, after_day)
