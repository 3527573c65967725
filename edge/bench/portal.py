"""`bench portal`: tag reads from a reader's socket to durable facts, beside sllurp's bare decode.

The real way of a read, with the agent's own parts: the supervised LLRP driver on its thread, the
tag tracker on its own, the outbox with `synchronous=FULL` on the disk of the temporary folder. The
reader is a process of its own. The limit, sllurp decoding the very bytes that came and doing
nothing with them, is measured in the same run, after each round; so the ratio holds anywhere.
"""

import gc
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec

from edge.assembly import clock_ms, collect_seldom, device_specs, monotonic_ms, tag_layout
from edge.bench.portal_reader import HOST
from edge.bench.portal_traffic import Traffic, passed
from edge.bench.showing import Advance, percentiles
from edge.bench.timed_outbox import TimedOutbox
from edge.config import EdgeSettings
from edge.devices.driver import Health
from edge.devices.llrp import RO_ACCESS_REPORT, decoded_by_sllurp
from edge.devices.llrp_framing import message_type
from edge.devices.status import StatusBoard
from edge.devices.supervisor import RestartPolicy, Supervisor
from edge.devices.tag_tracker import TagTracker
from edge.errors import EdgeError
from edge.outbox.port import Outbox
from edge.recording.tap import NoTap
from protocol.bench_report import BenchReport, Figure
from protocol.codec import decode_fact
from protocol.facts import GoodsReceived
from protocol.ids import Epc, Seq, gtin_of_tag

READS_PER_S_MIN: Final = 50_000
RATIO_MIN: Final = 0.5
RECEIVED_MIN: Final = 0.9
"""Part of the tags that came through that are received, each once: else it was not done.

The faster the machine, the faster they come through; nobody runs through a portal in half a second.
"""
ROUND_DEADLINE_S: Final = 600.0
POLL_S: Final = 0.005
READER: Final = "portal"
"""The reader's name; its antennas 1 and 2 look outside, 3 and 4 inside."""


class Round(NamedTuple):
    """One round: what it took, and what came of it."""

    took_s: float
    cpu_s: float
    bare_s: float
    facts: int
    received_share: float
    appends_s: list[float]


class _Heard(NoTap):
    """Keeps the reports as they come, and when the first one came."""

    def __init__(self) -> None:
        self.reports: list[bytes] = []
        self.began_s = self.began_cpu_s = 0.0

    def llrp_message(self, device: str, data: bytes, monotonic_ms: int, utc_ms: int) -> None:
        """See `Tap.llrp_message`."""
        del device, monotonic_ms, utc_ms
        if message_type(data) == RO_ACCESS_REPORT:
            if not self.reports:
                self.began_s, self.began_cpu_s = time.perf_counter(), time.process_time()
            self.reports.append(data)


def bench(folder: Path, traffic: Traffic, rounds: int, advance: Advance) -> BenchReport:
    """Let the traffic through so many times, each into an outbox of its own."""
    collect_seldom()  # As an agent does.
    done: list[Round] = []
    through = passed(traffic)
    for number in range(rounds):

        def taken(share: float, before: int = number) -> None:
            advance((before + share) / rounds)

        done.append(_round(folder / str(number), traffic, through, taken))
    return _report(traffic, done)


def _report(traffic: Traffic, rounds: list[Round]) -> BenchReport:
    per_s = median(traffic.reads / each.took_s for each in rounds)
    bare_per_s = median(traffic.reads / each.bare_s for each in rounds)
    cpu_us = median(each.cpu_s / traffic.reads for each in rounds) * 1_000_000
    received = min(each.received_share for each in rounds)
    facts = round(median(each.facts for each in rounds))
    ratio = median(each.bare_s / each.took_s for each in rounds)
    appends_s = [took_s for each in rounds for took_s in each.appends_s]
    conditions: dict[str, int | float | str] = {
        "reads": traffic.reads,
        "reads a report": traffic.tags_per_report,
        "tags under way": traffic.under_way,
        "rounds": len(rounds),
    }
    name = "share of sllurp's bare decode"
    figures = [
        Figure(name="tag reads", value=per_s, unit="reads/s", at_least=READS_PER_S_MIN),
        Figure(name="bare decode by sllurp, the limit", value=bare_per_s, unit="reads/s"),
        Figure(name=name, value=ratio, unit="", at_least=RATIO_MIN, is_ratio=True),
        Figure(name="processor time of a read", value=cpu_us, unit="us"),
        Figure(name="durable facts of a round", value=facts, unit="facts"),
        Figure(
            name="tags received of those that came through",
            value=received,
            unit="",
            at_least=RECEIVED_MIN,
            is_ratio=True,
        ),
        *percentiles("an append until it is durable", appends_s),
    ]
    return BenchReport(bench="portal", seed=traffic.seed, conditions=conditions, figures=figures)


def _round(folder: Path, traffic: Traffic, through: set[Epc], taken: Advance) -> Round:
    gtin_of_tag.cache_clear()  # A new round's tags are as strange as a new day's.
    gc.collect()
    outbox = TimedOutbox(folder / "outbox.db")
    try:
        heard = _Heard()
        with _reader(traffic) as port:
            took_s, cpu_s = _take(_settings(folder, port), outbox, heard, traffic.reads, taken)
        outbox.check()
        facts, share = _judged(outbox, through)
    finally:
        outbox.close()
    return Round(took_s, cpu_s, _bare_decode_s(heard.reports), facts, share, outbox.appends_s)


def _take(
    settings: EdgeSettings, outbox: Outbox, heard: _Heard, reads: int, taken: Advance
) -> tuple[float, float]:
    """Take all reads in; return how long it took until what follows from them was durable."""
    failed = threading.Event()
    board = StatusBoard(_nobody)
    tags = TagTracker(
        tag_layout(settings), settings.tags, outbox, clock_ms, lambda _: failed.set(), heard
    )
    tags.start()
    specs = list(device_specs(settings, tags, outbox, heard))
    supervisor = Supervisor.start(
        specs,
        board,
        RestartPolicy(),
        random.Random(1),  # noqa: S311 # It only spreads restarts.
        monotonic_ms,
    )
    try:
        deadline_s = time.monotonic() + ROUND_DEADLINE_S
        while (come := board.snapshot()[0].readings) < reads:
            if time.monotonic() > deadline_s or failed.is_set():
                raise EdgeError(f"only {come} of {reads} reads were taken: {board.snapshot()[0]}")
            taken(come / reads)
            time.sleep(POLL_S)
        tags.stop()
        return time.perf_counter() - heard.began_s, time.process_time() - heard.began_cpu_s
    finally:
        supervisor.stop()
        tags.stop()


def _nobody(name: str, health: Health, detail: str) -> None:
    """Tell nobody how the device is."""


def _judged(outbox: Outbox, through: set[Epc]) -> tuple[int, float]:
    """Return how many facts are durable, and what part of the tags was received exactly once."""
    status = outbox.status()
    times: dict[bytes, int] = dict.fromkeys(through, 0)
    for row in outbox.read(Seq(0), status.pending, 2**40):
        fact = decode_fact(row.data)
        if isinstance(fact, GoodsReceived):
            for epc in fact.epcs:
                if epc in times:
                    times[epc] += 1
    once = sum(1 for each in times.values() if each == 1)
    return status.pending, once / len(times) if times else 1.0


def _bare_decode_s(reports: list[bytes]) -> float:
    gc.collect()
    began_s = time.perf_counter()
    for report in reports:
        decoded_by_sllurp(report)
    return time.perf_counter() - began_s


@contextmanager
def _reader(traffic: Traffic) -> Iterator[int]:
    """Run the reader, ready to send, until the client has gone; yield its port."""
    command = [sys.executable, "-m", "edge.bench.portal_reader"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None  # noqa: S101 # It was asked for.
    assert process.stdout is not None  # noqa: S101 # It was asked for.
    try:
        process.stdin.write(msgspec.json.encode(traffic) + b"\n")
        process.stdin.close()
        line = process.stdout.readline()
        if not line:
            raise EdgeError("the bench's reader does not start")
        yield int(line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _settings(folder: Path, port: int) -> EdgeSettings:
    sides = {1: "outside", 2: "outside", 3: "inside", 4: "inside"}
    antennas = [{"id": each, "portal": "dock", "side": side} for each, side in sides.items()]
    portal = {"name": "dock", "outside": "transit", "inside": "backroom"}
    reader = {"name": READER, "host": HOST, "port": port, "antennas": antennas}
    return msgspec.convert(
        {
            "store": "S001",
            "data_dir": str(folder),
            "broker": {"url": "mqtt://127.0.0.1:1"},
            "portals": [portal],
            "llrp": [reader],
        },
        EdgeSettings,
    )
