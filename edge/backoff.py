"""How long to wait before trying again. Pure: randomness is an argument."""

from collections.abc import Callable

Jitter = Callable[[], float]
"""A random number in [0, 1), such as `random.random`."""

_DOUBLINGS_MAX = 20


def backoff_ms(attempt: int, first_ms: int, max_ms: int, jitter: Jitter) -> int:
    """Return the wait before attempt `attempt` (0, 1, …): doubling, at most `max_ms`.

    Half of it is random, so that gateways that failed together do not return together ("equal
    jitter" in Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
    """
    ceiling_ms = min(max_ms, first_ms << min(attempt, _DOUBLINGS_MAX))
    return int(ceiling_ms / 2 * (1 + jitter()))
