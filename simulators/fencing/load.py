"""The facts that owners commit: each names its maker, so that a row tells who wrote it. Pure."""

from collections.abc import Iterator
from hashlib import sha256
from random import Random
from typing import Final

from cloud.shards.messages import BatchReceived
from protocol.codec import decode_up, encode_up
from protocol.envelope import FactBatch
from protocol.facts import AnyFact, GoodsReceived, UnitsSold
from simulators.world.goods import gtin_of

STORE: Final = "F001"
EPOCH: Final = 7
"""The life of the outbox that the owners pass on to each other."""

STALE_EPOCH: Final = 1_000
"""Above it each stale owner has a life for itself: what it tries then is never a duplicate."""

FIRST_ITEM: Final = 60_000
GTINS: Final = tuple(gtin_of(FIRST_ITEM + item) for item in range(12))
BATCHES_MAX: Final = 3
SALES_MAX: Final = 6
CASE_UNITS: Final = 10
OCCURRED_AT_MS: Final = 1_790_000_000_000


class Load:
    """One owner's facts, from a seed."""

    def __init__(self, owner: int, rng: Random) -> None:
        self._owner: Final = owner
        self._rng: Final = rng
        self._batches = 0

    def group(self, epoch: int, after_seq: int) -> list[BatchReceived]:
        """Return the batches of one group commit, whose numbers follow `after_seq`."""
        batches: list[BatchReceived] = []
        for _ in range(self._rng.randint(1, BATCHES_MAX)):
            self._batches += 1
            facts = list(self._facts())
            message = FactBatch(
                store=STORE,
                epoch=epoch,
                first_seq=after_seq + 1,
                sent_at_ms=OCCURRED_AT_MS,
                facts=facts,
            )
            batches.append(BatchReceived(batch=message, frame=encode_up(message)))
            after_seq += len(facts)
        return batches

    def _facts(self) -> Iterator[AnyFact]:
        yield GoodsReceived(
            occurred_at_ms=OCCURRED_AT_MS,
            source=f"owner-{self._owner}",
            gtin=self._rng.choice(GTINS),
            quantity=CASE_UNITS,
            measure="units",
            zone="backroom",
            evidence="document",
        )
        for line in range(self._rng.randint(1, SALES_MAX)):
            yield UnitsSold(
                occurred_at_ms=OCCURRED_AT_MS,
                source=f"owner-{self._owner}",
                gtin=self._rng.choice(GTINS),
                quantity=1,
                measure="units",
                transaction=f"{self._owner}/{self._batches}",
                line=line + 1,
            )


def facts_in(batches: list[BatchReceived]) -> int:
    """Return how many facts they carry."""
    return sum(len(received.batch.facts) for received in batches)


def digest_of(frame: bytes) -> str:
    """Return what tells one frame from another."""
    return sha256(frame).hexdigest()[:24]


def maker_of(frame: bytes) -> int:
    """Return the owner that made a batch. Raises what `decode_up` raises."""
    batch = decode_up(frame)
    assert isinstance(batch, FactBatch), type(batch)  # noqa: S101 # Owners commit nothing else.
    return int(batch.facts[0].source.removeprefix("owner-"))
