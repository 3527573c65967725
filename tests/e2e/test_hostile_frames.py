"""Whatever is sent to the cloud: it is refused or quarantined with a reason, and no count moves."""

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from protocol.codec import FRAME_BYTES_MAX, decode_up, encode_down, encode_up
from protocol.envelope import FactBatch, Hello, MirrorRequest
from protocol.errors import FrameRejected
from protocol.facts import AnyFact, StockCounted, TagsMoved, UnitsSold
from protocol.updates import Ack
from tests.brokers import Broker
from tests.cloud_process import CloudProcess, Store, store_at

GTIN = "00614141123452"
EPOCH = 7
MUTANTS = 10_000
MUTANTS_AT_ONCE = 500
"""What the cloud takes in without dropping any, so that every one can be accounted for."""

SEED = 20_261_124
MEMORY_GROWTH_BYTES_MAX = 100 * 1_048_576


@pytest.fixture
def cloud(tmp_path: Path, broker: Broker) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path, broker)
    process.start()
    yield process
    process.kill()


def counted(quantity: int) -> StockCounted:
    return StockCounted(
        occurred_at_ms=1,
        source="sweep",
        gtin=GTIN,
        quantity=quantity,
        measure="units",
        evidence="sweep",
    )


def sold(transaction: str) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=2,
        source="till-1",
        gtin=GTIN,
        quantity=1,
        measure="units",
        transaction=transaction,
        line=1,
    )


def batch(store: str, epoch: int, first_seq: int, *facts: AnyFact) -> bytes:
    return encode_up(
        FactBatch(store=store, epoch=epoch, first_seq=first_seq, sent_at_ms=1, facts=list(facts))
    )


def mutants(rng: random.Random) -> Iterator[bytes]:
    """Frames with a few bytes changed, cut or repeated, of which none is a frame any more.

    A mutation that happens to be a valid frame of another epoch or number would be a truthful
    store's statement; it belongs to other tests.
    """
    moved = TagsMoved(
        occurred_at_ms=3,
        source="dock",
        gtin=GTIN,
        from_zone="backroom",
        to_zone="sales_floor",
        epcs=[bytes(range(12))],
    )
    hello = Hello(
        store="S001",
        epoch=EPOCH,
        first_seq=1,
        next_seq=2,
        mirror_position=0,
        sent_at_ms=1,
        agent_version="0.1.0",
    )
    originals = [
        batch("S001", EPOCH, 3, sold("T9"), moved),
        encode_up(hello),
        encode_up(MirrorRequest(store="S001", position=0)),
        encode_down(Ack(store="S001", epoch=EPOCH, through_seq=1)),
    ]
    while True:
        frame = bytearray(rng.choice(originals))
        for _ in range(rng.randint(1, 4)):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        if rng.random() < 0.3:
            frame = frame[: rng.randrange(len(frame))]
        if rng.random() < 0.1:
            frame = frame * 2
        try:
            decode_up(bytes(frame))
        except FrameRejected:
            yield bytes(frame)


async def settled(store: Store, epoch: int) -> None:
    """Return when everything sent before has been committed: the shard takes inputs in order."""
    await store.send(batch(store.name, epoch, 1, sold(f"settles {epoch}")))
    await store.acknowledged(epoch, 1)


def problems_told(store: Store) -> set[str]:
    return {a.problem for a in store.answers if isinstance(a, Ack) and a.problem is not None}


def quarantined(cloud: CloudProcess) -> dict[str, int]:
    """Return how many payloads were quarantined, by reason."""
    reasons: dict[str, int] = {}
    for entry in cloud.json("quarantine", "list"):
        reasons[entry["reason"]] = reasons.get(entry["reason"], 0) + entry["times"]
    return reasons


async def test_nothing_hostile_changes_a_count(cloud: CloudProcess, broker: Broker) -> None:
    rng = random.Random(SEED)
    async with store_at(broker, "S001") as store, store_at(broker, "S002") as bystander:
        await store.send_facts(EPOCH, 1, counted(50), sold("T1"))
        await store.acknowledged(EPOCH, 2)
        before = cloud.json("stock")
        assert [document["on_hand"] for document in before] == [49]
        memory_before = cloud.resident_bytes

        await store.send(rng.randbytes(20_000))
        await store.send(batch("S002", EPOCH, 1, counted(7)))
        await store.send_facts(EPOCH, 4, sold("T3"))
        await store.until(lambda: "gap" in problems_told(store))
        await store.send_facts(EPOCH, 2, sold("another T1"))
        await store.until(lambda: "seq_reused" in problems_told(store))
        await store.send(rng.randbytes(FRAME_BYTES_MAX - 1_000))
        await store.send(b"")
        await store.send(batch("S001", EPOCH, 1, counted(1)), "st/1/not a store/up/facts")
        hostile = mutants(rng)
        for sent in range(0, MUTANTS, MUTANTS_AT_ONCE):
            for frame in islice(hostile, MUTANTS_AT_ONCE):
                await store.send(frame)
            await settled(bystander, EPOCH + sent)

        assert cloud.resident_bytes - memory_before < MEMORY_GROWTH_BYTES_MAX
        assert [d for d in cloud.json("stock") if d["store"] == "S001"] == before
        assert {"store_mismatch", "refused"} & problems_told(store)
        assert len(store.answers) < 200, "a flood of garbage became a flood of answers"

    reasons = quarantined(cloud)
    assert sum(reasons.values()) >= MUTANTS + 5
    expected = {"empty", "not_a_frame", "malformed", "store_mismatch", "invalid_topic"}
    assert expected | {"seq_reused", "unsupported_version"} <= set(reasons)
    result = cloud.command("verify")
    assert result.returncode == 0, result.stdout
    assert cloud.terminate() == 0
    assert "Traceback" not in cloud.log.read_text()
