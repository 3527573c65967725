"""What a crash campaign is asked to do. Pure."""

from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

JournalKind = Literal["sqlite", "postgres"]

VICTIM_MODULE: Final = "simulators.crash.victim"


class CrashOptions(Struct, frozen=True, kw_only=True):
    """The command line of `stocktruth-sim crash`.

    `points` names the only points to kill at; without any, all are used, and random moments as
    well. `victim_module` is what agents and clouds run as; a test names one with a planted bug, to
    see it noticed.
    """

    folder: Path
    cycles: int = 500
    seed: int = 1
    journal: JournalKind = "sqlite"
    points: tuple[str, ...] = ()
    stores: int = 2
    facts_per_s: float = 80.0
    customers: int = 3
    victim_module: str = VICTIM_MODULE

    def command(self) -> str:
        """Return the command that repeats this campaign."""
        points = "".join(f" --point {point}" for point in self.points)
        return (
            f"stocktruth-sim crash --cycles {self.cycles} --journal {self.journal}"
            f" --seed {self.seed}{points}"
        )
