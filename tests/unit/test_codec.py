"""The frame decoder: exact, bounded, and with one kind of error."""

import random
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec
from protocol.envelope import FactBatch, Hello
from protocol.errors import FrameFault, FrameRejected
from protocol.facts import FactsShed, TagsMoved, UnitsSold

SOLD = UnitsSold(
    occurred_at_ms=1_732_479_000_123,
    source="till-1",
    gtin="00614141123452",
    quantity=2,
    measure="units",
    transaction="1/2026-11-24/1042",
    line=1,
)
MOVED = TagsMoved(
    occurred_at_ms=1_732_479_000_456,
    source="dock",
    gtin="00614141123452",
    from_zone="backroom",
    to_zone="sales_floor",
    epcs=[bytes(12), bytes(range(12))],
)
BATCH = FactBatch(store="S001", epoch=7, first_seq=1, sent_at_ms=9, facts=[SOLD, MOVED])
FRAME = codec.encode_up(BATCH)


def fault_of(frame: bytes) -> FrameFault:
    with pytest.raises(FrameRejected) as rejected:
        codec.decode_up(frame)
    return rejected.value.fault


def test_a_frame_decodes_to_the_message_it_was_made_from() -> None:
    assert codec.decode_up(FRAME) == BATCH


def test_a_batch_of_stored_bytes_is_the_same_frame_as_a_batch_of_facts() -> None:
    stored = [codec.encode_fact(fact) for fact in BATCH.facts]
    assert codec.encode_batch("S001", 7, 1, 9, stored) == FRAME
    assert codec.facts_of_batch(FRAME) == stored


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (b"", FrameFault.EMPTY),
        (b"\x92", FrameFault.NOT_A_FRAME),
        (b"{}", FrameFault.NOT_A_FRAME),
        (b"\x92\xcd\x01\x00\x90", FrameFault.NOT_A_FRAME),
        (b"\x92\x7f" + FRAME[2:], FrameFault.UNSUPPORTED_VERSION),
        (b"\x92\x00" + FRAME[2:], FrameFault.UNSUPPORTED_VERSION),
        (FRAME[:-1], FrameFault.MALFORMED),
        (FRAME + b"\x00", FrameFault.MALFORMED),
        (b"\x92\x01" + b"\x91" * 500_000 + b"\x00", FrameFault.MALFORMED),
        (b"\x92\x01\xdd\xff\xff\xff\xff", FrameFault.MALFORMED),
        (b"\x92\x01\x96\x01\xa4S001\x07\x01\x09\xdd\xff\xff\xff\xff", FrameFault.MALFORMED),
        (bytes(codec.FRAME_BYTES_MAX + 1), FrameFault.TOO_LARGE),
    ],
)
def test_every_kind_of_bad_frame_is_named(frame: bytes, fault: FrameFault) -> None:
    assert fault_of(frame) == fault


def batch_with(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "at": 1,
        "source": "till-1",
        "gtin": "00614141123452",
        "quantity": 1,
        "measure": "units",
        "transaction": "1/2026-11-24/1",
        "line": 1,
    }
    fields.update(changes)
    return bytes(msgpack.packb([1, [1, "S001", 7, 1, 9, [[1, *fields.values()]]]]))


def test_the_stranger_s_frame_is_accepted_before_it_is_spoilt() -> None:
    assert isinstance(codec.decode_up(batch_with()), FactBatch)


@pytest.mark.parametrize(
    "changes",
    [
        {"at": -1},
        {"at": 2**53},
        {"source": ""},
        {"source": "x" * 65},
        {"gtin": "0614141123452"},
        {"gtin": 614141123452},
        {"gtin": "00614141123452\n"},
        {"quantity": 0},
        {"quantity": 1.0},
        {"quantity": 10**12},
        {"measure": "miles"},
        {"transaction": ""},
        {"line": -1},
        {"line": None},
        {"surplus": 1},
    ],
)
def test_a_value_outside_its_limits_is_refused(changes: dict[str, Any]) -> None:
    assert fault_of(batch_with(**changes)) == FrameFault.MALFORMED


def test_a_batch_of_too_many_facts_is_refused() -> None:
    fact = codec.encode_fact(FactsShed(occurred_at_ms=1, source="outbox", telemetry=1, stock=0))
    assert fault_of(codec.encode_batch("S001", 7, 1, 9, [fact] * 2_001)) == FrameFault.MALFORMED


def test_mutated_frames_decode_or_are_rejected_and_never_raise_anything_else() -> None:
    rng = random.Random(20261124)
    frames = [FRAME, codec.encode_up(HELLO)]
    rejected = 0
    for _ in range(20_000):
        frame = bytearray(rng.choice(frames))
        for _ in range(rng.randint(1, 4)):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        try:
            codec.decode_up(bytes(frame[: rng.randint(1, len(frame))]))
        except FrameRejected:
            rejected += 1
    assert rejected > 10_000


@given(st.binary(max_size=512))
def test_arbitrary_bytes_never_raise_anything_else(frame: bytes) -> None:
    with pytest.raises(FrameRejected):
        codec.decode_up(frame)
    with pytest.raises(FrameRejected):
        codec.decode_down(frame)


def test_a_hostile_length_allocates_nothing() -> None:
    hostile = b"\x92\x01\x96\x01\xa4S001\x07\x01\x09\xdd\x7f\xff\xff\xff" + b"\xc0" * 1000
    tracemalloc.start()
    with pytest.raises(FrameRejected):
        codec.decode_up(hostile)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


HELLO = Hello(
    store="S001",
    epoch=7,
    first_seq=1,
    next_seq=1,
    mirror_position=0,
    sent_at_ms=9,
    agent_version="0.1.0",
)


def upgrade_from_version_0(message: list[Any]) -> list[Any]:
    """Version 0, invented here, had no `agent_version` in its hello."""
    return [*message, "unknown"]


def test_a_frame_of_an_older_version_is_upgraded_then_validated() -> None:
    old = msgpack.packb([0, [2, "S001", 7, 1, 1, 0, 9]])
    upgraded = codec.decode_up(old, {0: upgrade_from_version_0, **codec.UPGRADES})
    assert isinstance(upgraded, Hello)
    assert upgraded.agent_version == "unknown"


@pytest.mark.parametrize(
    "message", [[2, "S001", -7, 1, 1, 0, 9], [], "x", [2, [[[[[[]]]]]]], {"a": 1}]
)
def test_an_old_frame_that_is_wrong_is_still_refused(message: Any) -> None:
    with pytest.raises(FrameRejected):
        codec.decode_up(msgpack.packb([0, message]), {0: upgrade_from_version_0})


def test_an_old_frame_of_great_depth_is_refused() -> None:
    with pytest.raises(FrameRejected):
        codec.decode_up(b"\x92\x00" + b"\x91" * 500_000 + b"\x00", {0: upgrade_from_version_0})


def test_equal_content_has_an_equal_digest_and_other_content_another() -> None:
    sold = codec.encode_fact(SOLD)
    assert codec.fact_digest(sold) == codec.fact_digest(bytes(sold))
    assert codec.fact_digest(sold) != codec.fact_digest(codec.encode_fact(MOVED))


def test_the_digest_of_a_shed_marker_tells_it_from_content() -> None:
    marker = codec.encode_fact(FactsShed(occurred_at_ms=1, source="outbox", telemetry=1, stock=0))
    assert codec.fact_digest(marker) == codec.MARKER_DIGEST
