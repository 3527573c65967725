"""What happens in the stores meanwhile: tills sell, goods are delivered. Event loop.

It speaks as an edge does: numbered facts of one epoch in batches over MQTT, published again until
the cloud has acknowledged them. Tills know nothing of reservations; they sell what is there, also
what was promised to others.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from aiomqtt import Client, Message, MqttError, ProtocolVersion

from protocol.codec import decode_down, encode_up
from protocol.envelope import FactBatch
from protocol.errors import FrameRejected
from protocol.facts import AnyFact, GoodsReceived, StockCounted, UnitsSold
from protocol.ids import StoreId
from protocol.topics import Topics
from protocol.updates import Ack
from simulators.demo.broker import BrokerAddress
from simulators.errors import DemoFailed
from simulators.oversell.tally import Tally

ACK_TIMEOUT_S: Final = 2.0
PUBLISHES_MAX: Final = 15
"""A batch that was not acknowledged after so many publishes ends the run."""
TURNS_MAX: Final = 100
"""At once; a store's facts of so many turns fit into one batch."""
SALES_PER_TURN: Final = 3
SALE_UNITS_MAX: Final = 2
DELIVERIES_PER_TURN: Final = 5
DELIVERY_UNITS: Final = 12


class Supply:
    """The tills and docks of all stores. `shelf` is what is truly there."""

    def __init__(
        self,
        client: Client,
        topics: Topics,
        stores: Sequence[StoreId],
        gtins: Sequence[str],
        rng: Random,
        tally: Tally,
    ) -> None:
        self._client: Final = client
        self._topics: Final = topics
        self._stores: Final = stores
        self._gtins: Final = gtins
        self._rng: Final = rng
        self._tally: Final = tally
        self._epoch: Final = time.time_ns() // 1_000_000
        self._next_seq: Final = dict.fromkeys(stores, 1)
        self._acked: Final[dict[str, int]] = dict.fromkeys(stores, 0)
        self._news: Final = asyncio.Event()
        self._transactions = 0
        self.shelf: Final[dict[tuple[str, str], int]] = {
            (store, gtin): 0 for store in stores for gtin in gtins
        }

    def left(self, store: str, gtin: str, quantity: int) -> None:
        """Note that goods were shipped."""
        self.shelf[store, gtin] -= quantity

    async def open_with(self, units: int) -> None:
        """Count the opening stock of all articles. Raises `DemoFailed`."""
        for store in self._stores:
            facts: list[AnyFact] = []
            for gtin in self._gtins:
                self.shelf[store, gtin] = units
                counted = StockCounted(
                    occurred_at_ms=_now_ms(),
                    source="sweep",
                    gtin=gtin,
                    quantity=units,
                    measure="units",
                    evidence="sweep",
                )
                facts.append(counted)
            await self._send(store, facts)

    async def turns(self, count: int) -> None:
        """Let so many rounds of sales and deliveries happen. Raises `DemoFailed`."""
        facts: dict[StoreId, list[AnyFact]] = {}
        for _ in range(min(count, TURNS_MAX)):
            store = self._rng.choice(self._stores)
            facts.setdefault(store, []).extend(self._turn(store))
        await asyncio.gather(*(self._send(store, each) for store, each in facts.items()))

    def _turn(self, store: StoreId) -> Iterator[AnyFact]:
        for gtin in self._rng.choices(self._gtins, k=SALES_PER_TURN):
            quantity = min(self._rng.randint(1, SALE_UNITS_MAX), self.shelf[store, gtin])
            if quantity > 0:
                yield self._sold(store, gtin, quantity)
        low_first = sorted(self._gtins, key=lambda gtin: self.shelf[store, gtin])
        for gtin in low_first[:DELIVERIES_PER_TURN]:
            yield self._received(store, gtin)

    def _sold(self, store: str, gtin: str, quantity: int) -> UnitsSold:
        self.shelf[store, gtin] -= quantity
        self._tally.units_sold += quantity
        self._transactions += 1
        return UnitsSold(
            occurred_at_ms=_now_ms(),
            source="till-1",
            gtin=gtin,
            quantity=quantity,
            measure="units",
            transaction=f"{self._epoch}/{self._transactions}",
            line=1,
        )

    def _received(self, store: str, gtin: str) -> GoodsReceived:
        quantity = self._rng.randint(1, DELIVERY_UNITS)
        self.shelf[store, gtin] += quantity
        self._tally.units_delivered += quantity
        return GoodsReceived(
            occurred_at_ms=_now_ms(),
            source="dock",
            gtin=gtin,
            quantity=quantity,
            measure="units",
            zone="sales_floor",
            evidence="document",
        )

    async def _send(self, store: StoreId, facts: list[AnyFact]) -> None:
        first_seq = self._next_seq[store]
        last_seq = first_seq + len(facts) - 1
        batch = FactBatch(
            store=store, epoch=self._epoch, first_seq=first_seq, sent_at_ms=_now_ms(), facts=facts
        )
        self._next_seq[store] = last_seq + 1
        frame = encode_up(batch)
        for _ in range(PUBLISHES_MAX):
            await self._client.publish(self._topics.facts(store), frame, qos=1)
            if await self._is_acknowledged(store, last_seq):
                return
        raise DemoFailed(f"the cloud does not acknowledge the facts of {store}")

    async def _is_acknowledged(self, store: str, last_seq: int) -> bool:
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                while self._acked[store] < last_seq:
                    self._news.clear()
                    await self._news.wait()
                return True
        except TimeoutError:
            return False

    async def listen(self) -> None:
        """Hear acknowledgements until cancelled."""
        async for message in self._client.messages:
            self._hear(message)

    def _hear(self, message: Message) -> None:
        try:
            answer = decode_down(message.payload)
        except FrameRejected:
            return  # Without an acknowledgement the batch is published again, and in the end fails.
        if isinstance(answer, Ack) and answer.epoch == self._epoch:
            self._acked[answer.store] = max(self._acked[answer.store], answer.through_seq)
            self._news.set()


@asynccontextmanager
async def supply_at(
    broker: BrokerAddress,
    topics: Topics,
    stores: Sequence[StoreId],
    gtins: Sequence[str],
    rng: Random,
    tally: Tally,
) -> AsyncIterator[Supply]:
    """Connect the stores. Raises `DemoFailed` when the broker fails."""
    try:
        async with Client(*broker, protocol=ProtocolVersion.V5) as client:
            supply = Supply(client, topics, stores, gtins, rng, tally)
            for store in stores:
                await client.subscribe(topics.ack(store), qos=1)
            listening = asyncio.create_task(supply.listen())
            try:
                yield supply
            finally:
                listening.cancel()
                await asyncio.wait([listening])
    except MqttError as error:
        raise DemoFailed(f"{broker.url}: {error}") from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
