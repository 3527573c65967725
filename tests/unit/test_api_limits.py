from cloud.api.limits import BURST_S, Limits, TokenBucket


def test_a_burst_is_let_through_and_then_one_at_a_time() -> None:
    bucket = TokenBucket(60, now_s=0.0)
    assert [bucket.take(0.0) for _ in range(BURST_S)] == [0] * BURST_S
    assert bucket.take(0.0) == 1
    assert bucket.take(1.0) == 0
    assert bucket.take(1.0) == 1


def test_the_wait_is_as_long_as_needed_and_no_longer() -> None:
    bucket = TokenBucket(2, now_s=0.0)
    assert bucket.take(0.0) == 0
    wait_s = bucket.take(0.0)
    assert bucket.take(wait_s - 1.0) > 0
    assert bucket.take(float(wait_s)) == 0


def test_each_caller_has_a_bucket_of_its_own_and_its_own_limit() -> None:
    limits = Limits(1)
    assert limits.take("a", None, 0.0) == 0
    assert limits.take("a", None, 0.0) > 0
    assert limits.take("b", None, 0.0) == 0
    assert [limits.take("c", 60, 0.0) for _ in range(BURST_S)] == [0] * BURST_S


def test_a_request_of_many_items_counts_as_many_if_need_be_as_a_debt() -> None:
    limits = Limits(60)
    assert limits.take("a", None, 0.0) == 0
    limits.charge("a", 99, 0.0)
    wait_s = limits.take("a", None, 0.0)
    assert wait_s == 100 - BURST_S + 1
    assert limits.take("a", None, wait_s - 1.0) > 0
    assert limits.take("a", None, float(wait_s)) == 0
    limits.charge("nobody", 99, 0.0)
    assert limits.take("nobody", None, 0.0) == 0
