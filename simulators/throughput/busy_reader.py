"""`stocktruth-sim reader`: one simulated reader that reads at a given rate, for your client."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from simulators.devices.llrp_reader import LlrpReader, ReaderSettings, ReaderStats
from simulators.devices.llrp_reader.settings import EXAMPLE_MANUFACTURER, IMPINJ
from simulators.throughput.crowd import Crowd

ROUND_MS: Final = 50
BUFFER_S: Final = 5.0
"""What a reader keeps while its client is away or slow: so many seconds' worth of reads."""

POLL_S: Final = 0.05
REPORT_INTERVAL_S: Final = 10.0
DRAIN_DEADLINE_S: Final = 10.0


class Load(Struct, frozen=True, kw_only=True):
    """What a reader is to read."""

    rate_per_s: int
    duration_s: float | None
    tags: int = 2_000
    antennas: int = 4
    host: str = "127.0.0.1"
    port: int = 0
    is_impinj: bool = False


class BusyReader:
    """The reader and its crowd of tags. Runs in its caller's event loop."""

    def __init__(self, load: Load) -> None:
        self.crowd: Final = Crowd(
            tags=load.tags,
            antennas=load.antennas,
            rate_per_s=load.rate_per_s,
            duration_s=load.duration_s,
            round_ms=ROUND_MS,
            clock_ns=time.monotonic_ns,
        )
        self._reader = LlrpReader(
            host=load.host,
            port=load.port,
            antennas=load.antennas,
            reads=self.crowd,
            clock_us=lambda: time.time_ns() // 1_000,
            settings=ReaderSettings(
                round_ms=ROUND_MS,
                manufacturer=IMPINJ if load.is_impinj else EXAMPLE_MANUFACTURER,
                buffer_tags_max=max(20_000, round(load.rate_per_s * BUFFER_S)),
            ),
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._reader.port

    @property
    def stats(self) -> ReaderStats:
        """What it counts."""
        return self._reader.stats

    @property
    def reads_pending(self) -> int:
        """Reads that were neither sent nor lost."""
        stats = self.stats
        gone = stats.reads_overflowed + stats.reads_dropped + stats.reads_forgotten
        return stats.tag_reads - stats.reads_reported - gone

    async def start(self) -> None:
        """Listen. Raises `AddressUnavailable`."""
        await self._reader.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._reader.stop()

    async def until_read(self) -> None:
        """Return when everything was read and sent, or could not be sent for some seconds."""
        while not self.crowd.is_over:  # noqa: ASYNC110 # The reader's work has no event.
            await asyncio.sleep(POLL_S)
        deadline_s = time.monotonic() + DRAIN_DEADLINE_S
        while self.reads_pending and time.monotonic() < deadline_s:  # noqa: ASYNC110 # See above.
            await asyncio.sleep(POLL_S)

    def line(self) -> str:
        """Return how far it is, in words."""
        stats, seconds = self.stats, self.crowd.lasted_s
        per_s = self.crowd.reads / seconds if seconds else 0.0
        lost = stats.reads_overflowed + stats.reads_forgotten
        return (
            f"{stats.tag_reads} reads in {seconds:.1f} s ({per_s:.0f}/s), {stats.reads_reported}"
            f" sent in {stats.tags_reported} entries of {stats.reports_sent} reports, {lost} lost"
        )


async def run_reader(load: Load, say: Callable[[str], None]) -> None:
    """Listen until everything was read, SIGINT or SIGTERM. Raises `AddressUnavailable`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    reader = BusyReader(load)
    await reader.start()
    say(f"LLRP reader   {load.host}:{reader.port}")
    say(f"reads {load.tags} tags at {load.antennas} antennas once a client starts a ROSpec")
    work = [
        asyncio.create_task(stop.wait()),
        asyncio.create_task(reader.until_read()),
        asyncio.create_task(_tell(reader, say)),
    ]
    await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    for task in work:
        task.cancel()
    await asyncio.wait(work)
    say(reader.line())
    await reader.stop()


async def _tell(reader: BusyReader, say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(REPORT_INTERVAL_S)
        if reader.crowd.has_begun:
            say(reader.line())
