"""`stocktruth-sim reader` and `throughput`, as a user runs them, at a modest rate."""

import asyncio
import json
import sys
from pathlib import Path

from llrpkit.reader import Reader

DEADLINE_S = 90.0


async def test_every_read_of_a_busy_reader_reaches_the_agent(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators", "throughput", "--json"),
        *("--rate", "4000", "--for", "2", "--tags", "500", "--dir", str(tmp_path / "run")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_S):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    outcome = json.loads(output)
    assert outcome["lost"] == 0
    assert outcome["reads_taken"] == outcome["reads_sent"] == outcome["reads_made"] >= 8_000
    assert outcome["agent_cpu_percent"] > 0
    assert outcome["agent_rss_max_mib"] >= outcome["agent_rss_mib"] > 0


async def test_a_busy_reader_serves_stock_clients_and_ends(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators", "reader", "--port", "0", "--rate", "1000"),
        *("--for", "1", "--tags", "100", "--antennas", "2", "--impinj"),
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        first_line = (await process.stdout.readline()).decode()
        async with Reader("127.0.0.1", int(first_line.rpartition(":")[2])) as client:
            assert client.impinj_extensions_enabled
            tags = {tag.epc async for tag in client.inventory(max_tags=900)}
        rest = (await process.stdout.read()).decode()
        await process.wait()
    assert process.returncode == 0
    assert len(tags) == 100
    assert " 0 lost" in rest
