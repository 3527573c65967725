"""Accuracy, phantom stock, thefts and directions, on cases small enough to count by hand."""

import pytest

from protocol.facts import GoodsReceived, StockCounted, TagsMoved, Zone
from protocol.ids import Epc, Gtin, sgtin_tag
from simulators.truth.accuracy import Told, accuracy, out_of_stock
from simulators.truth.causes import SWEEPS, Causes, Mishap, misreadings
from simulators.truth.directions import Crossing, compare, crossings_told
from simulators.truth.options import DAY_MS
from simulators.truth.thefts import Theft, Thefts

GTIN = Gtin("00614141000012")
OTHER = Gtin("00614141000029")
TAG = Epc(b"0123456789ab")
SECOND = Epc(b"ba9876543210")
NOW_MS = 1_767_225_600_000


def told(*pairs: tuple[int, int]) -> list[Told]:
    return [Told(truth, said) for truth, said in pairs]


def test_accuracy_counts_exact_near_and_by_how_much() -> None:
    score = accuracy(told((3, 3), (2, 3), (5, 3), (0, 0)))

    assert score.exact_share == 0.5
    assert score.within_one_share == 0.75
    assert score.mean_error_units == 0.75
    assert score.too_much == 1


def test_goods_by_weight_are_scored_apart() -> None:
    score = accuracy([Told(3, 3), Told(5_000, 5_040, "grams"), Told(5_000, 4_000, "grams")])

    assert score.locations == score.exact == 1
    assert (score.weighed, score.weighed_exact) == (2, 1)
    assert score.error_units == 0


def test_accuracies_of_two_stores_add_up() -> None:
    both = accuracy(told((3, 3))) + accuracy(told((1, 2), (2, 2)))

    assert both == accuracy(told((3, 3), (1, 2), (2, 2)))


def test_a_phantom_is_a_count_of_what_is_not_there() -> None:
    score = out_of_stock(told((0, 2), (0, 0), (3, 0), (4, 4)))

    assert score.phantoms == 1
    assert score.precision == 0.5
    assert score.recall == 0.5


def test_a_theft_is_noticed_when_the_count_is_no_longer_too_high() -> None:
    thefts = Thefts()
    thefts.happened(Theft(NOW_MS, GTIN))
    thefts.happened(Theft(NOW_MS, OTHER))

    thefts.look({GTIN: 1, OTHER: 1}.__getitem__, NOW_MS + DAY_MS)
    assert thefts.noticed == 0
    thefts.look({GTIN: 0, OTHER: 1}.__getitem__, NOW_MS + 3 * DAY_MS)

    assert thefts.noticed_share == 0.5
    assert thefts.median_delay_days == 3.0
    assert thefts.within_share(2 * DAY_MS) == 0.0


def test_a_noticed_theft_is_not_noticed_again() -> None:
    thefts = Thefts()
    thefts.happened(Theft(NOW_MS, GTIN, 2))
    for day in (1, 2):
        thefts.look({GTIN: 0}.__getitem__, NOW_MS + day * DAY_MS)

    assert thefts.noticed == thefts.stolen == 2


def moved(from_zone: Zone, to_zone: Zone, confidence: float = 1.0) -> TagsMoved:
    return TagsMoved(
        occurred_at_ms=NOW_MS,
        source="tags",
        gtin=GTIN,
        from_zone=from_zone,
        to_zone=to_zone,
        epcs=[TAG],
        confidence=confidence,
    )


@pytest.mark.parametrize(
    ("from_zone", "to_zone", "portal", "is_inwards"),
    [
        ("sales_floor", "exit", "exit", False),
        ("backroom", "exit", "exit", False),
        ("exit", "sales_floor", "exit", True),
        ("backroom", "transit", "dock", False),
        ("transit", "backroom", "dock", True),
    ],
)
def test_a_move_between_zones_tells_a_crossing(
    from_zone: Zone, to_zone: Zone, portal: str, *, is_inwards: bool
) -> None:
    (crossing,) = crossings_told(moved(from_zone, to_zone))

    assert (crossing.portal, crossing.is_inwards) == (portal, is_inwards)


def test_moves_within_the_store_and_counts_tell_no_crossing() -> None:
    count = StockCounted(
        occurred_at_ms=NOW_MS,
        source="tills",
        gtin=GTIN,
        quantity=1,
        measure="units",
        evidence="document",
    )

    assert not list(crossings_told(moved("backroom", "sales_floor")))
    assert not list(crossings_told(count))


def test_goods_received_by_paper_tell_no_crossing() -> None:
    by_paper = GoodsReceived(
        occurred_at_ms=NOW_MS,
        source="tills",
        gtin=GTIN,
        quantity=1,
        measure="units",
        zone="backroom",
        evidence="document",
    )

    assert not list(crossings_told(by_paper))


def out(at_ms: int, epc: Epc = TAG, confidence: float = 1.0) -> Crossing:
    return Crossing(at_ms, "exit", epc, is_inwards=False, confidence=confidence)


def test_the_right_way_is_right_and_the_other_is_wrong() -> None:
    inwards = out(NOW_MS, SECOND)._replace(is_inwards=True)

    score = compare([out(NOW_MS + 4_000), out(NOW_MS, SECOND, 0.7)], [out(NOW_MS), inwards]).score

    assert (score.right, score.wrong, score.untold) == (1, 1, 0)
    assert score.accuracy == 0.5
    assert score.wrong_unsure_share == 1.0


def test_a_told_crossing_explains_one_true_crossing_only() -> None:
    score = compare([out(NOW_MS), out(NOW_MS + 1_000)], [out(NOW_MS)]).score

    assert (score.right, score.invented) == (1, 1)


def test_what_did_not_cross_is_invented_and_what_was_not_told_is_untold() -> None:
    compared = compare([out(NOW_MS, SECOND)], [out(NOW_MS), out(NOW_MS + 3_600_000, SECOND)])
    score = compared.score

    assert compared.untrue == [out(NOW_MS, SECOND)]
    assert set(compared.untold) == {out(NOW_MS), out(NOW_MS + 3_600_000, SECOND)}
    assert (score.right, score.wrong, score.invented, score.untold) == (0, 0, 1, 2)
    assert score.wrong_unsure_share == 0.0


def test_a_wrong_count_is_put_down_to_what_happened_since_it_was_right() -> None:
    causes = Causes(NOW_MS)
    causes.happened([Mishap(NOW_MS + 1, GTIN, "theft"), Mishap(NOW_MS + 1, OTHER, "theft")])
    causes.look(GTIN, 0, is_right=True)
    causes.happened([Mishap(NOW_MS + 5 * DAY_MS, GTIN, "till")])
    causes.look(GTIN, 5, is_right=False)
    causes.look(GTIN, 6, is_right=False)

    assert causes.since_day(GTIN) == 5
    assert causes.of(GTIN) == ("till",)


def test_a_wrong_count_without_a_mishap_is_put_down_to_sweeps() -> None:
    causes = Causes(NOW_MS)
    causes.look(GTIN, 3, is_right=False)

    assert causes.of(GTIN) == (SWEEPS,)


def test_what_people_did_wrong_comes_before_what_portals_misread() -> None:
    tag = sgtin_tag(GTIN, 7)
    causes = Causes(NOW_MS)
    causes.happened(misreadings("exit", [out(NOW_MS, tag), out(NOW_MS + 1, tag)], []))
    causes.happened([Mishap(NOW_MS + 1, GTIN, "theft unseen")])
    causes.look(GTIN, 0, is_right=False)

    assert causes.of(GTIN) == ("theft unseen", "misread: untold out by the exit")
