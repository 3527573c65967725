"""The same with whole programs: `stocktruth-cloud run` is suspended, and another one takes over.

Stores send their facts through an embedded broker all the while, or are quiet until the suspended
program has ended by itself. It must end with status 1 and one clear line; what the broker retains
of the cloud must in the end be what the newcomer says; and the counts must be what is truly on the
shelves. Runs in the campaign's event loop.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from json import dumps
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from aiomqtt import Client, ProtocolVersion

from cloud.journal.rows import decode_state
from protocol.documents import CloudDocument
from protocol.ids import StoreId
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.demo.broker import HOST, BrokerAddress, start_embedded
from simulators.demo.processes import Crew
from simulators.demo.verify import verify
from simulators.errors import DemoFailed
from simulators.fencing.journals import open_journal, settings_of
from simulators.fencing.options import FencingOptions
from simulators.fencing.outcome import ProgramsOutcome
from simulators.fencing.suspendable import Suspendable
from simulators.oversell.supply import Supply, supply_at
from simulators.oversell.tally import Tally
from simulators.world.goods import gtin_of

STORES: Final = (StoreId("F001"), StoreId("F002"))
GTINS: Final = tuple(gtin_of(70_000 + item) for item in range(10))
OPENING_UNITS: Final = 200
TURNS_AT_ONCE: Final = 4
WARM_UP_S: Final = (0.2, 0.6)
SETTLED_S: Final = 1.5
"""So long the broker must retain what the newcomer says, for that to be the last word."""

DEADLINE_S: Final = 60.0
RETAINED_DEADLINE_S: Final = 10.0
POLL_S: Final = 0.05
STATUS_LOST: Final = 1
LAST_LINES_MAX: Final = 5
"""What a program says from the moment it knows: that, its two farewells, and why it ends."""

CLEAR_LINE: Final = re.compile(r"^stocktruth-cloud: .*owner epoch \d+ has taken over from \d+$")
CONFIG: Final = """\
[broker]
url = {url}
[journal]
{journal}
[publisher]
marker_interval_ms = 50
"""


class Program(Suspendable):
    """One `stocktruth-cloud run`."""

    def __init__(self, number: int, config: Path, folder: Path) -> None:
        log = folder / f"program-{number}.log"
        super().__init__(f"program {number}", ("-m", "cloud", "run", "-c", str(config)), log)

    @property
    def said(self) -> str:
        """Everything that it has said."""
        return self.log.read_text()

    @property
    def owner_epoch(self) -> int:
        """The owner epoch that it has said."""
        found = re.search(r"owner epoch (\d+), position", self.said)
        return 0 if found is None else int(found[1])

    @property
    def is_ready(self) -> bool:
        """Whether it has connected both ways."""
        return "ingest: listening" in self.said and "publisher: connected" in self.said


class Programs:
    """All hand-overs between whole programs on one journal. `advanced` is called after each."""

    def __init__(self, options: FencingOptions, place: str, advanced: Callable[[], None]) -> None:
        self._options: Final = options
        self._place: Final = place
        self._advanced: Final = advanced
        self._rng: Final = Random(f"{options.seed}/programs")
        self._programs: Final[list[Program]] = []
        self._violations: Final[list[str]] = []
        self._documents: Final[list[CloudDocument]] = []
        self._ended_well = 0
        self._gave_up = 0
        self._flaps = 0
        self._tracebacks = 0
        self._ending_s_max = 0.0
        self._config: Final = options.folder / "cloud.toml"
        self._broker = BrokerAddress(HOST, 0)

    async def run(self) -> ProgramsOutcome:
        """Run all hand-overs and compare. Raises `SimulatorError`."""
        crew = Crew()
        try:
            broker, _ = await start_embedded(crew, self._options.folder)
            self._broker = broker
            text = CONFIG.format(url=dumps(broker.url), journal=settings_of(self._place))
            self._config.write_text(text)
            async with self._supply(broker) as supply, self._listening(broker):
                await self._hand_over_all(supply)
        finally:
            await asyncio.gather(*(program.kill() for program in self._programs))
            await crew.stop()
        status, verified = await verify(self._config)
        if status != 0:
            self._violations.append(f"verify: {verified}")
        return ProgramsOutcome(
            handovers=self._options.program_handovers,
            ended_well=self._ended_well,
            gave_up=self._gave_up,
            flaps=self._flaps,
            tracebacks=self._tracebacks,
            ending_s_max=round(self._ending_s_max, 1),
            verified=verified,
            violations=self._violations,
        )

    @asynccontextmanager
    async def _supply(self, broker: BrokerAddress) -> AsyncIterator[Supply]:
        rng = Random(f"{self._options.seed}/supply")
        async with supply_at(broker, Topics(DEFAULT_ROOT), STORES, GTINS, rng, Tally()) as supply:
            yield supply

    @asynccontextmanager
    async def _listening(self, broker: BrokerAddress) -> AsyncIterator[None]:
        """Follow what the broker tells of the cloud."""
        async with Client(*broker, protocol=ProtocolVersion.V5) as client:
            await client.subscribe(Topics(DEFAULT_ROOT).cloud_agent(), qos=1)
            listening = asyncio.create_task(self._listen(client))
            try:
                yield
            finally:
                listening.cancel()
                await asyncio.wait([listening])

    async def _listen(self, client: Client) -> None:
        async for message in client.messages:
            if message.payload:
                document = msgspec.json.decode(message.payload, type=CloudDocument)
                self._documents.append(document)

    async def _hand_over_all(self, supply: Supply) -> None:
        present = await self._started()
        await supply.open_with(OPENING_UNITS)
        for number in range(self._options.program_handovers):
            present = await self._hand_over(present, supply, is_quiet=number % 2 == 1)
            self._advanced()
        await supply.turns(TURNS_AT_ONCE)
        present.terminate()
        if (status := await present.until_ended()) != 0:
            self._violations.append(f"{present.name} ended with {status} when told to")
        retained = await self._retained(len(supply.shelf))
        await asyncio.to_thread(self._compare, supply, retained)

    async def _retained(self, documents: int) -> dict[tuple[str, str], int]:
        """Return how many units of what the broker says are at each store."""
        found: dict[tuple[str, str], int] = {}
        async with Client(*self._broker, protocol=ProtocolVersion.V5) as client:
            await client.subscribe(f"{DEFAULT_ROOT}/+/stock/+", qos=1)
            with suppress(TimeoutError):
                async with asyncio.timeout(RETAINED_DEADLINE_S):
                    async for message in client.messages:
                        document = msgspec.json.decode(message.payload)
                        found[document["store"], document["gtin"]] = document["on_hand"]
                        if len(found) == documents:
                            break
        return found

    async def _hand_over(self, present: Program, supply: Supply, *, is_quiet: bool) -> Program:
        """Replace one program by the next under load; with `is_quiet` it resumes without load."""
        async with _selling(supply):
            await asyncio.sleep(self._rng.uniform(*WARM_UP_S))
            present.suspend()
            await present.until_suspended()
            following = await self._started(present)
            heard = len(self._documents)
            if not is_quiet:
                await self._resume_and_see_it_end(present)
        if is_quiet:
            await self._resume_and_see_it_end(present)
        await self._until_settled(following, heard)
        await supply.turns(TURNS_AT_ONCE)
        return following

    async def _started(self, present: Program | None = None) -> Program:
        """Start a program, again when the suspended one holds the journal's lock."""
        while True:
            program = Program(len(self._programs) + 1, self._config, self._options.folder)
            self._programs.append(program)
            await program.start()
            async with program.deadline("is not ready"):
                while not program.is_ready and program.status is None:  # noqa: ASYNC110 # Its log has no event.
                    await asyncio.sleep(POLL_S)
            if program.status is None:
                return program
            self._gave_up += 1
            if present is None or "Traceback" in program.said:
                raise DemoFailed(f"{program.name} ended with {program.status}; see {program.log}")
            present.resume()

    async def _resume_and_see_it_end(self, stale: Program) -> None:
        began_s = time.monotonic()
        # It was resumed before if its lock kept the newcomer out, and may have ended since.
        if stale.status is None:
            stale.resume()
        status = await stale.until_ended()
        self._ending_s_max = max(self._ending_s_max, time.monotonic() - began_s)
        # Before it learns that, its MQTT client may complain of the connection it has lost.
        _, _, after = stale.said.partition(" CRITICAL shard ")
        last = stale.said.splitlines()[-1]
        self._tracebacks += "Traceback" in stale.said
        is_clear = bool(CLEAR_LINE.match(last)) and after.count("\n") <= LAST_LINES_MAX
        if status == STATUS_LOST and is_clear:
            self._ended_well += 1
        else:
            self._violations.append(f"{stale.name} ended with {status}, saying {last!r}")

    async def _until_settled(self, following: Program, heard: int) -> None:
        """Wait until the newcomer has had the last word for a while."""
        expected = ("online", following.owner_epoch)
        since_s = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_S):
                while time.monotonic() - since_s < SETTLED_S:
                    await asyncio.sleep(POLL_S)
                    newest = self._documents[-1]
                    if (newest.status, newest.owner_epoch) != expected:
                        since_s = time.monotonic()
        newest = self._documents[-1]
        if (newest.status, newest.owner_epoch) != expected:
            said = f"{newest.status} of owner epoch {newest.owner_epoch}"
            self._violations.append(f"the broker retains {said}, not {expected[1]}'s")
        self._flaps += sum(
            document.owner_epoch != following.owner_epoch for document in self._documents[heard:]
        )

    def _compare(self, supply: Supply, retained: dict[tuple[str, str], int]) -> None:
        """Hold the journal's counts, and those that the broker retains, against the shelves."""
        with closing(open_journal(self._place)) as journal:
            counts = {
                (row.store, row.gtin): decode_state(row.data).on_hand for row in journal.states()
            }
        for key, units in supply.shelf.items():
            if counts.get(key) != units:
                self._violations.append(f"{key}: {counts.get(key)} counted, {units} there")
            if retained.get(key) != units:
                self._violations.append(f"{key}: {retained.get(key)} retained, {units} there")


@asynccontextmanager
async def _selling(supply: Supply) -> AsyncIterator[None]:
    """Let the stores sell meanwhile. What is under way in the end is waited for."""
    is_open = asyncio.Event()
    is_open.set()

    async def sell() -> None:
        while is_open.is_set():
            await supply.turns(TURNS_AT_ONCE)

    selling = asyncio.create_task(sell())
    try:
        yield
    finally:
        is_open.clear()
        await selling
