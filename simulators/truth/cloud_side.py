"""The cloud's part of a run: frames and documents in, a shard that commits them, counts out.

Everything passes the same doors as in production: admission decodes and checks each payload, a
`Shard` on a journal in memory commits groups, SKU-locations decide. Only sockets and threads are
missing. Time is an argument.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from cloud.commands import AnyCommand
from cloud.commands.goods import CloseDespatch
from cloud.ingest.admission import admit
from cloud.recounts.choosing import Candidate, choose, looked_at
from cloud.recounts.watching import review_commands
from cloud.shards.messages import PayloadRefused, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.belief import Estimate, estimate
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.evidence import BOOK_FOLLOWS_FROM
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation
from protocol.ids import Gtin, StoreId
from protocol.topics import DESPATCH_ADVICE, Topics
from simulators.errors import BenchmarkFailed
from simulators.truth.journal import ForgetfulJournal

SHARD: Final = "truth"


class Count(NamedTuple):
    """What the cloud says of one SKU-location: its book, and what it believes."""

    book: int
    known: Estimate


class CloudSide:
    """One store's shard."""

    def __init__(self, store: StoreId, now_ms: int) -> None:
        self._store: Final = store
        self._topics: Final = Topics()
        self._journal: Final = ForgetfulJournal()
        owner_epoch = self._journal.take_ownership(SHARD, LOGIC_ERA, now_ms)
        self._shard: Final = Shard(self._journal, SHARD, owner_epoch)
        self._inputs: Final[list[ShardInput]] = []
        self._states: Final[dict[str, SkuLocation]] = {}
        self._looked: Final[dict[str, tuple[int, Candidate]]] = {}
        self._tickets = 0
        self.facts_applied = 0

    def hear(self, frame: bytes, now_ms: int) -> None:
        """Take in a frame of the store. Raises `BenchmarkFailed` when it is refused."""
        self._admit(self._topics.facts(self._store), frame, now_ms)

    def advise(self, document: bytes, now_ms: int) -> None:
        """Take in a despatch advice of the warehouse. Raises `BenchmarkFailed`."""
        self._admit(self._topics.wms(self._store, DESPATCH_ADVICE), document, now_ms)

    def close_despatch(self, despatch_id: str, now_ms: int) -> None:
        """Nothing more will come of a despatch. Raises `BenchmarkFailed`."""
        self._submit([CloseDespatch(store=self._store, despatch_id=despatch_id)], now_ms)

    def commit(self, now_ms: int) -> None:
        """Commit everything that was taken in since, as one group. Raises `BenchmarkFailed`."""
        if not self._inputs:
            return
        committed = self._shard.commit(self._inputs, now_ms)
        self._inputs.clear()
        for reply in committed.replies:
            if isinstance(reply.answer, Refused):
                raise BenchmarkFailed(f"the shard refuses a command: {reply.answer}")
        for change in committed.changes:
            self._states.update((state.gtin, state) for state in change.states)
        self.facts_applied += committed.facts_applied

    def recounts_of_the_day(self, budget: int, now_ms: int) -> list[Gtin]:
        """Let the cloud review its counts, and return what it asks staff to count.

        Raises `BenchmarkFailed`.
        """
        looked = [self._look(state, now_ms) for state in self._states.values()]
        candidates = [each for each in looked if each is not None]
        settled = [each.state.gtin for each in candidates if each.is_settled(BOOK_FOLLOWS_FROM)]
        doubtful = [each.state.gtin for each in choose(candidates, budget)]
        self._submit(review_commands(self._store, settled, doubtful), now_ms)
        return [Gtin(gtin) for gtin in doubtful]

    def count(self, gtin: Gtin, now_ms: int) -> Count:
        """Return what is said of a SKU-location at a time."""
        state = self._states.get(gtin) or SkuLocation(store=self._store, gtin=gtin)
        candidate = self._look(state, now_ms)
        known = estimate(state, now_ms) if candidate is None else candidate.known
        return Count(state.on_hand, known)

    def quarantined(self) -> Mapping[str, int]:
        """Return how much was quarantined, by reason."""
        reasons: dict[str, int] = {}
        for entry in self._journal.quarantine(self._store):
            reasons[entry.content.reason] = reasons.get(entry.content.reason, 0) + entry.times
        return reasons

    def _look(self, state: SkuLocation, now_ms: int) -> Candidate | None:
        """Look at a SKU-location, once at a time: closing and recounts ask at midnight, both."""
        known = self._looked.get(state.gtin)
        if known is not None and known[0] == now_ms and known[1].state is state:
            return known[1]
        candidate = looked_at(state, now_ms)
        if candidate is not None:
            self._looked[state.gtin] = (now_ms, candidate)
        return candidate

    def _admit(self, topic: str, payload: bytes, now_ms: int) -> None:
        admitted = admit(topic, payload, self._topics, now_ms)
        if isinstance(admitted, PayloadRefused):
            raise BenchmarkFailed(f"{topic} is refused: {admitted.reason}: {admitted.detail}")
        self._inputs.append(admitted)

    def _submit(self, commands: Iterable[AnyCommand], now_ms: int) -> None:
        for command in commands:
            self._tickets += 1
            self._inputs.append(Submitted(ticket=self._tickets, command=command))
        self.commit(now_ms)
