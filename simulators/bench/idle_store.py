"""A whole store around `stocktruth-edge bench idle`: its hardware here, broker and cloud beside it.

The cloud is a real one, so that facts are acknowledged and trimmed, and the mirror is fed. Runs in
its caller's event loop; every process is tied to this one.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from simulators.bench.day import ROOT, Day
from simulators.demo.broker import BrokerAddress, start_embedded
from simulators.demo.processes import Child, Crew
from simulators.errors import BenchmarkFailed

CLOUD_CONFIG: Final = """\
[broker]
url = "{url}"
root = "{root}"
[journal]
path = "./journal/journal.db"
"""


async def measure(
    folder: Path, seed: int, seconds: float, after_s: float, say: Callable[[str], None]
) -> tuple[bytes, int]:
    """Return what the bench printed, as JSON, and its status. Raises `SimulatorError`."""
    crew = Crew()
    day = Day(folder, seed)
    await day.start()
    try:
        address, _ = await start_embedded(crew, folder)
        config = _write_configs(folder, day, address)
        command = ("-m", "cloud", "run", "--config", str(folder / "cloud.toml"))
        await crew.start(Child("cloud", command, folder))
        say(f"watching an agent for {seconds:g} s, {after_s:g} s after its start; see {folder}")
        bench = asyncio.create_task(_bench(config, seconds, after_s))
        others = [asyncio.create_task(day.live()), asyncio.create_task(crew.until_one_dies())]
        await asyncio.wait((bench, *others), return_when=asyncio.FIRST_COMPLETED)
        for task in (bench, *others):
            task.cancel()
        await asyncio.wait((bench, *others))
        for task in others:
            if not task.cancelled():
                task.result()  # They only end by failing.
        return bench.result()
    finally:
        await crew.stop()
        await day.stop()


def _write_configs(folder: Path, day: Day, broker: BrokerAddress) -> Path:
    (folder / "cloud.toml").write_text(CLOUD_CONFIG.format(url=broker.url, root=ROOT))
    config = folder / "store.toml"
    config.write_text(day.config(broker))
    return config


async def _bench(config: Path, seconds: float, after_s: float) -> tuple[bytes, int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge", "bench", "idle", "--config", str(config), "--json"),
        *("--for", str(seconds), "--after", str(after_s)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if process.returncode not in (0, 1) or not output:
        raise BenchmarkFailed(f"the bench ended with status {process.returncode}")
    return output, process.returncode
