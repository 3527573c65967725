"""A gateway's wrong clock is corrected by what its batches say of it."""

import pytest
from msgspec.structs import replace

from cloud.journal.history import history
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import decode_state
from cloud.journal.verify import verify
from cloud.shards.clocks import ERROR_TOLERATED_MS
from cloud.shards.messages import BatchReceived
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from protocol.facts import AnyFact
from tests.shard_inputs import GTIN, NOW_MS, STORE, batch, counted, sold

HOUR_MS = 3_600_000
YEARS_OFF = (-NOW_MS, -HOUR_MS, HOUR_MS, 40 * 365 * 24 * HOUR_MS)


def sent(first_seq: int, fact: AnyFact, at_ms: int, ahead_ms: int) -> BatchReceived:
    """Return a fact that a clock, so far ahead, timed and sent at a true time."""
    timed = replace(fact, occurred_at_ms=at_ms + ahead_ms)
    return batch(first_seq, [timed], sent_at_ms=at_ms + ahead_ms)


@pytest.mark.parametrize("ahead_ms", YEARS_OFF)
def test_a_late_count_by_a_wrong_clock_fixes_its_true_moment(ahead_ms: int) -> None:
    journal = MemoryJournal()
    shard = Shard(journal, "s", journal.take_ownership("s", LOGIC_ERA, NOW_MS))
    shard.commit([sent(1, counted(10), NOW_MS, ahead_ms)], NOW_MS)
    shard.commit([sent(2, sold(3), NOW_MS + HOUR_MS, ahead_ms)], NOW_MS + HOUR_MS)
    late = replace(counted(9), occurred_at_ms=NOW_MS + HOUR_MS // 2 + ahead_ms)
    arrives_ms = NOW_MS + 2 * HOUR_MS
    shard.commit([batch(3, [late], sent_at_ms=arrives_ms + ahead_ms)], arrives_ms)
    row = journal.state(STORE, GTIN)
    assert row is not None
    state = decode_state(row.data)
    assert (state.on_hand, state.lost) == (6, 1)
    assert verify(journal).is_identical
    assert list(history(journal, STORE, GTIN))[-1].state == state


def test_what_a_network_may_take_is_no_error_of_a_clock() -> None:
    journal = MemoryJournal()
    shard = Shard(journal, "s", journal.take_ownership("s", LOGIC_ERA, NOW_MS))
    shard.commit([sent(1, counted(10), NOW_MS, 0)], NOW_MS + ERROR_TOLERATED_MS)
    row = journal.state(STORE, GTIN)
    assert row is not None
    assert decode_state(row.data).counted_at_ms == NOW_MS
