"""Other people's LLRP clients against the simulated reader: sllurp, llrpkit and tshark."""

import asyncio
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llrpkit.client import LLRPClient
from llrpkit.protocol import messages
from sllurp.llrp import LLRPReaderClient, LLRPReaderConfig

from simulators.devices.llrp_reader import LlrpReader, ReaderSettings, TagInField

DEADLINE_S = 30.0
BINARIES = Path(sys.executable).parent
ANTENNAS = 4


def epc_of(antenna: int, number: int) -> bytes:
    return b"\x30" + bytes([antenna]) + number.to_bytes(10, "big")


class Store:
    """The world around a reader: some tags at each of its antennas."""

    def __init__(self, tags_per_antenna: int = 3) -> None:
        self.tags = {
            antenna: [
                TagInField(epc_of(antenna, number), -45.0 - number % 20)
                for number in range(tags_per_antenna)
            ]
            for antenna in range(1, ANTENNAS + 1)
        }

    def reader(self, **settings: Any) -> LlrpReader:
        return LlrpReader(
            antennas=ANTENNAS,
            field=lambda antenna: self.tags[antenna],
            clock_us=lambda: time.time_ns() // 1_000,
            settings=ReaderSettings(round_ms=20, **settings),
        )

    @property
    def epcs(self) -> set[bytes]:
        return {tag.epc for tags in self.tags.values() for tag in tags}


async def until(condition: Callable[[], Any]) -> None:
    """Wait for other threads, processes and the reader's own work, which notify nobody."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 # There is no event to wait for, see above.
            await asyncio.sleep(0.01)


async def run(*command: str | Path) -> tuple[int, str]:
    """Run a client to its end; its exit status and all it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(DEADLINE_S):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


class SllurpClient:
    """sllurp's stock client in its own thread, and what it was told."""

    def __init__(self, reader: LlrpReader, **config: Any) -> None:
        defaults = {"antennas": [1, 2, 3, 4], "tag_content_selector": {"EnableAntennaID": True}}
        settings = LLRPReaderConfig(defaults | config)
        self.client = LLRPReaderClient("127.0.0.1", reader.port, settings)
        self.client.add_tag_report_callback(self._on_tags)
        self.client.add_event_callback(lambda _client, event: self.events.append(event))
        self.tags: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.in_its_thread: list[Callable[[LLRPReaderClient], None]] = []
        self.seen: Counter[tuple[bytes, int]] = Counter()
        self._enough = False

    def _on_tags(self, _client: Any, tags: list[dict[str, Any]]) -> None:
        # sllurp expects the answer to a request only after having sent it, so a request made in
        # another thread than its own may be answered too early and hang.
        if self._enough and not self.client.disconnect_requested.is_set():
            self.client.disconnect()
        while self.in_its_thread:
            self.in_its_thread.pop()(self.client)
        self.tags += tags
        for tag in tags:
            self.seen[bytes.fromhex(tag["EPC"].decode()), tag["AntennaID"]] += tag["TagSeenCount"]

    async def connect(self) -> None:
        await asyncio.to_thread(self.client.connect)

    async def disconnect(self) -> None:
        self._enough = True
        await until(lambda: not self.client.is_alive())


async def connected(reader: LlrpReader) -> LLRPClient:
    client = LLRPClient("127.0.0.1", reader.port)
    await client.connect()
    return client


async def tshark(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "tshark", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(DEADLINE_S * 2):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def captured(reader: LlrpReader, file: Path) -> asyncio.subprocess.Process:
    """Start capturing a reader's traffic; skip the test where that is impossible or forbidden."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    capture = await asyncio.create_subprocess_exec(
        *("tshark", "-i", "lo", "-f", f"tcp port {reader.port}", "-w", str(file)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert capture.stderr is not None
    async with asyncio.timeout(DEADLINE_S):
        while line := (await capture.stderr.readline()).decode():
            if line.startswith("Capturing on"):
                break
        else:
            await capture.wait()
            pytest.skip("capturing on the loopback interface is not permitted")
    await until(file.exists)
    return capture


async def everything_captured(reader: LlrpReader, file: Path) -> None:
    """Wait until a marker that was sent last is in the file: captures are written in batches."""
    marker = messages.KEEPALIVE_ACK().to_bytes(message_id=0xFEED_F00D)
    _, to_reader = await asyncio.open_connection("127.0.0.1", reader.port)
    to_reader.write(marker)
    await until(lambda: marker in file.read_bytes())
    to_reader.close()
    await to_reader.wait_closed()
