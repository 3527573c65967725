"""What an oversell run has shown, as lines for people and as JSON for programs. Pure."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from simulators.audit.report import AuditReport
from simulators.oversell.tally import Tally


class OversellOutcome(Struct, frozen=True, kw_only=True):
    """Everything that a run ends with. Latencies are those of reservation requests."""

    seed: int
    clients: int
    attempts: int
    trading_s: float
    attempts_per_s: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    granted: int
    refused: dict[str, int]
    replayed: int
    hung_up: int
    sequels: dict[str, int]
    sequels_refused: dict[str, int]
    server_errors: dict[str, int]
    units_sold: int
    units_delivered: int
    audit: AuditReport
    verify: str
    verify_status: int

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return self.audit.is_clean and self.verify_status == 0 and not self.server_errors

    def lines(self) -> Iterator[str]:
        """Return what to print in the end."""
        yield (
            f"{self.attempts} attempts by {self.clients} clients in {self.trading_s:.1f} s:"
            f" {self.attempts_per_s:.0f} attempts/s, {self.requests_per_s:.0f} requests/s,"
            f" p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"
        )
        yield f"granted {self.granted}; refused: {_counts(self.refused)}"
        yield (
            f"replayed {self.replayed} answers; {self.hung_up} clients hung up and asked again;"
            f" then: {_counts(self.sequels)} (refused: {_counts(self.sequels_refused)})"
        )
        yield (
            f"meanwhile tills sold {self.units_sold} units, {self.units_delivered} were delivered;"
            f" reservations ended: {_counts(self.audit.endings)}"
        )
        yield f"server errors: {_counts(self.server_errors)}"
        yield f"verify: {self.verify}"
        yield from self.audit.lines()
        yield f"verdict: {'never oversold' if self.is_good else 'FAILED'}"


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} {name}" for name, count in ordered) or "none"


def outcome_of(
    tally: Tally,
    *,
    seed: int,
    clients: int,
    trading_s: float,
    audit: AuditReport,
    verify: tuple[int, str],
) -> OversellOutcome:
    """Return the outcome of a run."""
    return OversellOutcome(
        seed=seed,
        clients=clients,
        attempts=tally.attempts,
        trading_s=trading_s,
        attempts_per_s=tally.attempts / trading_s,
        requests_per_s=tally.requests / trading_s,
        p50_ms=tally.percentile_ms(50),
        p99_ms=tally.percentile_ms(99),
        granted=tally.granted,
        refused=dict(tally.refused),
        replayed=tally.replays,
        hung_up=tally.hung_up,
        sequels=dict(tally.sequels),
        sequels_refused=dict(tally.sequels_refused),
        server_errors={str(status): count for status, count in tally.server_errors.items()},
        units_sold=tally.units_sold,
        units_delivered=tally.units_delivered,
        audit=audit,
        verify=verify[1],
        verify_status=verify[0],
    )
