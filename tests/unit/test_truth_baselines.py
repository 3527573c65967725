"""The three baselines, on a week that is short enough to follow."""

from protocol.ids import Gtin, sgtin_tag
from simulators.truth.baselines import Baselines
from simulators.world.goods import Sku, gtin_of
from simulators.world.happenings import (
    AdviceSent,
    Line,
    ManualCount,
    OpeningCount,
    PostVoid,
    Receipt,
    Refund,
    Sale,
    SweepEnded,
    SweepStarted,
    TagRead,
    TagReads,
)

TAGGED, PLAIN = gtin_of(1), gtin_of(2)
SKUS = {
    gtin: Sku(gtin=gtin, measure="units", is_tagged=gtin == TAGGED, popularity=1.0)
    for gtin in (TAGGED, PLAIN)
}


def line(quantity: int, gtin: Gtin = TAGGED) -> Line:
    return Line(gtin, quantity, "units")


def baselines() -> Baselines:
    return Baselines(SKUS, OpeningCount(0, (line(5), line(5, PLAIN))))


def sweep(others: Baselines, *serials: int) -> None:
    reads = tuple(
        TagRead(antenna=1, epc=sgtin_tag(TAGGED, serial), rssi_dbm=-60.0, read_at_ms=2)
        for serial in serials
    )
    others.observe(SweepStarted(1, "week 1"))
    others.observe(TagReads(2, "handheld", reads))
    others.observe(SweepEnded(3, "week 1"))


def test_the_ledger_believes_papers_and_tills() -> None:
    others = baselines()
    others.observe(AdviceSent(1, "DN-1", (line(4),)))
    assert others.ledger_only(TAGGED) == 5
    others.observe(Receipt(2, "DN-1", (line(4),)))
    others.observe(Sale(3, 1, 1, (line(3),)))
    others.observe(Refund(4, 1, 1, (line(1),)))
    others.observe(PostVoid(5, 1, 1, (line(2),)))

    assert others.ledger_only(TAGGED) == 9


def test_a_delivery_counts_as_advised_however_the_receipt_lists_it() -> None:
    others = baselines()
    others.observe(AdviceSent(1, "DN-1", (line(4), line(2, PLAIN))))
    others.observe(Receipt(2, "DN-1", (line(2, PLAIN),)))

    assert (others.ledger_only(TAGGED), others.ledger_only(PLAIN)) == (9, 7)


def test_nobody_says_less_than_nothing() -> None:
    others = baselines()
    others.observe(Sale(3, 1, 1, (line(7),)))

    assert others.ledger_only(TAGGED) == others.last_count_and_ledger(TAGGED) == 0


def test_the_sweep_says_what_it_read_until_the_next_one() -> None:
    others = baselines()
    assert others.sweep_only(TAGGED) == 5
    sweep(others, 1, 2, 2)
    others.observe(Sale(4, 1, 1, (line(1),)))

    assert others.sweep_only(TAGGED) == 2


def test_a_sweep_says_nothing_of_goods_without_tags() -> None:
    others = baselines()
    sweep(others, 1)
    others.observe(Sale(4, 1, 1, (line(1, PLAIN),)))

    assert others.sweep_only(PLAIN) == others.ledger_only(PLAIN) == 4


def test_the_last_count_goes_on_with_papers_and_tills() -> None:
    others = baselines()
    sweep(others, 1, 2, 3)
    others.observe(Sale(4, 1, 1, (line(1),)))
    assert others.last_count_and_ledger(TAGGED) == 2
    others.observe(ManualCount(5, TAGGED, 6, "units"))
    others.observe(Sale(6, 1, 2, (line(1),)))

    assert others.last_count_and_ledger(TAGGED) == 5
    assert others.ledger_only(TAGGED) == 3


def test_reads_outside_a_sweep_and_at_portals_are_no_sweep() -> None:
    others = baselines()
    read = TagRead(antenna=1, epc=sgtin_tag(TAGGED, 9), rssi_dbm=-60.0, read_at_ms=0)
    others.observe(TagReads(0, "handheld", (read,)))
    others.observe(SweepStarted(1, "week 1"))
    others.observe(TagReads(2, "exit", (read,)))
    others.observe(SweepEnded(3, "week 1"))

    assert others.sweep_only(TAGGED) == 0
