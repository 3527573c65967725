"""What a crash campaign found. Pure."""

from collections.abc import Iterator
from math import ceil

from msgspec import Struct, field

RECOVERY_MAX_S = 5.0
"""Within so long after its start, at the 99th percentile, everything is served again."""


class Kind(Struct, kw_only=True):
    """Kills of one kind, and how long it took until something sold after them was heard."""

    kills: int = 0
    not_reached: int = 0
    recovered_s: list[float] = field(default_factory=list)
    served_s: list[float] = field(default_factory=list)


class CrashOutcome(Struct, kw_only=True):
    """The whole campaign. Times are seconds: from the kill, and from the victim's next start."""

    seed: int
    cycles: int = 0
    facts: int = 0
    lost: int = 0
    doubled: int = 0
    comparisons: int = 0
    verified: str = ""
    kinds: dict[str, Kind] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def add(self, name: str, *, reached: bool, killed_s: float, started_s: float) -> None:
        """Count a cycle."""
        self.cycles += 1
        kind = self.kinds.setdefault(name, Kind())
        kind.kills += 1
        kind.not_reached += not reached
        kind.recovered_s.append(round(killed_s, 3))
        kind.served_s.append(round(started_s, 3))

    def lines(self) -> Iterator[str]:
        """Yield what a person reads."""
        for name, kind in sorted(self.kinds.items()):
            missed = f", {kind.not_reached} killed otherwise" if kind.not_reached else ""
            yield (
                f"{name:32} {kind.kills:4} kills{missed},"
                f" recovered p50 {percentile(kind.recovered_s, 50):.2f} s"
                f" max {max(kind.recovered_s):.2f} s"
            )
        killed = [each for kind in self.kinds.values() for each in kind.recovered_s]
        started = [each for kind in self.kinds.values() for each in kind.served_s]
        yield (
            f"{self.cycles} cycles, {self.facts} facts, lost {self.lost}, doubled {self.doubled},"
            f" {self.comparisons} comparisons with the truth; {self.verified}"
        )
        for what, times_s in (("kill", killed), ("start", started)):
            yield (
                f"from {what} to serving: p50 {percentile(times_s, 50):.2f} s,"
                f" p99 {percentile(times_s, 99):.2f} s, max {max(times_s, default=0):.2f} s"
            )
        yield from self.violations


def percentile(times_s: list[float], percent: int) -> float:
    """Return the nearest-rank percentile, 0 of nothing."""
    ordered = sorted(times_s)
    return ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)] if ordered else 0.0
