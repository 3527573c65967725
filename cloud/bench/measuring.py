"""What the benches measure with: memory of this process, and percentiles."""

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple


class Spread(NamedTuple):
    """The middle and the tail of what was measured."""

    p50: float
    p99: float


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the 99th percentile of at least two values."""
    cuts = quantiles(values, n=100, method="inclusive")
    return Spread(cuts[49], cuts[98])


def resident_bytes(pid: int | None = None) -> int:
    """Return what a process, or this one, has in memory (proc(5), `statm`)."""
    pages = int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
