"""What a demo has shown, as lines for people and as JSON for programs. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from simulators.audit.report import AuditReport
from simulators.web_shop.counts import ShopCounts

NAMED_MAX: Final = 50


class Latency(Struct, frozen=True, kw_only=True):
    """From till to subscriber, in milliseconds; `None` when no sale was heard."""

    p50_ms: float | None
    p99_ms: float | None
    sales: int


class Outage(Struct, frozen=True, kw_only=True):
    """What chaos did to one process or line."""

    name: str
    times: int
    outage_s: float


class Outcome(Struct, frozen=True, kw_only=True):
    """Everything a demo ends with. `verdict` fields are of the last comparison."""

    seed: int
    stores: int
    sku_locations: int
    agreed: int
    lost: int
    doubled: int
    disagreements: list[str]
    violations: list[str]
    latency: Latency
    outages: list[Outage]
    drain_s: float | None = None
    verify: str | None = None
    verify_status: int | None = None
    web_shop: ShopCounts | None = None
    shop_failures: list[str] = []
    shop_repeated: int = 0
    audit: AuditReport | None = None

    def lines(self) -> Iterator[str]:
        """Return what to print in the end."""
        if self.drain_s is not None:
            yield from self._disagreement_lines()
        yield from (f"violation: {each}" for each in self.violations)
        if self.outages:
            yield from _outage_lines(self.outages)
        if self.verify is not None:
            yield f"verify: {self.verify}"
        yield from (f"web shop: the API failed: {each}" for each in self.shop_failures[:NAMED_MAX])
        if self.web_shop is not None:
            yield f"web shop: {self.web_shop.line}; {self.shop_repeated} requests repeated"
        if self.audit is not None:
            yield from self.audit.lines()
        yield self.latency_line
        yield self.agreement_line

    def _disagreement_lines(self) -> Iterator[str]:
        shown = self.disagreements[:NAMED_MAX]
        yield from (f"disagreement: {each}" for each in shown)
        if len(self.disagreements) > len(shown):
            yield f"disagreement: and {len(self.disagreements) - len(shown)} more"

    @property
    def agreement_line(self) -> str:
        """How much of what was heard is true. Before a drain, some of it is still on its way."""
        if self.drain_s is None:
            return (
                f"agreement: {self.agreed}/{self.sku_locations} SKU-locations so far;"
                " the rest was on its way (--check waits for it)"
            )
        return (
            f"agreement: {self.agreed}/{self.sku_locations} SKU-locations,"
            f" facts lost {self.lost}, doubled {self.doubled}"
        )

    @property
    def latency_line(self) -> str:
        """How fast it was."""
        latency = self.latency
        if latency.p50_ms is None or latency.p99_ms is None:
            return "latency till → WMS subscriber: no sale heard"
        return (
            f"latency till → WMS subscriber: p50 {latency.p50_ms:.0f} ms,"
            f" p99 {latency.p99_ms:.0f} ms (n={latency.sales})"
        )

    @property
    def is_good(self) -> bool:
        """Whether everything that was checked holds."""
        total = not self.disagreements and not self.violations
        promises_kept = not self.shop_failures and (self.audit is None or self.audit.is_clean)
        return total and promises_kept and self.verify_status in (None, 0)


def _outage_lines(outages: Sequence[Outage]) -> Iterator[str]:
    """Say what chaos did, and its sum."""
    for outage in outages:
        yield f"  {outage.name:<16} {outage.times:>3} times away, {outage.outage_s:6.1f} s"
    kills = sum(outage.times for outage in outages)
    seconds = sum(outage.outage_s for outage in outages)
    yield f"chaos: {kills} kills and cuts, {seconds:.1f} s of outage"
