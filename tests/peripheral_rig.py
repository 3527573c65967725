"""Drivers of peripherals, polled on threads while the simulated hardware runs in the event loop."""

import asyncio
import time
from collections.abc import Callable

from edge.devices.driver import POLL_MAX_MS, Driver

POLLS_MAX = 400
POLL_SLACK_S = 2.0
"""A poll of a machine that is busy with other things may take so much longer than its bound."""


async def poll_until(
    driver: Driver, condition: Callable[[], bool], polls_max: int = POLLS_MAX
) -> None:
    """Poll on a thread until the condition holds; every poll is bounded, and so is their number."""
    for _ in range(polls_max):
        if condition():
            return
        began_s = time.monotonic()
        await asyncio.to_thread(driver.poll)
        assert time.monotonic() - began_s < POLL_MAX_MS / 1000 + POLL_SLACK_S
    raise AssertionError(f"not so after {polls_max} polls of {driver.name}")


async def polls(driver: Driver, count: int) -> None:
    """Poll so many times."""
    for _ in range(count):
        await asyncio.to_thread(driver.poll)


def monotonic_ms() -> int:
    """Return milliseconds on a clock that only goes forward."""
    return time.monotonic_ns() // 1_000_000
