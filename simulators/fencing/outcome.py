"""What a fencing campaign found, in words and as JSON. Pure."""

from collections.abc import Iterator

from msgspec import Struct

from simulators.fencing.checking import Findings
from simulators.fencing.options import JournalKind


class OwnersOutcome(Struct, frozen=True, kw_only=True):
    """The hand-overs between bare owners.

    `suspended_at` counts the moments, `lock_held` those hand-overs in which the suspended owner
    kept the newcomer out, `gave_up` how often a newcomer said so and was told to try again.
    `takeover_ms` are the times from the order to the ownership, while nothing kept it out.
    """

    handovers: int
    suspended_at: dict[str, int]
    lock_held: int
    gave_up: int
    taken_from_suspended: int
    stale_ended_well: int
    stale_cut_off: int
    takeover_ms_p50: int
    takeover_ms_p99: int
    lasted_s: float
    findings: Findings
    verified: str

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        found = self.findings
        moments = ", ".join(f"{times} {name}" for name, times in sorted(self.suspended_at.items()))
        yield f"hand-overs       {self.handovers} in {self.lasted_s:.0f} s (suspended: {moments})"
        yield (
            f"taken            {self.taken_from_suspended} while the owner was suspended;"
            f" {self.lock_held} times its lock was in the way, {self.gave_up} newcomers gave up"
            " and tried again"
        )
        yield f"take-over        p50 {self.takeover_ms_p50} ms, p99 {self.takeover_ms_p99} ms"
        yield (
            f"stale processes  {self.stale_ended_well} of {self.handovers} ended with status 1,"
            f" {self.stale_ended_well - self.stale_cut_off} of them by OwnershipLost,"
            f" {self.stale_cut_off} cut off by the server"
        )
        yield f"stale attempts   {found.refused_stale} refused as OwnershipLost"
        yield f"stale commits    {found.stale_commits}"
        yield (
            f"acknowledged     {found.acknowledged_groups} groups in {found.inputs} inputs:"
            f" lost {found.lost}, doubled {found.doubled}, unknown {found.unknown},"
            f" in doubt {found.in_doubt}"
        )
        yield f"verify           {self.verified}"


class ProgramsOutcome(Struct, frozen=True, kw_only=True):
    """The hand-overs between whole programs.

    `flaps` are words of a stale program that the broker heard after the newcomer's first.
    `tracebacks` are stale programs that showed one before they knew that they were stale: the MQTT
    client's, about the connection that it lost. They are told and not judged.
    """

    handovers: int
    ended_well: int
    gave_up: int
    flaps: int
    tracebacks: int
    ending_s_max: float
    verified: str
    violations: list[str]

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        yield (
            f"programs         {self.ended_well} of {self.handovers} stale ones ended with status 1"
            f" and one clear line, within {self.ending_s_max:.1f} s;"
            f" {self.gave_up} newcomers gave up and tried again"
        )
        yield f"retained marker  {self.flaps} stale words before the newcomer's last one"
        yield f"tracebacks       {self.tracebacks} stale programs showed the MQTT client's"
        yield f"verify           {self.verified}"


class FencingOutcome(Struct, frozen=True, kw_only=True):
    """One campaign on one kind of journal."""

    kind: JournalKind
    seed: int
    owners: OwnersOutcome | None
    programs: ProgramsOutcome | None

    @property
    def violations(self) -> list[str]:
        """Everything that was violated."""
        owners = [] if self.owners is None else self.owners.findings.violations
        programs = [] if self.programs is None else self.programs.violations
        return [*owners, *programs]

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        yield f"journal          {self.kind}, seed {self.seed}"
        for part in (self.owners, self.programs):
            if part is not None:
                yield from part.lines()
        for violation in self.violations:
            yield f"VIOLATION        {violation}"
