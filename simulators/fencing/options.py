"""What a fencing campaign is asked to do. Pure."""

from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

JournalKind = Literal["sqlite", "postgres"]

OWNER_MODULE: Final = "simulators.fencing.owner"


class FencingOptions(Struct, frozen=True, kw_only=True):
    """The command line of `stocktruth-sim fencing`.

    `program_handovers` are those between two whole `stocktruth-cloud run`. `url` is `None` for a
    SQLite file, and for a PostgreSQL server of our own. Within `stale_deadline_s` a resumed owner,
    which may wait for a lock or two and tries a few times more, must have ended. `owner_module` is
    what bare owners run; a test names one in which the fence is broken, to see it noticed.
    """

    folder: Path
    kind: JournalKind
    url: str | None = None
    handovers: int = 200
    program_handovers: int = 6
    seed: int = 1
    owner_module: str = OWNER_MODULE
    stale_deadline_s: float = 20.0

    def command(self) -> str:
        """Return the command that repeats this campaign."""
        url = f" --url {self.url}" if self.url is not None else ""
        return (
            f"stocktruth-sim fencing --handovers {self.handovers}"
            f" --programs {self.program_handovers} --journal {self.kind}{url} --seed {self.seed}"
        )
