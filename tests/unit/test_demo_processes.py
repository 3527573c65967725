"""The demo's children are told apart, mourned, and never outlive it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.demo.processes import Child, Crew
from simulators.errors import ChildDied
from tests.brokers import wait_for

DEADLINE_S = 15.0
SLEEP = ("-c", "import time; time.sleep(600)")

PARENT = """
import asyncio, sys
from pathlib import Path
from simulators.demo.processes import Child, Crew

async def main():
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    child = await Crew().start(Child("sleeper", ("-c", program), Path(sys.argv[1])))
    await asyncio.sleep(600)

asyncio.run(main())
"""


def is_there(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status


def test_a_child_ends_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    demo = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    log = tmp_path / "sleeper.log"
    try:
        wait_for(lambda: log.exists() and log.read_text().endswith("\n"), DEADLINE_S, "the child")
        child = int(log.read_text())
        assert is_there(child)
    finally:
        demo.send_signal(signal.SIGKILL)
        demo.wait(DEADLINE_S)
    wait_for(lambda: not is_there(child), DEADLINE_S, "the end of the child")


async def test_a_child_that_ends_unasked_is_named_with_its_last_words(tmp_path: Path) -> None:
    crew = Crew()
    program = "import sys; print('the disk is full', file=sys.stderr); sys.exit(3)"
    await crew.start(Child("sleeper", SLEEP, tmp_path))
    await crew.start(Child("cloud", ("-c", program), tmp_path))
    with pytest.raises(ChildDied, match=r"(?s)cloud ended with status 3.*\| the disk is full"):
        await asyncio.wait_for(crew.until_one_dies(), DEADLINE_S)
    await crew.stop()


async def test_a_killed_child_is_no_surprise_and_comes_back(tmp_path: Path) -> None:
    crew = Crew()
    child = await crew.start(Child("agent", SLEEP, tmp_path))
    guard = asyncio.create_task(crew.until_one_dies())
    were_running = []
    for act in (child.kill, child.start, crew.stop):
        await act()
        were_running.append(child.is_running)
    assert were_running == [False, True, False]
    assert child.kills == 1
    assert child.outage_s > 0
    assert not guard.done()
    guard.cancel()


async def test_a_child_that_dies_after_it_came_back_is_a_surprise_again(tmp_path: Path) -> None:
    crew = Crew()
    log = tmp_path / "agent.log"
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    child = await crew.start(Child("agent", ("-c", program), tmp_path))
    await child.kill()
    log.write_text("")
    await child.start()
    async with asyncio.timeout(DEADLINE_S):
        while not log.read_text().strip():  # noqa: ASYNC110 # A file has no event to wait for.
            await asyncio.sleep(0.01)
    os.kill(int(log.read_text()), signal.SIGKILL)
    with pytest.raises(ChildDied, match="agent ended with signal 9"):
        await asyncio.wait_for(crew.until_one_dies(), DEADLINE_S)
    await crew.stop()


async def test_pipes_are_for_piped_children_that_run(tmp_path: Path) -> None:
    crew = Crew()
    program = "import sys; sys.stdout.write(sys.stdin.readline())"
    child = Child("echo", ("-c", program), tmp_path, piped=True)
    with pytest.raises(ChildDied, match="echo is not running"):
        assert child.pipes
    await crew.start(child)
    writer, reader = child.pipes
    writer.write(b"hello\n")
    assert await asyncio.wait_for(reader.readline(), DEADLINE_S) == b"hello\n"
    await crew.stop()
