"""One store through all its days: world, gateway, cloud and the three others, in virtual time.

The day begins at midnight with the recounts that the cloud asks for; then the world goes on in
steps, and after each the cloud commits what the gateway told. At the end of the day everybody's
counts are held against the truth.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final

from protocol.facts import AnyFact
from protocol.ids import Gtin, StoreId
from simulators.truth.baselines import Baselines
from simulators.truth.causes import Causes, WrongCount, misreadings
from simulators.truth.closing import (
    LAST_COUNT,
    LEDGER_ONLY,
    METHODS,
    SWEEP_ONLY,
    Shown,
    close,
)
from simulators.truth.cloud_side import CloudSide
from simulators.truth.deliveries import Deliveries
from simulators.truth.directions import Crossing, Portal, compare, crossings_told
from simulators.truth.edge_side import EdgeSide
from simulators.truth.ground import Ground, World
from simulators.truth.options import DAY_MS
from simulators.truth.outcome import StoreOutcome
from simulators.truth.trace import Trace
from simulators.world.happenings import AdviceSent, Receipt

STEP_MS: Final = 600_000
"""The cloud commits so often. In production it does at once, which changes nothing but the time
that a benchmark takes."""


class StoreRun:
    """The run of one store; `recounts_per_day` is how many counts its staff find time for."""

    def __init__(
        self,
        store: StoreId,
        world: World,
        *,
        recounts_per_day: int,
        seed: int,
        trace: Trace | None = None,
    ) -> None:
        self._store: Final = store
        self._world: Final = world
        self._recounts_per_day: Final = recounts_per_day
        self._rng: Final = Random(f"{seed}/{store}/closings")
        opening = world.opening()
        self._started_ms: Final = opening.at_ms
        self._now_ms = opening.at_ms
        self._cloud: Final = CloudSide(store, self._now_ms)
        self._edge: Final = EdgeSide(store, world.skus, world.layout, self._now_ms)
        self._baselines: Final = Baselines(world.skus, opening)
        self._deliveries: Final = Deliveries()
        self._ground: Final = Ground(world)
        self._causes: Final = Causes(self._started_ms)
        self._told: Final[list[Crossing]] = []
        self._trace: Final = trace
        self.outcome: Final = StoreOutcome()
        self._note(self._edge.open_with(opening))
        self._commit()

    def run(self, days: int, after_day: Callable[[], None]) -> StoreOutcome:
        """Live through the days, and return what became of them. Raises `BenchmarkFailed`."""
        started_s = time.perf_counter()
        for day in range(days):
            self._morning()
            ends_ms = self._started_ms + (day + 1) * DAY_MS
            while self._now_ms < ends_ms:
                self._step(min(self._now_ms + STEP_MS, ends_ms))
            self._evening(day)
            after_day()
        outcome = self.outcome
        outcome.facts = self._cloud.facts_applied
        outcome.quarantined.update(self._cloud.quarantined())
        outcome.took_s = time.perf_counter() - started_s
        return outcome

    def _morning(self) -> None:
        gtins = self._cloud.recounts_of_the_day(self._recounts_per_day, self._now_ms)
        asked = [gtin for gtin in gtins if gtin in self._world.skus]
        self.outcome.recounts += len(asked)
        self._world.recount(asked, self._now_ms)

    def _step(self, until_ms: int) -> None:
        for item in self._world.advance(until_ms):
            self._observe(item, item.at_ms)
        self._now_ms = until_ms
        self._note(self._edge.let_time_pass(until_ms))
        self._commit()
        for despatch_id in self._deliveries.overdue(until_ms):
            self._cloud.close_despatch(despatch_id, until_ms)

    def _observe(self, item: object, at_ms: int) -> None:
        self.outcome.observed[type(item).__name__] += 1
        self._baselines.observe(item)
        if self._trace is not None:
            self._trace.observed(item, at_ms)
        if isinstance(item, AdviceSent):
            self._send()
            for document in self._deliveries.advised(item):
                self._cloud.advise(document, at_ms)
            return
        if isinstance(item, Receipt):
            self._deliveries.received(item)
        self._note(self._edge.observe(item, at_ms))

    def _note(self, facts: Iterable[AnyFact]) -> None:
        for fact in facts:
            self._told.extend(crossings_told(fact))
            if self._trace is not None:
                self._trace.told(fact)

    def _send(self) -> None:
        for frame in self._edge.frames(self._now_ms):
            self._cloud.hear(frame, self._now_ms)

    def _commit(self) -> None:
        self._send()
        self._cloud.commit(self._now_ms)
        if self._trace is not None:
            gtin = self._trace.gtin
            self._trace.committed(
                self._now_ms, self._world.on_hand(gtin), self._cloud.count(gtin, self._now_ms)
            )

    def _evening(self, day: int) -> None:
        shown = list(self._shown())
        outcome = self.outcome
        outcome.closings.append(close(shown, self._rng))
        for each in shown:
            self._causes.look(each.gtin, day, is_right=each.known.best == each.truth)
        self._look_at_thefts(shown)
        mishaps = self._ground.mishaps()
        self._causes.happened(mishaps)
        if self._trace is not None:
            self._trace.mishaps(mishaps)
        self._compare_crossings()
        outcome.wrong = list(self._wrong(shown))

    def _shown(self) -> Iterator[Shown]:
        others = self._baselines
        for gtin, sku in self._world.skus.items():
            count = self._cloud.count(gtin, self._now_ms)
            yield Shown(
                gtin,
                sku.measure,
                self._world.on_hand(gtin),
                count.book,
                count.known,
                {
                    LEDGER_ONLY: others.ledger_only(gtin),
                    SWEEP_ONLY: others.sweep_only(gtin),
                    LAST_COUNT: others.last_count_and_ledger(gtin),
                },
            )

    def _look_at_thefts(self, shown: list[Shown]) -> None:
        thefts = list(self._ground.thefts())
        for method in METHODS:
            errors: dict[Gtin, int] = {each.gtin: each.said(method) - each.truth for each in shown}
            noticed = self.outcome.thefts[method]
            for theft in thefts:
                noticed.happened(theft)
            noticed.look(errors.__getitem__, self._now_ms)

    def _compare_crossings(self) -> None:
        happened = list(self._ground.crossings())
        portals: tuple[Portal, ...] = ("dock", "exit")
        for portal in portals:
            told = [each for each in self._told if each.portal == portal]
            true = [each for each in happened if each.portal == portal]
            compared = compare(told, true)
            self.outcome.directions[portal] += compared.score
            self._causes.happened(misreadings(portal, compared.untold, compared.untrue))
        self._told.clear()

    def _wrong(self, shown: list[Shown]) -> Iterator[WrongCount]:
        for each in shown:
            known = each.known
            if each.measure == "units" and known.best != each.truth:
                yield WrongCount(
                    self._store,
                    each.gtin,
                    each.truth,
                    known.best,
                    known.low,
                    known.high,
                    known.p_best,
                    self._causes.since_day(each.gtin),
                    self._causes.of(each.gtin),
                    each.others,
                )
