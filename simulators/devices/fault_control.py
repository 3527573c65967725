"""Breaking simulated devices while they run: `stocktruth-sim fault DEVICE KIND`, and scripts.

A running store listens on a Unix socket in its folder. A request is one line of JSON, the answer
another. Runs in the event loop of the hardware that it breaks.
"""

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from simulators.devices.faults import FaultyDevice
from simulators.errors import FaultRefused

SOCKET_NAME: Final = "faults.sock"
LINE_BYTES_MAX: Final = 4_096
ANSWER_WITHIN_S: Final = 5.0


class FaultRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked: list everything (no device), begin a fault, or heal (`kind` empty: all)."""

    device: str = ""
    kind: str = ""
    heal: bool = False
    for_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0


class ScriptedFault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault of a scenario: `at_s` after the hardware started, for `for_s` (0: until healed)."""

    device: str
    kind: str
    at_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    for_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0


class FaultAnswer(Struct, frozen=True, kw_only=True):
    """What was done, or why not; `kinds` says of each device what its faults do."""

    done: str = ""
    refused: str = ""
    kinds: dict[str, dict[str, str]] = {}


class FaultControl:
    """The faults of one store's devices, by the devices' names."""

    def __init__(
        self,
        devices: Mapping[str, FaultyDevice],
        folder: Path,
        scripted: Sequence[ScriptedFault] = (),
    ) -> None:
        self._devices: Final = devices
        self._path: Final = folder / SOCKET_NAME
        self._scripted: Final = scripted
        self._timers: Final[list[asyncio.TimerHandle]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, and begin the script. Raises `FaultRefused` for a fault that no device knows."""
        for fault in self._scripted:
            self._checked(fault.device, fault.kind)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._serve, str(self._path), limit=LINE_BYTES_MAX
        )
        for fault in self._scripted:
            self._later(fault.at_s, fault.device, fault.kind, fault.for_s)

    async def stop(self) -> None:
        """Heal everything and stop listening."""
        for timer in self._timers:
            timer.cancel()
        for device in self._devices.values():
            device.heal()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    def carry_out(self, request: FaultRequest) -> str:
        """Do what is asked and return it in words. Raises `FaultRefused`."""
        device = self._checked(request.device, request.kind if not request.heal else "")
        if request.heal:
            if request.kind and request.kind not in device.faults:
                raise FaultRefused(_unknown("fault", request.kind, device.faults))
            device.heal(request.kind or None)
            return f"{request.device}: healed {request.kind or 'of everything'}"
        device.inject(request.kind)
        if request.for_s:
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(request.for_s, device.heal, request.kind))
        return f"{request.device}: {request.kind}: {device.faults[request.kind]}"

    def _later(self, at_s: float, device: str, kind: str, for_s: float) -> None:
        request = FaultRequest(device=device, kind=kind, for_s=for_s)
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(at_s, self.carry_out, request))

    def _checked(self, name: str, kind: str) -> FaultyDevice:
        device = self._devices.get(name)
        if device is None:
            raise FaultRefused(_unknown("device", name, self._devices))
        if kind and kind not in device.faults:
            raise FaultRefused(_unknown("fault", kind, device.faults))
        return device

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_WITHIN_S)
            writer.write(msgspec.json.encode(self._answer(line)) + b"\n")
            await writer.drain()
        except (OSError, ValueError, TimeoutError):
            pass  # Whoever asks and goes, or asks too much, gets no answer.
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, line: bytes) -> FaultAnswer:
        try:
            request = msgspec.json.decode(line, type=FaultRequest)
            if not request.device:
                kinds = {name: dict(each.faults) for name, each in self._devices.items()}
                return FaultAnswer(kinds=kinds)
            return FaultAnswer(done=self.carry_out(request))
        except (msgspec.MsgspecError, FaultRefused) as error:
            return FaultAnswer(refused=str(error))


def _unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    return f"{name!r} is no {what} here: {', '.join(sorted(known))}"


def ask(folder: Path, request: FaultRequest) -> FaultAnswer:
    """Ask a running store. Raises `FaultRefused` when none runs there."""
    path = folder / SOCKET_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_WITHIN_S)
        try:
            connection.connect(str(path))
            connection.sendall(msgspec.json.encode(request) + b"\n")
            with connection.makefile("rb") as stream:
                return msgspec.json.decode(stream.readline(), type=FaultAnswer)
        except (OSError, msgspec.MsgspecError) as error:
            raise FaultRefused(f"{path}: no store answers there: {error}") from error
