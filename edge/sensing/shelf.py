"""Shelf sensing: readings of a scale's shelves in, `ShelfCounted` facts with an error bar out.

Each shelf is a `ShelfWatch`: rest, then weighed hypotheses about its units, then what is worth
telling. What was learnt of a shelf is an outbox checkpoint, which commits with the counts it led
to. Pure; its state is bounded by the number of shelves.
"""

from collections.abc import Mapping, Sequence

from edge.sensing.decisions import Decisions
from edge.sensing.shelf_checkpoint import checkpoint_name, recalled
from edge.sensing.shelf_tracker import Estimate
from edge.sensing.shelf_traits import Shelf, WeightReading
from edge.sensing.shelf_watch import ShelfWatch
from protocol.facts import AnyFact, ShelfCounted


class ShelfSensing:
    """The shelves of the scale `source`. `checkpoints` holds what earlier lives have stored."""

    def __init__(
        self, source: str, shelves: Sequence[Shelf], checkpoints: Mapping[str, bytes]
    ) -> None:
        self._source = source
        self._watches: dict[str, ShelfWatch] = {}
        for shelf in shelves:
            stored = checkpoints.get(checkpoint_name(source, shelf.name))
            memory = None if stored is None else recalled(shelf, stored)
            self._watches[shelf.name] = ShelfWatch(shelf, memory)
        self._pending: dict[str, list[ShelfCounted]] = {}

    def observe(self, readings: Mapping[str, WeightReading], at_ms: int) -> Decisions:
        """Take one reading of each of these shelves, and return what follows from them now.

        What is returned was not told until `confirm` says so: if it was refused, the next reading
        of the shelf leads to it again.
        """
        facts: list[AnyFact] = []
        checkpoints: dict[str, bytes | None] = {}
        self._pending.clear()
        for name, reading in readings.items():
            watch = self._watches[name]
            counts = watch.read(reading, at_ms, self._source)
            memory = watch.memory(counts, at_ms)
            facts += counts
            if memory is not None:
                checkpoints[checkpoint_name(self._source, name)] = memory
                self._pending[name] = counts
        return Decisions(facts, checkpoints)

    def confirm(self, at_ms: int) -> None:
        """What the last `observe` returned is durable."""
        for name, counts in self._pending.items():
            self._watches[name].confirm(counts)
            self._watches[name].stored(at_ms)
        self._pending.clear()

    def estimate(self, shelf: str) -> Estimate | None:
        """Return what is known of a shelf, or `None` while no weight of it was explained."""
        return self._watches[shelf].estimate

    def trouble(self, shelf: str) -> str | None:
        """Return what is wrong with a shelf, in words for its health, or `None`."""
        return self._watches[shelf].trouble
