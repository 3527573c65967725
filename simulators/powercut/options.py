"""What a campaign of power cuts is asked to do. Pure."""

from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

Planted = Literal["synchronous-normal", "ignored-flush"]
"""`synchronous-normal`: both files are written without a sync at each commit. `ignored-flush`: all
disks are caching, and say that they flush although they do not."""


KEEP: Final = b"k"
RENEW: Final = b"r"
"""The host's answers to a survey: go on with the data set, or begin a new one."""


class PowercutOptions(Struct, frozen=True, kw_only=True):
    """The command line of `stocktruth-sim powercut`."""

    folder: Path
    cycles: int = 100
    seed: int = 1
    planted: Planted | None = None

    def command(self) -> str:
        """Return the command that repeats this campaign."""
        planted = f" --planted {self.planted}" if self.planted is not None else ""
        return f"stocktruth-sim powercut --cycles {self.cycles} --seed {self.seed}{planted}"


class Orders(Struct, frozen=True, kw_only=True):
    """What the host tells a guest before it boots it.

    `boot` counts boots, `data_set` names the folder of the data set to check. After the check the
    host answers whether to go on with it, or to begin `new_data_set`, made by an `is_old` release.
    """

    boot: int
    seed: str
    mount_point: str
    disk: str
    data_set: str | None
    new_data_set: str
    is_old: bool = False
    disk_goes_after_ms: int = 0
    planted: Planted | None = None
    is_check_only: bool = False
