from edge.devices.llrp_clock import WINDOW_MS, ReaderClock, Received

NOON_MS = 1_795_600_000_000


def at(monotonic_ms: int, utc_ms: int | None = None) -> Received:
    """A moment on the gateway's clocks; its UTC is `NOON_MS` at monotonic 0 unless told."""
    return Received(monotonic_ms, NOON_MS + monotonic_ms if utc_ms is None else utc_ms)


def heard(*pairs: tuple[int, int]) -> ReaderClock:
    """A clock that saw these stamps (milliseconds) at these monotonic times."""
    clock = ReaderClock()
    for stamp_ms, monotonic_ms in pairs:
        clock.observe(stamp_ms * 1000, at(monotonic_ms))
    return clock


def test_a_clock_without_stamps_knows_nothing() -> None:
    assert not ReaderClock().is_known


def test_one_stamp_gives_the_offset() -> None:
    clock = heard((NOON_MS - 3_600_000, 0))
    assert clock.ahead_ms(at(0)) == -3_600_000
    assert clock.to_gateway_ms((NOON_MS - 3_600_000 + 250) * 1000, at(1_000)) == NOON_MS + 250


def test_the_least_delayed_stamp_is_believed() -> None:
    clock = heard((NOON_MS, 40), (NOON_MS + 100, 103), (NOON_MS + 200, 900))
    assert clock.ahead_ms(at(900)) == -3


def test_old_stamps_out_of_a_buffer_do_not_move_the_offset() -> None:
    clock = heard((NOON_MS, 0), (NOON_MS - 86_400_000, 10))
    assert clock.ahead_ms(at(10)) == 0
    assert clock.to_gateway_ms((NOON_MS - 86_400_000) * 1000, at(10)) == NOON_MS - 86_400_000


def test_a_reader_clock_set_forward_is_followed_at_once() -> None:
    clock = heard((NOON_MS, 0), (NOON_MS + 5_000, 100))
    assert clock.ahead_ms(at(100)) == 4_900


def test_a_reader_clock_set_back_is_followed_within_two_windows() -> None:
    pairs = [(NOON_MS, 0)]
    pairs += [(NOON_MS - 9_000 + time, time) for time in range(1_000, 2 * WINDOW_MS + 2_000, 1_000)]
    assert heard(*pairs).ahead_ms(at(2 * WINDOW_MS + 2_000)) == -9_000


def test_slow_drift_is_followed() -> None:
    pairs = [(NOON_MS + time - time // 1_000, time) for time in range(0, 600_000, 500)]
    behind_ms = -heard(*pairs).ahead_ms(at(600_000))
    assert 600 - 2 * WINDOW_MS // 1_000 <= behind_ms <= 600


def test_a_gateway_clock_that_is_set_does_not_misplace_readings() -> None:
    """A gateway boots in 1970 and hears of the true time while a reader is connected."""
    clock = ReaderClock()
    clock.observe(NOON_MS * 1000, Received(monotonic_ms=0, utc_ms=5_000))
    received = Received(monotonic_ms=2_000, utc_ms=NOON_MS + 2_000)
    assert clock.to_gateway_ms((NOON_MS + 1_500) * 1000, received) == NOON_MS + 1_500


def test_an_uptime_clock_needs_no_date() -> None:
    clock = heard((77_000, 0))
    assert clock.to_gateway_ms(77_400 * 1000, at(500)) == NOON_MS + 400


def test_no_reading_is_later_than_its_report_or_before_1970() -> None:
    clock = heard((NOON_MS, 0))
    assert clock.to_gateway_ms((2**64 - 1), at(50)) == NOON_MS + 50
    assert clock.to_gateway_ms(0, Received(monotonic_ms=50, utc_ms=60)) == 0
