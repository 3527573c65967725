"""A shelf scale on Modbus TCP, with the habits of real ones.

It serves the register map of our `shelf_scale` devices: for shelf i, input registers 4i to 4i+3
hold status, the weight in grams (signed, 32 bits, high word first) and a reserved word; writing 1
to holding register i tares the shelf, and the register returns to 0. True loads come from the
world; each reading multiplies them by the scale's gain, subtracts the tare and adds noise. A shelf
whose load changed since it was last read is not stable yet; one that bears too much reports
overload and the end of its range. Runs in its caller's event loop.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, cast

from msgspec import Struct
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS_PER_SHELF: Final = 4

_STABLE, _OVERLOAD, _FAULT = 1, 2, 4
_READ_INPUT_REGISTERS: Final = 4
_HOLDING_WRITES: Final = (6, 16)
_ACCEPT_TURNS: Final = 4
"""Turns of the event loop from accepting a connection until its protocol knows of it."""
_UNUSED_BITS: Final = SimData(0, count=16, values=False, datatype=DataType.BITS)


class ShelfScaleModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How true a scale is. Weights in grams; `noise_g` is a standard deviation."""

    gain: float = 1.0
    noise_g: float = 0.0
    overload_g: int = 30_000
    motion_g: float = 5.0


class ShelfScale:
    """One scale with `shelves` shelves; `loads(i)` is the true load of shelf i in grams."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        unit_id: int = 1,
        loads: Callable[[int], float],
        shelves: int,
        rng: Random,
        settings: ShelfScaleModel | None = None,
    ) -> None:
        self._address = (host, port)
        self._unit_id = unit_id
        self._loads = loads
        self._shelves = shelves
        self._rng = rng
        self._model = settings or ShelfScaleModel()
        self._tares_g = [0.0] * shelves
        self._last_loads_g = [loads(index) for index in range(shelves)]
        self._faulty: set[int] = set()
        self._refusing = False
        self._server: ModbusTcpServer | None = None

    @property
    def port(self) -> int:
        """The port that the scale listens on: the one asked for, until it was started."""
        if self._server is None:
            return self._address[1]
        port: int = _listening(self._server)[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen. Raises `RuntimeError` when the address cannot be bound."""
        logger = logging.getLogger("pymodbus.logging")
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)  # It logs an error for each malformed request.
        self._server = ModbusTcpServer(self._device(), address=self._address)
        await self._server.serve_forever(background=True)
        self._address = (self._address[0], self.port)

    async def stop(self) -> None:
        """Stop listening and close all connections; `start` listens on the same port again."""
        if self._server is None:
            return
        # A connection that asyncio is accepting while its listener closes is never closed itself
        # (CPython 3.11), so accepting stops first and what was accepted becomes known.
        for listening in _listening(self._server):
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await _turns(_ACCEPT_TURNS)
        await self._server.shutdown()  # type: ignore[no-untyped-call] # pymodbus leaves it untyped.
        await _turns(1)  # Its transports close in the loop's next turn.
        self._server = None

    def refuse_with_exceptions(self, on: bool) -> None:
        """Answer every request with the exception `device busy`, or stop doing so."""
        self._refusing = on

    def set_fault(self, shelf: int, on: bool) -> None:
        """Report a broken load cell under a shelf, or a repaired one."""
        if on:
            self._faulty.add(shelf)
        else:
            self._faulty.discard(shelf)

    def tare(self, shelf: int) -> None:
        """Make the present load of a shelf its zero."""
        self._tares_g[shelf] = self._loads(shelf) * self._model.gain

    def _device(self) -> SimDevice:
        unused = [_UNUSED_BITS]
        holding = [SimData(0, count=self._shelves, datatype=DataType.REGISTERS)]
        count = self._shelves * REGISTERS_PER_SHELF
        weights = [SimData(0, count=count, datatype=DataType.REGISTERS)]
        registers = (unused, unused, holding, weights)
        return SimDevice(self._unit_id, registers, action=self._serve)

    async def _serve(
        self,
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Bring the registers up to date before pymodbus reads or writes them."""
        if self._refusing:
            return ExcCodes.DEVICE_BUSY
        if function_code == _READ_INPUT_REGISTERS:
            first = address // REGISTERS_PER_SHELF
            last = (address + count - 1) // REGISTERS_PER_SHELF
            for shelf in range(first, last + 1):
                at = shelf * REGISTERS_PER_SHELF - start_address
                registers[at : at + REGISTERS_PER_SHELF] = self._weigh(shelf)
        if function_code in _HOLDING_WRITES and values is not None:
            words = cast("list[int]", values)
            for shelf, word in enumerate(words, address):
                if word == 1:
                    self.tare(shelf)
            words[:] = [0] * len(words)
        return None

    def _weigh(self, shelf: int) -> list[int]:
        load_g = self._loads(shelf)
        moving = abs(load_g - self._last_loads_g[shelf]) > self._model.motion_g
        self._last_loads_g[shelf] = load_g
        noise_g = self._rng.gauss(0.0, self._model.noise_g) if self._model.noise_g else 0.0
        weight_g = round(load_g * self._model.gain - self._tares_g[shelf] + noise_g)
        status = 0 if moving else _STABLE
        if load_g > self._model.overload_g:
            status, weight_g = _OVERLOAD, self._model.overload_g
        if shelf in self._faulty:
            status, weight_g = _FAULT, 0
        word = weight_g & 0xFFFF_FFFF
        return [status, word >> 16, word & 0xFFFF, 0]


def _listening(server: ModbusTcpServer) -> Sequence[socket.socket]:
    # What pymodbus calls the transport of a listener is its asyncio server.
    return cast("asyncio.Server", server.transport).sockets


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
