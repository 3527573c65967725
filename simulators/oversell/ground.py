"""Where a run takes place: a broker and a cloud of its own, or those that somebody runs.

A cloud that somebody runs is told apart by its `cloud.toml`, which names broker and journal; its
token must have all roles. Event loop.
"""

from pathlib import Path
from typing import Final, NamedTuple

from cloud.config import load_settings
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.api_client.http import BaseUrl
from simulators.demo.broker import HOST, BrokerAddress, free_port, start_embedded
from simulators.demo.config_files import cloud_config, new_token, token_file
from simulators.demo.options import broker_address
from simulators.demo.processes import Child, Crew
from simulators.oversell.options import OversellOptions

TOKEN_NAME: Final = "oversell"  # noqa: S105 # The name of a token, not a token.
REQUESTS_PER_MINUTE: Final = 10_000_000


class Ground(NamedTuple):
    """Everything that a run has to know of the cloud it runs against."""

    api: BaseUrl
    token: str
    broker: BrokerAddress
    topics: Topics
    config: Path
    journal: Path


async def new_ground(crew: Crew, folder: Path) -> Ground:
    """Start a broker and a cloud."""
    broker, _ = await start_embedded(crew, folder)
    port, token = free_port(), new_token()
    (folder / "tokens.toml").write_text(token_file(TOKEN_NAME, token))
    (folder / "policies.toml").write_text("")
    config = folder / "cloud.toml"
    config.write_text(cloud_config(broker.url, DEFAULT_ROOT, port))
    await crew.start(Child("cloud", ("-m", "cloud", "run", "--config", str(config)), folder))
    api = BaseUrl(HOST, port)
    journal = folder / "data" / "journal.db"
    return Ground(api, token, broker, Topics(DEFAULT_ROOT), config, journal)


def given_ground(options: OversellOptions) -> Ground:
    """Return where somebody's cloud is. Raises `ConfigInvalid` and `ValueError`."""
    if options.url is None or options.token is None or options.config is None:
        raise ValueError("--url, --token and --config belong together")
    settings = load_settings(options.config)
    if settings.journal.path is None:
        raise ValueError(f"--config {options.config}: only a journal in a file can be audited")
    return Ground(
        api=BaseUrl.parse(options.url),
        token=options.token,
        broker=BrokerAddress(*broker_address(settings.broker.url)),
        topics=Topics(settings.broker.root),
        config=options.config,
        journal=Path(settings.journal.path),
    )
