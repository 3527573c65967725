"""Gateways' clocks, corrected: what a batch says about the clock that timed its facts. Pure.

A batch carries the time at which it was sent, by the same clock as its facts. It arrives within
moments, or not at all: the cloud takes no messages that a broker had queued while it was away. So
a large difference from the cloud's time is the error of that clock.
"""

from typing import Final, TypeVar

from msgspec.structs import replace

from protocol.facts import TIME_MS_MAX, Fact

F = TypeVar("F", bound=Fact)

ERROR_TOLERATED_MS: Final = 60_000
"""More than a slow network and a busy broker take together."""


def clock_error_ms(sent_at_ms: int, now_ms: int) -> int:
    """Return how far a gateway's clock is behind the cloud's (< 0: ahead); 0 when tolerable."""
    error_ms = now_ms - sent_at_ms
    return error_ms if abs(error_ms) > ERROR_TOLERATED_MS else 0


def corrected(fact: F, error_ms: int) -> F:
    """Return the fact with its time by the cloud's clock."""
    if not error_ms:
        return fact
    occurred_at_ms = min(max(0, fact.occurred_at_ms + error_ms), TIME_MS_MAX)
    return replace(fact, occurred_at_ms=occurred_at_ms)
