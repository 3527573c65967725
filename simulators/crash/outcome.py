"""What a crash campaign found, in words and as JSON. Pure."""

from collections.abc import Iterable, Iterator
from math import ceil

from msgspec import Struct, field

from simulators.crash.options import JournalKind

RECOVERY_MAX_S = 5.0
"""Within so long after the kill, at the 99th percentile, everything is served again."""


class Kind(Struct, kw_only=True):
    """Kills of one kind, and how long it took until something sold after them was heard.

    Seconds, from the kill and from the victim's next start.
    """

    kills: int = 0
    not_reached: int = 0
    recovered_s: list[float] = field(default_factory=list)
    served_s: list[float] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0

    def note(self, *, reached: bool) -> None:
        """Count a kill."""
        self.kills += 1
        self.not_reached += not reached

    @property
    def line(self) -> str:
        """It in words."""
        missed = f" ({self.not_reached} not reached)" if self.not_reached else ""
        times = self.recovered_s
        recovered = (
            f"recovered p50 {percentile(times, 50):5.2f} s, p99 {percentile(times, 99):5.2f} s,"
            f" max {max(times):5.2f} s; "
            if times
            else ""
        )
        return f"{self.kills:4} kills{missed}; {recovered}lost {self.lost}, doubled {self.doubled}"


class CrashOutcome(Struct, kw_only=True):
    """The whole campaign.

    `comparisons` are those of journal and published states with the truth; in `full_comparisons`
    also all commands, and that every outbox was empty. `births` are kills of a first life.
    """

    seed: int
    journal: JournalKind = "sqlite"
    cycles: int = 0
    births: int = 0
    lasted_s: float = 0.0
    facts: int = 0
    lines: int = 0
    lines_repeated: int = 0
    acknowledged: int = 0
    requests_repeated: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    comparisons: int = 0
    full_comparisons: int = 0
    verifications: int = 0
    verified: str = ""
    kinds: dict[str, Kind] = field(default_factory=dict)
    not_drawn: list[str] = field(default_factory=list)
    never_reached: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def kind(self, name: str) -> Kind:
        """Return what is known of one kind of kill."""
        return self.kinds.setdefault(name, Kind())

    def add(self, name: str, *, reached: bool, killed_s: float, started_s: float) -> None:
        """Count a cycle."""
        self.cycles += 1
        kind = self.kind(name)
        kind.note(reached=reached)
        kind.recovered_s.append(round(killed_s, 3))
        kind.served_s.append(round(started_s, 3))

    @property
    def lost(self) -> int:
        """Everything that is missing."""
        return sum(kind.lost for kind in self.kinds.values())

    @property
    def doubled(self) -> int:
        """Everything that counted twice."""
        return sum(kind.doubled for kind in self.kinds.values())

    @property
    def points_hit(self) -> int:
        """Named points at which something died."""
        named = (k for name, k in self.kinds.items() if not name.endswith(".random"))
        return sum(kind.kills > kind.not_reached for kind in named)

    def times_of(self, prefix: str) -> list[float]:
        """Return the recoveries from the kill, of kinds that begin so, in seconds."""
        kinds = (kind for name, kind in self.kinds.items() if name.startswith(prefix))
        return [each for kind in kinds for each in kind.recovered_s]

    def note_points(self, names: Iterable[str]) -> None:
        """Note which of these points nothing died at."""
        for name in names:
            if name not in self.kinds:
                self.not_drawn.append(name)
            elif self.kinds[name].kills == self.kinds[name].not_reached:
                self.never_reached.append(name)

    def judge_recovery(self) -> None:
        """Note a violation when recovery takes too long."""
        p99_s = percentile(self.times_of(""), 99)
        if p99_s > RECOVERY_MAX_S:
            self.violations.append(f"recovery: p99 is {p99_s:.2f} s, above {RECOVERY_MAX_S:g} s")

    def lines_told(self) -> Iterator[str]:
        """Yield what a person reads."""
        for name, kind in sorted(self.kinds.items()):
            yield f"{name:32} {kind.line}"
        for target in ("edge", "cloud", "broker", "postgres", "everything"):
            times = self.times_of(f"{target}.")
            if times:
                yield f"{target:10} {len(times):4} kills, recovered {_spread(times)}"
        started = [each for kind in self.kinds.values() for each in kind.served_s]
        yield f"all        {self.cycles:4} kills, from the kill {_spread(self.times_of(''))}"
        yield f"                       from the start {_spread(started)}"
        yield (
            f"{self.cycles} cycles and {self.births} deaths at birth in {self.lasted_s:.0f} s,"
            f" {self.points_hit} named points hit, {len(self.not_drawn)} not drawn;"
            f" drawn and never reached: {', '.join(self.never_reached) or 'none'}"
        )
        yield (
            f"{self.facts} facts, {self.lines} till lines ({self.lines_repeated} read twice);"
            f" {self.acknowledged} commands acknowledged, {self.requests_repeated} requests"
            " repeated"
        )
        yield (
            f"lost {self.lost}, doubled {self.doubled}; {self.comparisons} comparisons with the"
            f" truth, {self.full_comparisons} of them full; {self.verifications} x verify:"
            f" {self.verified}"
        )
        yield from (f"VIOLATION  {each}" for each in self.violations)


def _spread(times_s: list[float]) -> str:
    return (
        f"p50 {percentile(times_s, 50):.2f} s, p99 {percentile(times_s, 99):.2f} s,"
        f" max {max(times_s, default=0.0):.2f} s"
    )


def percentile(times_s: list[float], percent: int) -> float:
    """Return the nearest-rank percentile, 0 of nothing."""
    ordered = sorted(times_s)
    return ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)] if ordered else 0.0
