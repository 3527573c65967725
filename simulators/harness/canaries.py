"""All planted bugs, and the hunt for them: which checker notices, in how many seeds.

A harness that cannot fail proves nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from msgspec import Struct, field

from simulators.harness.campaign import kinds, run_seed
from simulators.harness.canaries_cloud import CLOUD_CANARIES
from simulators.harness.canaries_edge import EDGE_CANARIES
from simulators.harness.planting import Canary, planted

CANARIES: Final[dict[str, Canary]] = {
    canary.name: canary for canary in (*EDGE_CANARIES, *CLOUD_CANARIES)
}


class Catch(Struct, kw_only=True):
    """How one planted bug was noticed."""

    name: str
    breaks: str
    what: str
    seeds: int = 0
    caught: int = 0
    first_seed: int | None = None
    by: Counter[str] = field(default_factory=Counter)

    def add(self, seed: int, violated: set[str]) -> None:
        """Count a seed."""
        self.seeds += 1
        if violated:
            self.caught += 1
            self.first_seed = seed if self.first_seed is None else min(seed, self.first_seed)
            self.by.update(violated)

    def go_on(self, other: "Catch") -> None:
        """Count what further seeds showed of the same bug."""
        self.seeds += other.seeds
        self.caught += other.caught
        if self.first_seed is None:
            self.first_seed = other.first_seed
        self.by.update(other.by)


def run_planted(name: str, seed: int) -> set[str]:
    """Run a seed with a planted bug, and return which promises the checkers saw violated.

    A bug may break the run itself; that is noticed too.
    """
    with planted(CANARIES[name]):
        try:
            return kinds(run_seed(seed, CANARIES[name].needs))
        except Exception as error:  # noqa: BLE001 # Whatever a planted bug leads to.
            return {f"the run broke ({type(error).__name__})"}


def hunt(names: Iterable[str], seeds: Sequence[int], processes: int) -> Iterator[Catch]:
    """Yield each bug with how it was caught, in order."""
    catches = [
        Catch(name=name, breaks=CANARIES[name].breaks, what=CANARIES[name].what) for name in names
    ]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        running = {
            (catch.name, seed): pool.submit(run_planted, catch.name, seed)
            for catch in catches
            for seed in seeds
        }
        for catch in catches:
            for seed in seeds:
                catch.add(seed, running[catch.name, seed].result())
            yield catch
