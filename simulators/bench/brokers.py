"""The broker of a bench, as a process of its own: the embedded one, or Mosquitto as we ship it."""

import getpass
import os
import shutil
from pathlib import Path
from typing import Final, Literal

from simulators.demo.broker import (
    HOST,
    BrokerAddress,
    free_port,
    start_embedded,
    until_accepting,
)
from simulators.demo.processes import Child, Crew
from simulators.errors import BenchmarkFailed

BrokerKind = Literal["mosquitto", "embedded"]

MOSQUITTO_CONF: Final = """\
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {data}/
autosave_interval 60
message_size_limit 1048576
max_packet_size 1114112
max_queued_messages 100000
max_queued_bytes 67108864
max_inflight_messages 100
set_tcp_nodelay true
log_type error
user {user}
"""
"""As `deploy/mosquitto.conf`, which an installed package does not bring along."""


def mosquitto_program() -> str | None:
    """Return Mosquitto's path, if it is here; Debian keeps it out of a plain user's PATH."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"))
    return shutil.which("mosquitto", path=path)


def usual_kind() -> BrokerKind:
    """Return Mosquitto where it is installed, the embedded broker elsewhere."""
    return "embedded" if mosquitto_program() is None else "mosquitto"


async def start_broker(crew: Crew, folder: Path, kind: BrokerKind) -> tuple[BrokerAddress, Child]:
    """Start a broker, and return when it accepts connections. Raises `BenchmarkFailed`."""
    if kind == "embedded":
        return await start_embedded(crew, folder)
    program = mosquitto_program()
    if program is None:
        raise BenchmarkFailed("mosquitto is not installed; --broker embedded needs nothing else")
    address = BrokerAddress(HOST, free_port())
    data = folder / "mosquitto"
    data.mkdir()
    config = folder / "mosquitto.conf"
    # Started by root, Mosquitto would change to a user who may not enter the folder.
    config.write_text(
        MOSQUITTO_CONF.format(
            port=address.port, host=address.host, data=data, user=getpass.getuser()
        )
    )
    child = await crew.start(Child("broker", ("-c", str(config)), folder, program=program))
    await until_accepting(address)
    return address, child
