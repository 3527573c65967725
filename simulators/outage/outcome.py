"""What an outage run found, in words and as JSON. Pure."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

DRAIN_FACTOR_MIN: Final = 10.0
AGENT_GROWTH_MIB_MAX: Final = 24.0
AGENT_RSS_MIB_MAX: Final = 150.0
CLOUD_GROWTH_MIB_MAX: Final = 96.0
"""What the cloud may grow by from a steady state: its SKU-locations, its caches, a full inbox."""


class Memory(Struct, frozen=True, kw_only=True):
    """Resident memory of one process, in MiB; `highest` is since it started."""

    before: float
    end_of_outage: float
    after: float
    highest: float

    @property
    def growth(self) -> float:
        """How much more it ever was than before the outage."""
        return self.highest - self.before


class Latency(Struct, frozen=True, kw_only=True):
    """From a till's document to an independent subscriber, in milliseconds."""

    sales: int
    p50_ms: float
    p99_ms: float


class OutageOutcome(Struct, frozen=True, kw_only=True):
    """One run. `lost` and `doubled` are in units; the drain's rates are in facts a second.

    `reconnected_s` is how long after the line healed the agent was online again; `drain_s` is from
    then until the last sale that was held by then was heard, and `drained_facts` are those held.
    """

    seed: int
    minutes: float
    speed: float
    facts: int
    facts_in_outage: int
    lost: int
    doubled: int
    arrival_per_s: float
    reconnected_s: float
    drain_s: float
    drained_facts: int
    drain_per_s: float
    outbox_mib_before: float
    outbox_mib_end_of_outage: float
    outbox_mib_after: float
    agent: Memory
    cloud: Memory
    broker: Memory
    latency_before: Latency
    latency_draining: Latency
    latency_after: Latency
    verify_status: int
    verified: str
    violations_heard: list[str]

    @property
    def drain_factor(self) -> float:
        """How many times as fast as they arrive facts were drained."""
        return self.drain_per_s / self.arrival_per_s if self.arrival_per_s else 0.0

    @property
    def violations(self) -> list[str]:
        """Everything that must not be."""
        return list(self._violations())

    def _violations(self) -> Iterator[str]:
        if self.lost or self.doubled:
            yield f"lost {self.lost} units, doubled {self.doubled}"
        if self.drain_factor < DRAIN_FACTOR_MIN:
            yield (
                f"drained {self.drain_factor:.1f} times as fast as facts arrive,"
                f" less than {DRAIN_FACTOR_MIN:g}"
            )
        if self.agent.growth > AGENT_GROWTH_MIB_MAX or self.agent.highest > AGENT_RSS_MIB_MAX:
            yield f"the agent grew by {self.agent.growth:.0f} MiB to {self.agent.highest:.0f}"
        if self.cloud.growth > CLOUD_GROWTH_MIB_MAX:
            yield f"the cloud grew by {self.cloud.growth:.0f} MiB to {self.cloud.highest:.0f}"
        if self.verify_status != 0:
            yield f"verify: {self.verified}"
        yield from self.violations_heard

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        yield (
            f"outage           {self.minutes:g} minutes at {self.speed:g} times a normal day's"
            f" busiest hour: {self.arrival_per_s:.0f} facts/s"
        )
        yield f"facts            {self.facts}, {self.facts_in_outage} of them made in the outage"
        yield f"lost             {self.lost}, doubled {self.doubled}"
        yield (
            f"drain            {self.drained_facts} facts in {self.drain_s:.1f} s:"
            f" {self.drain_per_s:.0f}/s, {self.drain_factor:.0f} times as fast as they arrive;"
            f" begun {self.reconnected_s:.1f} s after the line healed"
        )
        yield (
            f"outbox           {self.outbox_mib_before:.1f} MiB before,"
            f" {self.outbox_mib_end_of_outage:.1f} at the end of the outage,"
            f" {self.outbox_mib_after:.1f} after"
        )
        for name, memory in (
            ("agent", self.agent),
            ("cloud", self.cloud),
            ("broker", self.broker),
        ):
            yield (
                f"{name + ' memory':<16} {memory.before:.0f} MiB before,"
                f" {memory.end_of_outage:.0f} at the end of the outage, {memory.after:.0f} after;"
                f" at most {memory.highest:.0f}"
            )
        for name, latency in (
            ("before", self.latency_before),
            ("while draining", self.latency_draining),
            ("after", self.latency_after),
        ):
            yield (
                f"latency          {name}: p50 {latency.p50_ms:.0f} ms, p99 {latency.p99_ms:.0f} ms"
                f" ({latency.sales} sales)"
            )
        yield f"verify           {self.verified}"
        for violation in self.violations:
            yield f"VIOLATION        {violation}"
