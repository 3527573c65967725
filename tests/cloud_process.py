"""`stocktruth-cloud` as a child process, and a store that talks to it in frames."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiomqtt import Client, ProtocolVersion

from protocol.codec import decode_down, encode_up
from protocol.envelope import FactBatch, Hello
from protocol.facts import AnyFact
from protocol.updates import Ack, DownMessage
from tests.brokers import Broker, wait_for

REPOSITORY: Final = Path(__file__).parent.parent
READY_DEADLINE_S: Final = 20.0
ANSWER_DEADLINE_S: Final = 15.0
STOP_DEADLINE_S: Final = 20.0
COMMAND_DEADLINE_S: Final = 60.0


class CloudProcess:
    """One cloud on one journal; it may be killed and started again."""

    def __init__(self, folder: Path, broker: Broker, policies: str = "") -> None:
        self.folder: Final = folder
        self.config: Final = folder / "cloud.toml"
        self.log: Final = folder / "cloud.log"
        (folder / "policies.toml").write_text(policies)
        self.config.write_text(
            f'[broker]\nurl = "{broker.url}"\n[journal]\npath = "data/journal.db"\n'
            '[shards]\npolicy_file = "policies.toml"\n[publisher]\nmarker_interval_ms = 50\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it listens to facts and publishes."""
        ready_before = self.times_ready
        with self.log.open("ab") as log:
            command = self._command("run", "--config", str(self.config))
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._env())
        wait_for(lambda: self._is_ready(ready_before), READY_DEADLINE_S, "the cloud is ready")

    def _is_ready(self, ready_before: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return self.times_ready > ready_before

    @property
    def times_ready(self) -> int:
        """How often it has connected to its broker, in all its lives."""
        text = self.log.read_text() if self.log.exists() else ""
        return min(text.count("ingest: listening"), text.count("publisher: connected"))

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_DEADLINE_S)
            self._process = None

    def terminate(self) -> int:
        """Ask it to stop, and return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait until it ends, and return its exit status."""
        assert self._process is not None
        status = self._process.wait(STOP_DEADLINE_S)
        self._process = None
        return status

    @property
    def resident_bytes(self) -> int:
        """Memory that the process holds at this moment."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `stocktruth-cloud` command on the same settings."""
        return subprocess.run(
            [*self._command(*arguments), "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=COMMAND_DEADLINE_S,
            check=False,
            env=self._env(),
        )

    def json(self, *arguments: str) -> Any:
        """Return what a command prints as JSON."""
        result = self.command(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def _command(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, "-m", "cloud", *arguments]

    def _env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error"}


class Store:
    """Publishes frames as a store does, and remembers what the cloud answers."""

    def __init__(self, client: Client, name: str) -> None:
        self.name: Final = name
        self.topic: Final = f"st/1/{name}/up/facts"
        self.answers: list[DownMessage] = []
        self.states: dict[str, dict[str, Any]] = {}
        self._client: Final = client
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Remember answers and retained states until cancelled."""
        async for message in self._client.messages:
            if message.topic.matches("st/1/+/down/ack"):
                self.answers.append(decode_down(message.payload))
            elif message.topic.matches("st/1/+/stock/+"):
                document = json.loads(message.payload)
                self.states[document["gtin"]] = document
            self._news.set()

    async def send(self, payload: bytes, topic: str | None = None) -> None:
        """Publish whatever bytes."""
        await self._client.publish(topic or self.topic, payload, qos=1)

    async def send_facts(self, epoch: int, first_seq: int, *facts: AnyFact) -> bytes:
        """Publish a batch, and return its frame."""
        batch = FactBatch(
            store=self.name, epoch=epoch, first_seq=first_seq, sent_at_ms=1, facts=list(facts)
        )
        frame = encode_up(batch)
        await self.send(frame)
        return frame

    async def hello(self, epoch: int, first_seq: int, next_seq: int) -> None:
        """Publish a greeting."""
        message = Hello(
            store=self.name,
            epoch=epoch,
            first_seq=first_seq,
            next_seq=next_seq,
            mirror_position=0,
            sent_at_ms=1,
            agent_version="0.1.0",
        )
        await self.send(encode_up(message))

    async def acknowledged(self, epoch: int, through_seq: int) -> None:
        """Wait for an acknowledgement."""
        await self.until(
            lambda: any(
                isinstance(answer, Ack)
                and answer.epoch == epoch
                and answer.through_seq >= through_seq
                for answer in self.answers
            )
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something heard makes the condition true."""
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            while not holds():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def store_at(broker: Broker, name: str) -> AsyncIterator[Store]:
    """Connect a store."""
    client = Client(broker.host, broker.port, protocol=ProtocolVersion.V5)
    client.pending_calls_threshold = 1_000
    async with client:
        store = Store(client, name)
        await client.subscribe(f"st/1/{name}/down/ack", qos=1)
        await client.subscribe(f"st/1/{name}/stock/+", qos=0)
        listening = asyncio.create_task(store.listen())
        try:
            yield store
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
