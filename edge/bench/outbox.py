"""`bench outbox`: facts a second that become durable and that drain again, beside bare apsw.

Callers are threads, as devices are; what waits at the same time is committed in one transaction, as
in the agent. Draining is the uplink's part: read, encode a batch, trim when it is acknowledged,
which it is at once here. The limit stores and deletes the very same bytes in the very same
transactions, in the same run.
"""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from edge.assembly import clock_ms
from edge.bench.bare_file import BareFile, Group
from edge.bench.load import Appended, appends
from edge.bench.showing import Advance, percentiles
from edge.bench.timed_outbox import TimedOutbox
from edge.errors import EdgeError
from edge.outbox.writer import Append, Job, Writer
from edge.uplink.settings import UplinkSettings
from protocol.bench_report import BenchReport, Figure
from protocol.codec import encode_batch
from protocol.ids import Seq

STORED_MIN: Final = 0.2
"""Part of what bare apsw stores a second, and of what it drains."""
DRAINED_MIN: Final = 0.2
POLL_S: Final = 0.2


class Size(NamedTuple):
    """How much is appended, by how many callers."""

    facts: int
    callers: int
    seed: int


class Round(NamedTuple):
    """What one round took, and what the limit took for the same."""

    stored_s: float
    bare_stored_s: float
    drained_s: float
    bare_drained_s: float
    commits: int
    appends_s: list[float]


def bench(folder: Path, size: Size, rounds: int, advance: Advance) -> BenchReport:
    """Store and drain so many times, each in a file of its own."""
    share, more = divmod(size.facts, size.callers)
    load = [
        list(appends(caller, share + (caller < more), size.seed)) for caller in range(size.callers)
    ]
    done: list[Round] = []
    for number in range(rounds):

        def stored(part: float, before: int = number) -> None:
            advance((before + part) / rounds)

        done.append(_round(folder / str(number), load, stored))
    return _report(size, done)


def _report(size: Size, rounds: Sequence[Round]) -> BenchReport:
    def per_s(name: str, seconds: Sequence[float]) -> Figure:
        value = median(size.facts / each for each in seconds)
        return Figure(name=name, value=value, unit="facts/s")

    stored = median(each.bare_stored_s / each.stored_s for each in rounds)
    drained = median(each.bare_drained_s / each.drained_s for each in rounds)
    grouped = median(size.facts / each.commits for each in rounds)
    appends_s = [waited_s for each in rounds for waited_s in each.appends_s]
    bare = "share of bare apsw"
    figures = [
        per_s("facts made durable", [each.stored_s for each in rounds]),
        per_s("bare apsw, the limit", [each.bare_stored_s for each in rounds]),
        Figure(name=bare, value=stored, unit="", at_least=STORED_MIN, is_ratio=True),
        Figure(name="facts in a commit", value=grouped, unit="facts"),
        *percentiles("an append until it is durable", appends_s),
        per_s("facts drained", [each.drained_s for each in rounds]),
        per_s("bare apsw in draining, the limit", [each.bare_drained_s for each in rounds]),
        Figure(
            name=f"{bare} in draining",
            value=drained,
            unit="",
            at_least=DRAINED_MIN,
            is_ratio=True,
        ),
    ]
    conditions: dict[str, int | float | str] = {
        "facts": size.facts,
        "callers": size.callers,
        "rounds": len(rounds),
    }
    return BenchReport(bench="outbox", seed=size.seed, conditions=conditions, figures=figures)


def _round(folder: Path, load: Sequence[list[Appended]], stored: Advance) -> Round:
    groups: list[Group] = []
    outbox = TimedOutbox(folder / "outbox.db", _noting_writer(groups))
    try:
        stored_s = _store_s(outbox, load, stored)
        outbox.check()
    except BaseException:
        outbox.close()
        raise
    drained_s = _drain_s(outbox)
    bare = BareFile(folder / "bare.db")
    try:
        bare_stored_s = bare.store_s(groups)
        bare_drained_s = bare.drain_s(UplinkSettings().batch_facts_max)
    finally:
        bare.close()
    return Round(stored_s, bare_stored_s, drained_s, bare_drained_s, len(groups), outbox.appends_s)


def _store_s(outbox: TimedOutbox, load: Sequence[list[Appended]], stored: Advance) -> float:
    """Let every caller append all it has, at the same time."""
    facts = sum(len(each.facts) for some in load for each in some)

    def append(some: list[Appended]) -> None:
        for each in some:
            outbox.append(each.facts, each.checkpoints)

    callers = [threading.Thread(target=append, args=(some,), daemon=True) for some in load]
    began_s = time.perf_counter()
    for caller in callers:
        caller.start()
    for caller in callers:
        while caller.is_alive():
            stored(outbox.status().pending / facts)
            caller.join(POLL_S)
    took_s = time.perf_counter() - began_s
    if outbox.status().pending != facts:
        raise EdgeError(f"only {outbox.status().pending} of {facts} facts were stored")
    return took_s


def _drain_s(outbox: TimedOutbox) -> float:
    """Read and encode everything in batches, trim each, and close when that is on the disk."""
    limits = UplinkSettings()
    status = outbox.status()
    began_s = time.perf_counter()
    after = Seq(status.first_seq - 1)
    while facts := outbox.read(after, limits.batch_facts_max, limits.batch_bytes_max):
        data = [fact.data for fact in facts]
        encode_batch("S001", status.epoch, facts[0].seq, clock_ms(), data)
        after = facts[-1].seq
        outbox.trim(status.epoch, after)
    outbox.close()
    return time.perf_counter() - began_s


def _noting_writer(groups: list[Group]) -> type[Writer]:
    """Return the outbox's writer, which notes what it is given to commit together."""

    class NotingWriter(Writer):
        def serve(self, jobs: list[Job]) -> None:
            some = [job for job in jobs if isinstance(job, Append)]
            if some:
                groups.append(_group(some))
            super().serve(jobs)

    return NotingWriter


def _group(jobs: Sequence[Append]) -> Group:
    facts = [(int(row.fact_class), row.data) for job in jobs for row in job.rows]
    kept = [
        (name, value)
        for job in jobs
        for name, value in job.checkpoints.items()
        if value is not None
    ]
    return Group(facts, kept)
