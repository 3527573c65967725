"""Baskets: a sale of one article and a tag of another that leaves are one mistaken till line."""

from cloud.baskets.traffic import ARRIVING, JUDGED_AFTER_MS, LEAVING, TrafficWatch
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import decode_state
from cloud.journal.verify import verify
from cloud.records.basket_watch import Traffic
from cloud.shards.shard import Shard
from cloud.sku_location.belief import estimate
from cloud.sku_location.decide import LOGIC_ERA
from protocol.facts import AnyFact, TagsMoved, TagsSwept, UnitsSold
from tests.shard_inputs import NOW_MS, STORE, batch, counted, gtins

MINUTE_MS = 60_000
MINE, ALIKE, OTHER, THIRD = "00614141100019", "00614141100026", "00614141900015", "00614141100033"


def watch() -> TrafficWatch:
    return TrafficWatch(Traffic(), LEAVING)


def test_a_confirmed_sale_is_judged_no_more() -> None:
    traffic = watch()
    traffic.told(ALIKE, 1, NOW_MS)
    traffic.seen(ALIKE, NOW_MS + MINUTE_MS)
    assert traffic.judge(NOW_MS + 2 * JUDGED_AFTER_MS, 9) == []


def test_a_stray_exit_near_an_unconfirmed_sale_speaks_for_a_mistake() -> None:
    traffic = watch()
    traffic.told(MINE, 1, NOW_MS)
    traffic.seen(ALIKE, NOW_MS + MINUTE_MS)
    assert traffic.judge(NOW_MS + MINUTE_MS, 9) == []
    (judgement,) = traffic.judge(NOW_MS + JUDGED_AFTER_MS, 9)
    assert judgement[:2] == (MINE, NOW_MS)
    assert judgement.ratio_percent > 500


def test_an_unconfirmed_sale_alone_was_only_not_read() -> None:
    traffic = watch()
    traffic.told(MINE, 1, NOW_MS)
    traffic.seen(ALIKE, NOW_MS + 20 * MINUTE_MS)
    (judgement,) = traffic.judge(NOW_MS + JUDGED_AFTER_MS, 9)
    assert judgement.ratio_percent < 50


def test_one_stray_exit_explains_one_mistake() -> None:
    traffic = watch()
    traffic.told(MINE, 1, NOW_MS)
    traffic.told(THIRD, 1, NOW_MS + 1)
    traffic.seen(ALIKE, NOW_MS + MINUTE_MS)
    first, second = traffic.judge(NOW_MS + JUDGED_AFTER_MS + 1, 9)
    assert first.ratio_percent > 100 > second.ratio_percent


def test_a_store_full_of_stray_exits_learns_that_they_mean_little() -> None:
    traffic = watch()
    now_ms = NOW_MS
    for _ in range(200):
        now_ms += 10 * MINUTE_MS
        traffic.told(MINE, 1, now_ms)
        traffic.seen(MINE, now_ms + MINUTE_MS)
        traffic.seen(OTHER, now_ms + 2 * MINUTE_MS)
        traffic.judge(now_ms, 9)
    traffic.told(MINE, 1, now_ms + 10 * MINUTE_MS)
    traffic.seen(OTHER, now_ms + 11 * MINUTE_MS)
    (judgement,) = traffic.judge(now_ms + 10 * MINUTE_MS + JUDGED_AFTER_MS, 9)
    assert judgement.ratio_percent < 150


def test_what_is_brought_back_comes_in_before_the_till_tells() -> None:
    traffic = TrafficWatch(Traffic(), ARRIVING)
    traffic.seen(ALIKE, NOW_MS - 10 * MINUTE_MS)
    traffic.told(MINE, 1, NOW_MS)
    (judgement,) = traffic.judge(NOW_MS + JUDGED_AFTER_MS, 9)
    assert judgement.ratio_percent > 500


def test_the_shard_doubts_a_sale_when_its_sister_left_and_replays_alike() -> None:
    mine_gtin, sister_gtin = gtins(2)
    journal = MemoryJournal()
    shard = Shard(journal, "0-of-1", journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS))
    seq = 1

    def tell(minutes: int, *facts: AnyFact) -> None:
        nonlocal seq
        now_ms = NOW_MS + minutes * MINUTE_MS
        shard.commit([batch(seq, facts, sent_at_ms=now_ms)], now_ms)
        seq += len(facts)

    def swept(gtin: str, *epcs: bytes) -> TagsSwept:
        return TagsSwept(
            occurred_at_ms=NOW_MS,
            source="h",
            gtin=gtin,
            sweep="w",
            quantity=len(epcs),
            is_complete=True,
            epcs=list(epcs),
        )

    def sale(minutes: int, gtin: str) -> UnitsSold:
        return UnitsSold(
            occurred_at_ms=NOW_MS + minutes * MINUTE_MS,
            source="till",
            gtin=gtin,
            quantity=1,
            measure="units",
            transaction=f"t{minutes}",
            line=1,
        )

    def left(minutes: int, gtin: str, epc: bytes) -> TagsMoved:
        return TagsMoved(
            occurred_at_ms=NOW_MS + minutes * MINUTE_MS,
            source="exit",
            gtin=gtin,
            from_zone="sales_floor",
            to_zone="exit",
            epcs=[epc],
        )

    mine, others = [b"mine-%07d" % n for n in range(4)], [b"other-%06d" % n for n in range(4)]
    tell(0, counted(4, gtin=mine_gtin), counted(4, gtin=sister_gtin))
    tell(1, swept(mine_gtin, *mine), swept(sister_gtin, *others))
    tell(10, sale(10, mine_gtin), left(11, mine_gtin, mine[0]))
    tell(60, sale(60, mine_gtin))
    tell(62, left(62, sister_gtin, others[0]))
    tell(95, left(95, sister_gtin, others[1]))
    (row,) = journal.states_of(STORE, [mine_gtin])
    known = estimate(decode_state(row.data), NOW_MS + 3 * 60 * MINUTE_MS)
    assert known.distribution[3] > 0.3, "nothing of it may have left"
    assert verify(journal).is_identical
