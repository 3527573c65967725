"""One store of a demo, seen from the demo: two child processes and the truth they are held to.

The hardware process tells its truth on a pipe; the agent is somebody else's program that is given
a configuration file. Runs in the demo's event loop.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulators.demo.messages import (
    Begin,
    CloseDoors,
    OpenDoors,
    OrderPacked,
    PickOrder,
    Prepared,
    Quantities,
    Reordered,
    ShipOrder,
    Still,
    ToStore,
    TruthChanged,
    from_store,
    line_of,
)
from simulators.demo.processes import Child, Crew
from simulators.demo.truth import Columns, SkuLocationKey
from simulators.errors import ChildDied, DemoFailed
from simulators.scenario import Scenario

PREPARE_DEADLINE_S: Final = 30.0

TruthListener = Callable[[TruthChanged, list[SkuLocationKey]], None]


class StoreRun:
    """One store: its hardware, its agent and its truth."""

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        on_truth: TruthListener,
    ) -> None:
        self.name = scenario.store
        self.truth: dict[SkuLocationKey, Columns] = {}
        self.still = asyncio.Event()
        self._answers: dict[tuple[str, str], asyncio.Future[Quantities]] = {}
        self.scenario = scenario
        self._folder = folder
        self._on_truth = on_truth
        self._hardware = Child(
            f"hardware-{self.name}", ("-m", "simulators.demo.store_process"), folder, piped=True
        )
        self.agent = Child(
            f"agent-{self.name}",
            ("-m", "edge", "run", "--config", str(folder / "store.toml")),
            folder,
        )

    async def prepare(self, crew: Crew, broker_url: str, root: str) -> None:
        """Start the hardware, and return when it listens. Raises `ChildDied`, `DemoFailed`."""
        await crew.start(self._hardware)
        self._say(
            Begin(
                scenario=self.scenario,
                folder=str(self._folder),
                broker_url=broker_url,
                root=root,
            )
        )
        try:
            async with asyncio.timeout(PREPARE_DEADLINE_S):
                line = await self._hardware.pipes[1].readline()
        except TimeoutError as error:
            raise DemoFailed(f"{self._hardware.name} says nothing, see {self._folder}") from error
        if not line:
            raise ChildDied(f"{self._hardware.name} ended:\n{self._hardware.last_words()}")
        prepared = from_store.decode(line)
        if not isinstance(prepared, Prepared):
            raise ChildDied(f"{self._hardware.name} said {prepared} before it was prepared")
        self.truth = {self._key(gtin): columns for gtin, columns in prepared.truth.items()}

    async def listen(self) -> None:
        """Take in the truth until the hardware ends."""
        reader = self._hardware.pipes[1]
        while line := await reader.readline():
            message = from_store.decode(line)
            if isinstance(message, TruthChanged):
                keys = [self._key(gtin) for gtin, _ in message.lines]
                self.truth.update(zip(keys, (truth for _, truth in message.lines), strict=True))
                self._on_truth(message, keys)
                self._answer(("ship", message.order), {})
            elif isinstance(message, OrderPacked):
                self._answer(("pick", message.order), message.lines)
            elif isinstance(message, Still):
                self.still.set()

    def open_doors(self) -> None:
        """Let the day begin."""
        self._say(OpenDoors())

    def close_doors(self) -> None:
        """Begin nothing new; `still` is set when the last has finished."""
        self._say(CloseDoors())

    def reorder(self, reorder_id: str, gtin: str, quantity: int) -> None:
        """Be the warehouse that answers a reorder."""
        self._say(Reordered(reorder_id=reorder_id, gtin=gtin, quantity=quantity))

    async def pick(self, order: str, lines: Quantities) -> Quantities:
        """Let an associate pack goods of an order, and return what was there."""
        answer = self._expect(("pick", order))
        self._say(PickOrder(order=order, lines=lines))
        return await answer

    async def ship(self, order: str, lines: Quantities) -> None:
        """Let a carrier take packed goods along, and return when the truth says so."""
        answer = self._expect(("ship", order))
        self._say(ShipOrder(order=order, lines=lines))
        await answer

    def unpack(self, order: str) -> None:
        """Put back what was packed for an order."""
        self._say(ShipOrder(order=order, lines={}))

    def _expect(self, question: tuple[str, str]) -> asyncio.Future[Quantities]:
        answer = self._answers[question] = asyncio.get_running_loop().create_future()
        return answer

    def _answer(self, question: tuple[str, str], lines: Quantities) -> None:
        answer = self._answers.pop(question, None)
        if answer is not None and not answer.done():
            answer.set_result(lines)

    def _say(self, message: ToStore) -> None:
        self._hardware.pipes[0].write(line_of(message))

    def _key(self, gtin: str) -> SkuLocationKey:
        return SkuLocationKey(self.name, gtin)
