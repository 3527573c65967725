"""One store's hardware as a child process of the demo: `python -m simulators.demo.store_process`.

A process of its own, so that a thousand tags being encoded never delay the clock that measures
latencies. Orders come on standard input, the truth goes to standard output; the end of the input
ends the process.
"""

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Final

from protocol.ids import Gtin
from simulators.demo.messages import (
    PIPE_LINE_BYTES_MAX,
    Begin,
    CloseDoors,
    FromStore,
    Kind,
    OpenDoors,
    OrderPacked,
    PickOrder,
    Prepared,
    Reordered,
    ShipOrder,
    Still,
    ToStore,
    TruthChanged,
    line_of,
    to_store,
)
from simulators.demo.truth import Columns
from simulators.edge_config import edge_config
from simulators.store import StoreHardware
from simulators.world.happenings import (
    DockPassed,
    Happening,
    Occasion,
    OrderPicked,
    OrderShipped,
    PostVoid,
    Receipt,
    Refund,
    Sale,
    TruthLedger,
)

_KINDS: Final[dict[type[Happening], Kind]] = {
    Sale: "sale",
    PostVoid: "void",
    Refund: "refund",
    Receipt: "receipt",
    DockPassed: "receipt",
    OrderShipped: "shipment",
}


class StoreProcess:
    """The hardware of one store, and the pipe on which its truth is told."""

    def __init__(self, begin: Begin, output: asyncio.StreamWriter) -> None:
        self._begin = begin
        self._output = output
        self._hardware = StoreHardware(begin.scenario, Path(begin.folder), self._shown)
        self._closing: asyncio.Task[None] | None = None

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Live until the orders end."""
        await self._hardware.start()
        try:
            self._tell(self._prepared())
            await self._live(orders)
        finally:
            await self._hardware.stop()

    async def _live(self, orders: asyncio.StreamReader) -> None:
        tasks = {
            asyncio.create_task(self._hardware.live()),
            asyncio.create_task(self._obey(orders)),
        }
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*done)

    def _prepared(self) -> Prepared:
        folder = self._hardware.folder
        config = folder / "store.toml"
        begin = self._begin
        config.write_text(
            edge_config(self._hardware, begin.broker_url, begin.root, folder / "data")
        )
        truth = {str(gtin): _columns(each) for gtin, each in self._hardware.world.truth.items()}
        return Prepared(edge_config=str(config), truth=truth)

    async def _obey(self, orders: asyncio.StreamReader) -> None:
        while line := await orders.readline():
            self._do(to_store.decode(line))

    def _do(self, order: ToStore) -> None:
        if isinstance(order, OpenDoors):
            self._hardware.open_doors()
        elif isinstance(order, CloseDoors):
            self._hardware.close_doors()
            self._closing = asyncio.create_task(self._tell_when_still())
        elif isinstance(order, Reordered):
            self._hardware.reorder(order.reorder_id, Gtin(order.gtin), order.quantity)
        elif isinstance(order, PickOrder):
            self._hardware.pick_order(order.order, _quantities(order.lines))
        elif isinstance(order, ShipOrder):
            self._hardware.ship_order(order.order, _quantities(order.lines))

    async def _tell_when_still(self) -> None:
        await self._hardware.still.wait()
        self._tell(Still())

    def _shown(self, occasion: Occasion, at_ns: int) -> None:
        happening = occasion.happening
        if isinstance(happening, OrderPicked):
            packed = {str(line.gtin): 0 for line in happening.lines}
            for line in happening.lines:
                packed[line.gtin] += line.quantity
            self._tell(OrderPacked(order=happening.order, lines=packed))
            return
        lines = [(str(gtin), _columns(ledger)) for gtin, ledger in occasion.truth.items()]
        order = happening.order if isinstance(happening, OrderShipped) else ""
        kind = _KINDS[type(happening)]
        self._tell(TruthChanged(kind=kind, written_ns=at_ns, lines=lines, order=order))

    def _tell(self, message: FromStore) -> None:
        self._output.write(line_of(message))


def _quantities(lines: dict[str, int]) -> dict[Gtin, int]:
    return {Gtin(gtin): quantity for gtin, quantity in lines.items()}


def _columns(ledger: TruthLedger) -> Columns:
    return Columns(
        opening=ledger.opening,
        received=ledger.received,
        returned=ledger.returned,
        sold=ledger.sold,
    )


async def _standard_pipes() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=PIPE_LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout
    )
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def main() -> None:
    """Be the store that the first line asks for."""
    reader, writer = await _standard_pipes()
    begin = to_store.decode(await reader.readline())
    if not isinstance(begin, Begin):
        raise TypeError(f"the first order should say which store to be, not {begin}")
    running = asyncio.create_task(StoreProcess(begin, writer).run(reader))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.wait([running])
    if not running.cancelled():
        running.result()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
