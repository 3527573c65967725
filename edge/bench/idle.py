"""`bench idle`: what an agent takes of a small gateway while its store has a normal day.

The agent is `stocktruth-edge run` with the given settings, a process of its own that is watched
from outside; devices, broker and cloud are whoever answers there (`stocktruth-sim bench-idle`
brings a whole store). The limits, measured in the same run: a Python that has loaded the agent's
libraries and does nothing, and bare commits of as many facts, one a commit.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from edge.bench.bare_file import BareFile, Group
from edge.bench.load import appends
from edge.bench.process_usage import threads_of, usage_of, written_bytes_of
from edge.bench.showing import Advance
from edge.config import EdgeSettings
from edge.errors import EdgeError
from edge.outbox.view import OutboxView
from protocol.bench_report import BenchReport, Figure
from protocol.codec import encode_fact

CPU_PERCENT_MAX: Final = 3.0
RSS_MB_MAX: Final = 70.0
WRITTEN_MB_PER_MINUTE_MAX: Final = 1.0
RSS_RATIO_MAX: Final = 1.8
WRITTEN_RATIO_MAX: Final = 4.0
BARE_COMMITS: Final = 200
POLL_S: Final = 0.2
START_DEADLINE_S: Final = 60.0
STOP_DEADLINE_S: Final = 20.0
MINUTE_S: Final = 60.0
MB: Final = 1_000_000
MIB: Final = 1_048_576
LIBRARIES: Final = (
    "aiomqtt, apsw, epcpy, msgspec, pykka, pymodbus.client, rich.table, sllurp.llrp, typer"
)


class Watched(NamedTuple):
    """What the agent took while it was watched, and what it made of it."""

    lasted_s: float
    cpu_s: float
    rss_max_mib: float
    written_bytes: int
    facts: int
    threads: int


def bench(
    settings: EdgeSettings, config: Path, after_s: float, for_s: float, advance: Advance
) -> BenchReport:
    """Start the agent, watch it for so long after so long, and stop it."""
    with _agent(config) as agent:
        all_s = after_s + for_s
        _pass(agent, after_s, lambda passed_s: advance(passed_s / all_s))
        watched = _watch(
            agent, settings, for_s, lambda passed_s: advance((after_s + passed_s) / all_s)
        )
    bare_bytes = _bare_commit_bytes(Path(settings.data_dir))
    return _report(settings, watched, _loaded_mib(), bare_bytes)


def _report(
    settings: EdgeSettings, watched: Watched, loaded_mib: float, bare_bytes: float
) -> BenchReport:
    minutes = watched.lasted_s / MINUTE_S
    loaded_mb, rss_mb = (each * MIB / MB for each in (loaded_mib, watched.rss_max_mib))
    cpu_percent = 100 * watched.cpu_s / watched.lasted_s
    written_mb = watched.written_bytes / MB / minutes
    bare_mb = bare_bytes * watched.facts / MB / minutes
    return BenchReport(
        bench="idle",
        seed=0,
        conditions=_conditions(settings, watched),
        figures=[
            Figure(name="a core's time", value=cpu_percent, unit="%", at_most=CPU_PERCENT_MAX),
            Figure(name="memory (RSS)", value=rss_mb, unit="MB", at_most=RSS_MB_MAX),
            Figure(name="the libraries alone, the limit", value=loaded_mb, unit="MB"),
            Figure(
                name="memory in that of the libraries",
                value=rss_mb / loaded_mb,
                unit="",
                at_most=RSS_RATIO_MAX,
                is_ratio=True,
            ),
            Figure(
                name="written to disk",
                value=written_mb,
                unit="MB/min",
                at_most=WRITTEN_MB_PER_MINUTE_MAX,
            ),
            Figure(name="a bare commit for each fact, the limit", value=bare_mb, unit="MB/min"),
            *_written_ratio(written_mb, bare_mb),
            Figure(name="facts", value=watched.facts / minutes, unit="facts/min"),
            Figure(name="threads", value=watched.threads, unit=""),
        ],
    )


def _written_ratio(written_mb: float, bare_mb: float) -> Iterator[Figure]:
    """Yield the ratio, unless there was no fact, or no disk: memory is written for nothing."""
    if bare_mb:
        yield Figure(
            name="written in bare commits",
            value=written_mb / bare_mb,
            unit="",
            at_most=WRITTEN_RATIO_MAX,
            is_ratio=True,
        )


def _conditions(settings: EdgeSettings, watched: Watched) -> dict[str, int | float | str]:
    return {
        "seconds": round(watched.lasted_s, 1),
        "readers": len(settings.llrp),
        "scales": len(settings.shelf_scale),
        "tills": len(settings.pos_journal),
    }


@contextmanager
def _agent(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run an agent that says nothing but what is wrong, and stop it."""
    command = [sys.executable, "-m", "edge", "run", "--config", str(config)]
    agent = subprocess.Popen([*command, "--log-level", "warning"])
    try:
        yield agent
    finally:
        agent.terminate()
        try:
            agent.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()


def _watch(
    agent: subprocess.Popen[bytes], settings: EdgeSettings, for_s: float, passed: Advance
) -> Watched:
    began_s, usage, written = time.monotonic(), usage_of(agent.pid), written_bytes_of(agent.pid)
    numbered = _next_seq(settings)
    rss_max_mib = _pass(agent, for_s, passed)
    lasted_s = time.monotonic() - began_s
    return Watched(
        lasted_s,
        usage_of(agent.pid).cpu_s - usage.cpu_s,
        rss_max_mib,
        written_bytes_of(agent.pid) - written,
        _next_seq(settings) - numbered,
        threads_of(agent.pid),
    )


def _pass(agent: subprocess.Popen[bytes], seconds: float, passed: Advance) -> float:
    """Let time pass, and return the most memory that was seen. Raises `EdgeError`."""
    began_s = time.monotonic()
    rss_max_mib = 0.0
    while (passed_s := time.monotonic() - began_s) < seconds:
        if agent.poll() is not None:
            raise EdgeError(f"the agent ended with status {agent.returncode}")
        rss_max_mib = max(rss_max_mib, usage_of(agent.pid).rss_mib)
        passed(passed_s)
        time.sleep(POLL_S)
    return rss_max_mib


def _next_seq(settings: EdgeSettings) -> int:
    if not settings.outbox_path.exists():
        raise EdgeError("the agent has not opened its outbox yet; watch it later (--after)")
    with closing(OutboxView(settings.outbox_path)) as outbox:
        return outbox.next_seq


def _loaded_mib() -> float:
    """Return the memory of a Python that has loaded the agent's libraries, and waits."""
    code = f"import {LIBRARIES}; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as python:
        assert python.stdout is not None  # noqa: S101 # It was asked for.
        python.stdout.readline()
        rss_mib = usage_of(python.pid).rss_mib
        python.communicate(b"\n")
    return rss_mib


def _bare_commit_bytes(folder: Path) -> float:
    """Return what the disk is written for a fact that is committed alone."""
    facts = [fact for each in appends(0, BARE_COMMITS, 0) for fact in each.facts]
    groups = [Group([(1, encode_fact(fact))], []) for fact in facts]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file = BareFile(Path(place) / "bare.db")
        before = written_bytes_of(os.getpid())
        file.store_s(groups)
        written_bytes = written_bytes_of(os.getpid()) - before
        file.close()
    return written_bytes / len(groups)
