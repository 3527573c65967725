"""The loop with virtual time keeps asyncio's promises, and gives the dead no turn."""

import asyncio
import time
from collections.abc import Coroutine
from random import Random
from typing import Any, TypeVar

import pytest

from simulators.harness.lives import Life
from simulators.harness.virtual_loop import THREAD_DELAY_MAX_S, Livelocked, VirtualLoop

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T], seed: int = 1) -> T:
    loop = VirtualLoop(Random(seed))
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_a_day_takes_no_time() -> None:
    async def sleep() -> float:
        await asyncio.sleep(86_400)
        return now_s()

    began_s = time.monotonic()
    assert run(sleep()) == 86_400
    assert time.monotonic() - began_s < 5


def test_who_was_first_is_first() -> None:
    async def note() -> list[int]:
        loop, order = asyncio.get_running_loop(), []  # type: ignore[var-annotated]
        for number in range(5):
            loop.call_soon(order.append, number)
            loop.call_later(1.0, order.append, 10 + number)
        await asyncio.sleep(2)
        return order

    assert run(note()) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]


def test_threads_finish_in_an_order_of_the_seed() -> None:
    async def race() -> list[int]:
        order: list[int] = []
        await asyncio.gather(*(asyncio.to_thread(order.append, n) for n in range(8)))
        assert now_s() <= THREAD_DELAY_MAX_S
        return order

    assert run(race(), 1) == run(race(), 1)
    assert run(race(), 1) != run(race(), 2)


def test_what_a_thread_raises_comes_to_who_waits() -> None:
    async def fail() -> None:
        def raising() -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await asyncio.to_thread(raising)

    run(fail())


def test_timeouts_and_cancellation_are_asyncios() -> None:
    async def give_up() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.Event().wait()
        return now_s()

    assert run(give_up()) == 3


def test_waiting_for_nothing_is_told() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Livelocked):
        run(wait())


def test_the_dead_get_no_turn_and_clean_nothing_up() -> None:
    async def murder() -> list[str]:
        told: list[str] = []

        async def work() -> None:
            try:
                while True:
                    told.append("works")
                    await asyncio.sleep(1)
            finally:
                told.append("cleaned up")

        life = Life("victim", asyncio.get_running_loop())
        life.begin(work())
        await asyncio.sleep(2.5)
        life.end()
        await asyncio.sleep(10)
        return list(told)

    assert run(murder()) == ["works"] * 3


def test_who_is_paused_does_it_all_later() -> None:
    async def pause() -> list[float]:
        turns: list[float] = []

        async def work() -> None:
            while True:
                await asyncio.sleep(1)
                turns.append(now_s())

        life = Life("sleeper", asyncio.get_running_loop())
        life.begin(work())
        await asyncio.sleep(1.5)
        life.pause()
        await asyncio.sleep(5)
        life.resume()
        await asyncio.sleep(1.2)
        life.end()
        return turns

    assert run(pause()) == [1.0, 6.5, 7.5]


def test_what_is_called_off_by_what_waited_with_it_does_not_happen() -> None:
    async def pause() -> list[str]:
        happened: list[str] = []
        loop = asyncio.get_running_loop()

        def call_off() -> None:
            happened.append("called off")
            later.cancel()

        life = Life("sleeper", loop)
        loop.call_later(1, call_off, context=life.context)
        later = loop.call_later(1, happened.append, "happened", context=life.context)
        life.pause()
        await asyncio.sleep(2)
        life.resume()
        await asyncio.sleep(1)
        return happened

    assert run(pause()) == ["called off"]
