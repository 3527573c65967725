"""Another clock's offset and drift are found from messages that only go one way."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from edge.sensing.clock import DRIFT_MAX_PPM, SLOT_MS, SLOTS_MAX, ClockEstimator

MINUTE_MS = 60_000.0


def messages(
    rng: random.Random,
    *,
    offset_ms: float,
    drift_ppm: float,
    start_ms: float = 0.0,
    minutes: float = 10.0,
    buffered: float = 0.1,
) -> Iterator[tuple[float, float]]:
    """Yield (stamped, received): a delay of at least 2 ms, often much more."""
    sent_ms = start_ms
    while sent_ms < start_ms + minutes * MINUTE_MS:
        sent_ms += rng.expovariate(1 / 500)
        delay_ms = 2.0 + rng.expovariate(1 / 15)
        if rng.random() < buffered:
            delay_ms += rng.uniform(100, 30_000)
        ours_ms = sent_ms + delay_ms
        yield sent_ms - offset_ms - drift_ppm / 1e6 * sent_ms, ours_ms


def learnt(seed: int, **how: float) -> ClockEstimator:
    clock = ClockEstimator()
    heard = sorted(messages(random.Random(seed), **how), key=lambda message: message[1])
    for stamped_ms, received_ms in heard:
        clock.observe(stamped_ms, received_ms)
    return clock


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    offset_ms=st.floats(-1e9, 1e9),
    drift_ppm=st.floats(-80, 80),
)
def test_offset_and_drift_are_found_through_delays_and_buffers(
    seed: int, offset_ms: float, drift_ppm: float
) -> None:
    clock = learnt(seed, offset_ms=offset_ms, drift_ppm=drift_ppm)
    fit = clock.fit
    assert fit is not None
    assert fit.drift_ppm == pytest.approx(drift_ppm, abs=4.0)
    happened_ms = fit.at_ms
    stamp_ms = happened_ms - offset_ms - drift_ppm / 1e6 * happened_ms
    assert clock.to_ours_ms(stamp_ms) == pytest.approx(happened_ms + 2.0, abs=3.0)
    assert clock.jumps == 0


def test_what_is_converted_an_hour_after_the_last_message_is_off_by_little() -> None:
    clock = learnt(1, offset_ms=5_000.0, drift_ppm=50.0)
    later_ms = 70 * MINUTE_MS
    stamp_ms = later_ms - 5_000.0 - 50e-6 * later_ms
    assert clock.to_ours_ms(stamp_ms) == pytest.approx(later_ms, abs=15.0)


def test_before_anything_was_heard_nothing_is_converted() -> None:
    assert ClockEstimator().fit is None
    with pytest.raises(ValueError, match="never heard"):
        ClockEstimator().to_ours_ms(1.0)


def test_one_message_gives_the_offset_and_no_drift() -> None:
    clock = ClockEstimator()
    assert not clock.observe(1_000.0, 5_000.0)
    assert clock.to_ours_ms(2_000.0) == 6_000.0


@pytest.mark.parametrize("step_ms", [400.0, 3_600_000.0])
def test_a_clock_that_is_set_forward_is_seen_at_once(step_ms: float) -> None:
    clock = learnt(2, offset_ms=0.0, drift_ppm=10.0)
    now_ms = 10 * MINUTE_MS + 1_000
    assert clock.observe(now_ms + step_ms, now_ms + 5)
    assert clock.jumps == 1
    assert clock.to_ours_ms(now_ms + step_ms) == pytest.approx(now_ms + 5, abs=1)


@pytest.mark.parametrize("step_ms", [400.0, 3_600_000.0])
def test_a_clock_that_is_set_back_is_seen_after_a_minute(step_ms: float) -> None:
    clock = learnt(3, offset_ms=0.0, drift_ppm=10.0)
    start_ms = 11 * MINUTE_MS
    later = messages(
        random.Random(4), offset_ms=step_ms, drift_ppm=10.0, start_ms=start_ms, minutes=2.0
    )
    for stamped_ms, received_ms in sorted(later, key=lambda message: message[1]):
        clock.observe(stamped_ms, received_ms)
    assert clock.jumps == 1
    at_ms = start_ms + 2 * MINUTE_MS
    stamp_ms = at_ms - step_ms - 10e-6 * at_ms
    assert clock.to_ours_ms(stamp_ms) == pytest.approx(at_ms, abs=8)


def test_messages_that_waited_in_a_buffer_are_no_jump() -> None:
    clock = learnt(5, offset_ms=100.0, drift_ppm=0.0)
    now_ms = 10 * MINUTE_MS
    for number in range(100):
        assert not clock.observe(number * 1_000.0, now_ms + number)
    assert clock.jumps == 0
    assert clock.to_ours_ms(now_ms - 100.0) == pytest.approx(now_ms + 2, abs=3)


def test_a_drift_that_no_crystal_has_is_not_believed() -> None:
    clock = learnt(6, offset_ms=0.0, drift_ppm=900.0)
    fit = clock.fit
    assert fit is not None
    assert abs(fit.drift_ppm) <= DRIFT_MAX_PPM


def test_what_is_remembered_is_bounded() -> None:
    clock = learnt(7, offset_ms=0.0, drift_ppm=20.0, minutes=60.0)
    assert len(clock._slots) <= SLOTS_MAX
    assert clock.fit is not None
    assert clock.fit.drift_ppm == pytest.approx(20.0, abs=4.0)
    assert SLOT_MS * SLOTS_MAX >= 5 * MINUTE_MS
