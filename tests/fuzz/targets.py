"""What is fuzzed: each door through which bytes come in, and what it may answer.

A target raises nothing but `Broken`: typed refusals are its answers.
"""

import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

from cloud.api.access import load_tokens
from cloud.config import load_policies
from cloud.config import load_settings as load_cloud
from cloud.errors import ConfigInvalid as CloudConfigInvalid
from cloud.ingest.admission import admit
from cloud.ingest.wms import DocumentRefused, command_of
from cloud.shards.messages import (
    BatchReceived,
    DocumentReceived,
    HelloReceived,
    MirrorRequested,
    PayloadRefused,
)
from edge.config import load_settings as load_edge
from edge.devices.llrp import LlrpDriver
from edge.devices.llrp_settings import AntennaSettings, LlrpSettings
from edge.devices.llrp_tags import EPC_BYTES_MAX
from edge.devices.modbus import ModbusLink
from edge.devices.shelf_scale_settings import ShelfScaleSettings
from edge.errors import ConfigInvalid, DeviceFault
from edge.sensing.poslog import parse_poslog
from edge.sensing.poslog_xml import PoslogRejected
from edge.sensing.readings import TagReading
from edge.sensing.till import facts_of
from protocol.codec import decode_down, decode_up, encode_down, encode_fact, encode_up
from protocol.errors import FrameRejected
from protocol.ids import StoreId
from protocol.topics import Topics
from simulators.errors import ScenarioInvalid
from simulators.scenario import load_scenario

NOW_MS: Final = 1_767_600_000_000
STORE: Final = StoreId("S001")
TOPICS: Final = Topics()
CHANNELS: Final = ("wms/despatch_advice", "wms/reorder_status", "wms/nothing")
ADMITTED: Final = (BatchReceived, HelloReceived, MirrorRequested, PayloadRefused, DocumentReceived)
REGISTERS: Final = 8
SHELF: Final = {"index": 0, "shelf": "a", "gtin": "00614141123452", "item_weight_g": 10.0}


class Broken(Exception):
    """A door answered in a way that it must not."""


class Target(NamedTuple):
    """A door. `check` takes one input."""

    name: str
    check: Callable[[bytes], None]


def frames(data: bytes) -> None:
    """The frame decoder, both ways, and admission."""
    with suppress(FrameRejected):
        up = decode_up(data)
        if decode_up(encode_up(up)) != up:
            raise Broken(f"decodes to another message the second time: {up}")
    with suppress(FrameRejected):
        down = decode_down(data)
        if decode_down(encode_down(down)) != down:
            raise Broken(f"decodes to another message the second time: {down}")
    admitted = admit(TOPICS.facts(STORE), data, TOPICS, NOW_MS)
    if not isinstance(admitted, ADMITTED):
        raise Broken(f"admission answers {type(admitted).__name__}")


def wms(data: bytes) -> None:
    """The WMS topics."""
    for channel in CHANNELS:
        with suppress(DocumentRefused):
            command_of(STORE, channel, data)
        admitted = admit(f"st/1/{STORE}/{channel}", data, TOPICS, NOW_MS)
        if not isinstance(admitted, ADMITTED):
            raise Broken(f"admission answers {type(admitted).__name__}")


def poslog(data: bytes) -> None:
    """A till's document, and the facts that it leads to."""
    try:
        transactions = parse_poslog(data, UTC)
    except PoslogRejected:
        return
    for transaction in transactions:
        for fact in facts_of(transaction, source="till", receiving_zone="backroom"):
            encode_fact(fact)


class _Line:
    """Stands in for a reader's socket: what it sends is the input."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def setsockopt(self, *_: Any) -> None:
        """Take any option."""

    def settimeout(self, _: float) -> None:
        """There is nothing to wait for."""

    def recv(self, size: int) -> bytes:
        """Return what is left."""
        data, self._data = self._data[:size], self._data[size:]
        return data

    def sendall(self, _: bytes) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """Nothing to close."""


class _Sink:
    def observe(self, readings: list[TagReading]) -> None:
        """See that readings are what sensing takes."""
        for reading in readings:
            if not 0 < len(reading.epc) <= EPC_BYTES_MAX:
                raise Broken(f"a reading with an EPC that is none: {reading}")


class _Report:
    def health(self, health: str, detail: str = "") -> None:
        """Take what it says."""

    def count(self, *, readings: int = 0, facts: int = 0) -> None:
        """Take what it counts."""


LLRP: Final = LlrpSettings(
    name="dock", host="reader", antennas=[AntennaSettings(id=1, zone="sales_floor")]
)


def llrp(data: bytes) -> None:
    """A reader's stream, from its bytes to tag readings."""
    line: Any = _Line(data)
    driver = LlrpDriver(
        LLRP, _Sink(), lambda: NOW_MS, lambda: 0, connect=lambda _address, _timeout: line
    )
    driver.open(_Report())
    with suppress(DeviceFault):
        while True:
            driver.poll()


def _modbus_link() -> tuple[ModbusLink, Any]:
    from msgspec import convert

    settings = convert(
        {
            "name": "scale",
            "host": "127.0.0.1",
            "timeout_ms": 20,
            "shelves": [SHELF],
        },
        ShelfScaleSettings,
    )
    link = ModbusLink(settings)
    return link, link._client  # Its socket is what we replace.


def modbus(data: bytes) -> None:
    """A scale's answer, over a real socket pair."""
    link, client = _modbus_link()
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)
        client.socket = ours
        # The answer to the first request of a client: most inputs name its transaction.
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        with suppress(DeviceFault):
            registers = link.read(0, REGISTERS)
            if len(registers) != REGISTERS or not all(0 <= r < 65_536 for r in registers):
                raise Broken(f"registers that are none: {registers}")
    finally:
        link.close()
        ours.close()
        theirs.close()


_FOLDER: Final = Path(tempfile.mkdtemp(prefix="stocktruth-fuzz-"))
_FILE: Final = _FOLDER / "settings.toml"

LOADERS: Final[Sequence[tuple[Callable[[Path], object], type[Exception]]]] = (
    (load_edge, ConfigInvalid),
    (load_cloud, CloudConfigInvalid),
    (load_policies, CloudConfigInvalid),
    (load_tokens, CloudConfigInvalid),
    (load_scenario, ScenarioInvalid),
)


def config(data: bytes) -> None:
    """One of the configuration files: a mistake is said in words, and never a traceback."""
    _FILE.write_bytes(data)
    load, refusal = LOADERS[crc32(data) % len(LOADERS)]
    try:
        load(_FILE)
    except refusal as error:
        if not str(error).strip():
            raise Broken(f"{load.__module__} refuses without a word") from error


TARGETS: Final = {
    target.name: target
    for target in (
        Target("frames", frames),
        Target("llrp", llrp),
        Target("poslog", poslog),
        Target("modbus", modbus),
        Target("config", config),
        Target("wms", wms),
    )
}
