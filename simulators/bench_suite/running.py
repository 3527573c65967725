"""Runs benches as commands of their own, one after the other, and reads what they print."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from protocol.bench_report import BenchReport
from simulators.bench_suite.benches import Bench
from simulators.errors import BenchmarkFailed

TIMEOUT_S: Final = 900
_decoder: Final = msgspec.json.Decoder(BenchReport)


class Ran(NamedTuple):
    """One bench's report, and how long it took."""

    bench: Bench
    report: BenchReport
    seconds: float


def run_all(benches: Sequence[Bench], tree: Path) -> Iterator[Ran]:
    """Run the benches of the code in `tree`. Raises `BenchmarkFailed`."""
    for bench in benches:
        yield run_one(bench, tree)


def run_one(bench: Bench, tree: Path, *, is_brief: bool = False) -> Ran:
    """Run one bench of the code in `tree`. Raises `BenchmarkFailed`."""
    command = [sys.executable, *bench.command(is_brief=is_brief)]
    # -m looks in the working directory first, and so finds the code of this tree.
    environment = os.environ | {"PYTHONPATH": str(tree)}
    begun_s = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkFailed(f"{bench.name}: no end after {TIMEOUT_S} s") from error
    # Exit status 1 says that a ratio is short; the report is there all the same.
    try:
        report = _decoder.decode(done.stdout)
    except msgspec.MsgspecError as error:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        reason = told[-1] if told else f"exit status {done.returncode}"
        raise BenchmarkFailed(f"{bench.name}: {reason}") from error
    return Ran(bench, report, time.monotonic() - begun_s)
