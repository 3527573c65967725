"""The cash drawer against the till's business."""

from edge.sensing.drawer import LONG_OPEN_MS, OPENINGS_PENDING_MAX, DrawerWatch

UNEXPLAINED = "the drawer was opened without a transaction at the till"


def watch() -> DrawerWatch:
    drawer = DrawerWatch(window_ms=1_000, told_for_ms=500)
    drawer.seen(is_open=False, now_ms=0)
    return drawer


def opened(at_ms: int, drawer: DrawerWatch | None = None) -> DrawerWatch:
    drawer = drawer or watch()
    drawer.seen(is_open=True, now_ms=at_ms)
    drawer.seen(is_open=False, now_ms=at_ms + 1)
    return drawer


def test_a_transaction_before_or_after_explains_an_opening() -> None:
    assert opened(2_000).trouble(1_200, 9_000) is None
    assert opened(2_000).trouble(2_900, 9_000) is None


def test_an_opening_is_judged_when_its_window_has_passed_and_told_for_a_while() -> None:
    drawer = opened(2_000)
    assert drawer.trouble(500, 2_900) is None
    assert drawer.trouble(500, 3_001) == UNEXPLAINED
    assert drawer.trouble(500, 3_400) == UNEXPLAINED
    assert drawer.trouble(500, 3_501) is None


def test_one_transaction_explains_no_opening_long_before_it() -> None:
    drawer = opened(10_000, opened(2_000))
    assert drawer.trouble(9_900, 12_000) == UNEXPLAINED


def test_a_drawer_that_stays_open_is_told_until_it_is_shut() -> None:
    drawer = watch()
    drawer.seen(is_open=True, now_ms=0)
    assert drawer.trouble(0, LONG_OPEN_MS) is None
    told = drawer.trouble(0, LONG_OPEN_MS + 1)
    assert told == "the drawer is open for more than 5 minutes"
    drawer.seen(is_open=False, now_ms=LONG_OPEN_MS + 2)
    assert drawer.trouble(0, LONG_OPEN_MS + 3) is None


def test_openings_that_wait_for_judgement_are_bounded() -> None:
    drawer = watch()
    for at_ms in range(0, 4 * OPENINGS_PENDING_MAX, 2):
        opened(at_ms, drawer)
    told = drawer.trouble(None, 10_000)
    assert (
        told
        == f"the drawer was opened {OPENINGS_PENDING_MAX} times without a transaction at the till"
    )


def test_of_a_drawer_found_open_nobody_knows_when_it_was_opened() -> None:
    drawer = DrawerWatch(window_ms=1_000, told_for_ms=500)
    drawer.seen(is_open=True, now_ms=0)
    assert drawer.trouble(None, 5_000) is None
