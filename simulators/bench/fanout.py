"""`bench fanout`: per-GTIN retained states through the real publisher to subscribers.

Commits of a journal's states go into the real handover; pump, session and backlog publish them over
a real broker, the arrays of the full-rate stream as well. Each subscriber is a process and has to
get every state, so a round ends before the next begins: nothing is conflated. Beside it the same
retained payloads, encoded before, published by the bare client in a loop to the same subscribers.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from cloud.bench.traffic import BENCH_MS, OPENING_UNITS, gtin_of
from cloud.broker import BackOff
from cloud.config import PublisherSettings
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_reader import SqliteReader
from cloud.publisher.handover import Handover
from cloud.publisher.outgoing import STOCK
from cloud.publisher.properties import properties_of
from cloud.publisher.pump import Publisher
from cloud.publisher.wms import messages_of, retained_stock
from cloud.shards.messages import Committed, StoreChange
from cloud.sku_location.state import Cause, SkuLocation
from mqtt5 import Client
from protocol.bench_report import BenchReport, Figure
from protocol.broker_settings import BrokerSettings
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.bench.brokers import BrokerKind, start_broker
from simulators.bench.messages import Ask, Heard, line_of, ready, tell
from simulators.demo.processes import Child, Crew
from simulators.errors import BenchmarkFailed

STATES_PER_S_MIN: Final = 20_000
SHARE_MIN: Final = 0.25
STORE: Final = "S00000"
ROUND_STATES: Final = 10_000
COMMIT_STATES: Final = 500
BARE_WINDOW: Final = 18
BARE_ROOT: Final = "bare/1"
DEADLINE_S: Final = 60.0
POLL_S: Final = 0.01
MARKER_INTERVAL_MS: Final = 50

Advance = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FanoutOptions:
    """The command line of the bench."""

    folder: Path
    broker: BrokerKind
    states: int
    subscribers: int
    seed: int


async def run(options: FanoutOptions, advance: Advance) -> BenchReport:
    """Run it once. Raises `SimulatorError`."""
    crew = Crew()
    try:
        address, _ = await start_broker(crew, options.folder, options.broker)
        broker = BrokerSettings(url=address.url)
        rounds = max(1, options.states // ROUND_STATES)
        size = min(options.states, ROUND_STATES)
        states = [_state(number) for number in range(size)]
        crowd = await _Crowd.start(options, crew, broker, DEFAULT_ROOT, "wms")
        published_s = await _publish(options, broker, states, rounds, crowd, advance)
        bare_crowd = await _Crowd.start(options, crew, broker, BARE_ROOT, "bare")
        bare_s, payload_bytes = await _bare_loop(broker, states, rounds, bare_crowd)
        advance(1.0)
    finally:
        await crew.stop()
    return _report(options, rounds * size, published_s, bare_s, payload_bytes)


class _Crowd:
    """Subscribers, each a process."""

    def __init__(self, children: list[Child]) -> None:
        self._children: Final = children

    @classmethod
    async def start(
        cls, options: FanoutOptions, crew: Crew, broker: BrokerSettings, root: str, name: str
    ) -> "_Crowd":
        """Start them, and return when all have subscribed."""
        children = []
        for number in range(options.subscribers):
            command = ("-m", "simulators.bench.wms", broker.url, f"{root}/+/stock/+")
            arguments = (*command, f"{name}-{number}", "raw")
            child = Child(f"{name} {number}", arguments, options.folder, piped=True)
            children.append(await crew.start(child))
            await ready(child)
        return cls(children)

    async def until_heard(self, messages: int) -> float:
        """Return when the last of them had so many messages. Raises `BenchmarkFailed`."""
        return max([await self._until(child, messages) for child in self._children])

    async def _until(self, child: Child, messages: int) -> float:
        deadline_s = time.monotonic() + DEADLINE_S
        while True:
            await tell(child, Ask())
            heard = msgspec.json.decode(await line_of(child), type=Heard)
            if heard.messages >= messages:
                return heard.last_s
            if time.monotonic() > deadline_s:
                raise BenchmarkFailed(f"{child.name}: {heard.messages} of {messages} states")
            await asyncio.sleep(POLL_S)


def _state(number: int) -> SkuLocation:
    return SkuLocation(
        store=STORE,
        gtin=gtin_of(number),
        version=1,
        measure="units",
        on_hand=OPENING_UNITS,
        opening=OPENING_UNITS,
        counted=True,
        opened_at_ms=BENCH_MS,
        counted_at_ms=BENCH_MS,
        as_of_ms=BENCH_MS,
        cause=Cause(kind="UnitsSold", epoch=1, seq=1, occurred_at_ms=BENCH_MS),
    )


def _sold(states: list[SkuLocation], times: int) -> list[SkuLocation]:
    """Return the states after so many sales each."""
    return [
        replace(state, version=1 + times, sold=times, on_hand=OPENING_UNITS - times)
        for state in states
    ]


def _commits(states: list[SkuLocation], position: int) -> Iterator[Committed]:
    """Return commits that follow `position`, one position a state."""
    for start in range(0, len(states), COMMIT_STATES):
        told = states[start : start + COMMIT_STATES]
        change = StoreChange(
            store=STORE,
            previous_position=position,
            position=position + len(told),
            epoch=1,
            through_seq=position + len(told),
            states=told,
        )
        position = change.position
        yield Committed(position=position, changes=[change])


async def _publish(
    options: FanoutOptions,
    broker: BrokerSettings,
    states: list[SkuLocation],
    rounds: int,
    crowd: _Crowd,
    advance: Advance,
) -> float:
    """Publish every round through the real publisher; return the seconds until all was heard."""
    path = options.folder / "journal.db"
    SqliteJournal(path).close()
    handover = Handover()
    confirmed = asyncio.Condition()
    through = 0
    loop = asyncio.get_running_loop()

    async def note(position: int) -> None:
        nonlocal through
        async with confirmed:
            through = max(through, position)
            confirmed.notify_all()

    noting: set[asyncio.Task[None]] = set()

    def published(position: int) -> None:
        noting.add(task := loop.create_task(note(position)))
        task.add_done_callback(noting.discard)

    with closing(SqliteReader(path)) as reader:
        publisher = Publisher(
            broker,
            PublisherSettings(marker_interval_ms=MARKER_INTERVAL_MS),
            handover=handover,
            reader=reader,
            owner_epoch=1,
            on_published=published,
            now_ms=lambda: BENCH_MS,
            back_off=BackOff(random.Random(options.seed).uniform),
        )
        publishing = asyncio.create_task(publisher.run())
        position = 0
        seconds = 0.0
        for number in range(rounds):
            sold = _sold(states, number + 1)
            commits = list(_commits(sold, position))
            begun_s = time.monotonic()
            for commit in commits:
                handover.put(commit)
            position += len(states)
            ended_s = await crowd.until_heard(position)
            seconds += ended_s - begun_s
            async with asyncio.timeout(DEADLINE_S), confirmed:
                await confirmed.wait_for(lambda: through >= position)  # noqa: B023 # Awaited here.
            advance(0.05 + 0.6 * (number + 1) / rounds)
        publisher.stop()
        await publishing
    return seconds


async def _bare_loop(
    broker: BrokerSettings, states: list[SkuLocation], rounds: int, crowd: _Crowd
) -> tuple[float, float]:
    """Publish the same payloads, nothing else; return the seconds, and the bytes of a payload."""
    topics = Topics(BARE_ROOT)
    properties = properties_of(STOCK)
    seconds = 0.0
    size_bytes = 0
    free = asyncio.Semaphore(BARE_WINDOW)
    async with Client(
        broker.host, broker.port, identifier="bare", max_inflight_messages=BARE_WINDOW
    ) as client:
        for number in range(rounds):
            entries = [retained_stock(state, 0, topics) for state in _sold(states, number + 1)]
            messages = [messages_of(entry)[0] for entry in entries]
            begun_s = time.monotonic()
            for message in messages:
                await free.acquire()
                client.post(
                    message.topic,
                    message.payload,
                    retain=True,
                    properties=properties,
                    then=free.release,
                )
            seconds += await crowd.until_heard((number + 1) * len(states)) - begun_s
            size_bytes = sum(len(message.payload) for message in messages)
    return seconds, size_bytes / len(states)


def _report(
    options: FanoutOptions, states: int, published_s: float, bare_s: float, payload_bytes: float
) -> BenchReport:
    per_s, bare_per_s = states / published_s, states / bare_s
    return BenchReport(
        bench="fanout",
        seed=options.seed,
        conditions={
            "broker": options.broker,
            "states": states,
            "subscribers": options.subscribers,
            "payload_bytes": round(payload_bytes),
        },
        figures=[
            Figure(
                name="published, heard by all subscribers",
                value=per_s,
                unit="states/s",
                at_least=STATES_PER_S_MIN,
            ),
            Figure(name="deliveries", value=per_s * options.subscribers, unit="messages/s"),
            Figure(name="bare client in a loop", value=bare_per_s, unit="states/s"),
            Figure(
                name="share of the bare client",
                value=per_s / bare_per_s,
                unit="",
                at_least=SHARE_MIN,
                is_ratio=True,
            ),
        ],
    )
