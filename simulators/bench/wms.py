"""A warehouse system of the bench, as a process: it subscribes, and counts what it hears.

    python -m simulators.bench.wms URL TOPIC NAME [raw]

The facts that a state has in it are its ledger's `sold` and `returned`: each fact of the bench
raises one of them by one, so their sum over all articles is what has arrived, however states were
conflated. With `raw` it counts messages and looks at none.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from mqtt5 import Client
from protocol.broker_settings import BrokerSettings
from simulators.bench.messages import READY, Ask, Heard, Listen, Noted

JSON_ARRAY: Final = b"["


class _Ledger(Struct):
    sold: int
    returned: int


class _State(Struct):
    store: str
    gtin: str
    ledger: _Ledger


class Ear:
    """Counts what comes."""

    def __init__(self, *, is_raw: bool) -> None:
        self._is_raw: Final = is_raw
        self._facts: Final[dict[tuple[str, str], int]] = {}
        self._heard_facts = self._messages = self._states = self._bytes = 0
        self._last_s = 0.0
        self._log: list[Noted] = []
        self._log_file: str | None = None
        self._array: Final = msgspec.json.Decoder(list[_State])
        self._one: Final = msgspec.json.Decoder(_State)

    def hear(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message."""
        del topic, retained
        self._messages += 1
        self._bytes += len(payload)
        self._last_s = time.monotonic()
        if self._is_raw:
            return
        is_array = payload.startswith(JSON_ARRAY)
        states = self._array.decode(payload) if is_array else [self._one.decode(payload)]
        self._states += len(states)
        for state in states:
            self._note(state)

    def _note(self, state: _State) -> None:
        key = (state.store, state.gtin)
        facts = state.ledger.sold + state.ledger.returned
        known = self._facts.setdefault(key, 0)
        if facts > known:
            self._facts[key] = facts
            self._heard_facts += facts - known
        if self._log_file is not None:
            self._log.append(Noted(f"{state.store}/{state.gtin}", facts, time.monotonic_ns()))

    def listen(self, log_file: str | None) -> None:
        """Note each state from now on, or write down what was noted."""
        if self._log_file is not None:
            Path(self._log_file).write_bytes(msgspec.msgpack.encode(self._log))
            self._log.clear()
        self._log_file = log_file

    def told(self) -> Heard:
        """Return what was heard so far."""
        return Heard(
            facts=self._heard_facts,
            articles=len(self._facts),
            messages=self._messages,
            states=self._states,
            payload_bytes=self._bytes,
            last_s=self._last_s,
        )


async def run(broker: BrokerSettings, topic: str, name: str, *, is_raw: bool) -> None:
    """Listen, and answer, until standard input ends."""
    ear = Ear(is_raw=is_raw)
    decoder = msgspec.json.Decoder(Listen | Ask)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Client(
        broker.host, broker.port, identifier=name, keepalive=30, on_message=ear.hear
    ) as client:
        await client.subscribe(topic, qos=1)
        _say(READY)
        while line := await reader.readline():
            message = decoder.decode(line)
            if isinstance(message, Listen):
                ear.listen(message.log)
            _say(msgspec.json.encode(ear.told()) + b"\n")


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def main() -> None:
    """Run what the command line says."""
    url, topic, name, *how = sys.argv[1:]
    asyncio.run(run(BrokerSettings(url=url), topic, name, is_raw="raw" in how))


if __name__ == "__main__":
    main()
