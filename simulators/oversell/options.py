"""What an oversell run is asked to do. Pure."""

from pathlib import Path

from msgspec import Struct

CHANNELS: tuple[str, ...] = ("web", "marketplace", "app")
BUFFERED_CHANNEL = "web"
BUFFER_UNITS = 2


class OversellOptions(Struct, frozen=True, kw_only=True):
    """The command line of `stocktruth-sim oversell`.

    `url` is `None` for a cloud and a broker of our own. Otherwise `token` is one with all roles,
    and `config` the running cloud's `cloud.toml`, which names its broker and its journal.
    """

    folder: Path
    clients: int = 64
    attempts: int = 200_000
    seed: int = 1
    stores: int = 3
    skus: int = 20
    units: int = 200
    url: str | None = None
    token: str | None = None
    config: Path | None = None
    json_file: Path | None = None
