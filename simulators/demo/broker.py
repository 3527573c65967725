"""The demo's broker: a child process that may be killed, or somebody else's. Event loop."""

import asyncio
import socket
from pathlib import Path
from typing import Final, NamedTuple

from simulators.demo.config_files import broker_config
from simulators.demo.processes import Child, Crew
from simulators.errors import DemoFailed

HOST: Final = "127.0.0.1"
START_DEADLINE_S: Final = 15.0
POLL_S: Final = 0.02


class BrokerAddress(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As configurations want it."""
        return f"mqtt://{self.host}:{self.port}"


async def start_embedded(crew: Crew, folder: Path) -> tuple[BrokerAddress, Child]:
    """Start the embedded broker, and return when it accepts connections."""
    address = BrokerAddress(HOST, free_port())
    config = folder / "broker.toml"
    config.write_text(broker_config(*address))
    command = ("-m", "iotcore", "--config", str(config), "--log-level", "ERROR")
    child = await crew.start(Child("broker", command, folder))
    await until_accepting(address)
    return address, child


async def until_accepting(address: BrokerAddress) -> None:
    """Return when somebody accepts connections there. Raises `DemoFailed`."""
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while not await _accepts(address):  # noqa: ASYNC110 # A port has no event to wait for.
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise DemoFailed(f"no broker accepts connections at {address.url}") from error


async def _accepts(address: BrokerAddress) -> bool:
    try:
        _, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
