"""Runs `stocktruth-cloud verify` on the journal that a demo leaves. Event loop."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Final

DEADLINE_S: Final = 120.0


async def verify(config: Path) -> tuple[int, str]:
    """Return its exit status and the last line that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cloud", "verify", "--config", str(config)),
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, f"no answer within {DEADLINE_S:.0f} s"
    lines = output.decode(errors="replace").strip().splitlines()
    status = process.returncode
    return 1 if status is None else status, lines[-1] if lines else ""
