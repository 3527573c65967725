"""What a campaign of power cuts found, in words and as JSON. Pure."""

from collections.abc import Iterator

from msgspec import Struct

from simulators.powercut.findings import Findings
from simulators.powercut.options import Planted


class PowercutOutcome(Struct, frozen=True, kw_only=True):
    """One campaign. `openings` are the boots that judged at least one cut.

    A boot whose power is cut before it has checked everything, leaves that to the next.
    """

    seed: int
    planted: Planted | None
    cuts: int
    cuts_by_kind: dict[str, int]
    data_sets: int
    cuts_judged: int
    openings: int
    openings_caught: int
    boot_s_mean: float
    opening_s_max: float
    lasted_s: float
    findings: Findings

    @property
    def violations(self) -> list[str]:
        """The first violations."""
        return self.findings.violations

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        found = self.findings
        kinds = "; ".join(f"{times} {kind}" for kind, times in self.cuts_by_kind.items())
        yield f"power cuts       {self.cuts} in {self.lasted_s:.0f} s, seed {self.seed}"
        yield f"disk, moment     {kinds}"
        yield (
            f"checked          {self.cuts_judged} cuts of {self.data_sets} data sets in"
            f" {self.openings} boots (kernel up in {self.boot_s_mean:.1f} s, checked within"
            f" {self.opening_s_max:.1f} s); {found.facts_compared} numbers compared,"
            f" {found.inputs_replayed} inputs replayed"
        )
        yield (
            f"acknowledged     {found.acknowledged_appends} appends of {found.acknowledged_facts}"
            f" facts, {found.acknowledged_groups} group commits,"
            f" {found.acknowledged_commands} commands"
        )
        yield (
            f"violations       lost {found.lost}, numbers reused {found.reused},"
            f" doubled {found.doubled}, altered {found.altered}, corrupt {found.corrupt}"
        )
        if self.planted is not None:
            yield f"planted          {self.planted}: caught in {self.openings_caught} boots"
        for violation in self.violations:
            yield f"VIOLATION        {violation}"
