"""The press makes the same documents as the publisher, in order, and its end is told."""

import asyncio
import os
import signal

import pytest

from cloud.publisher.press import PressLost, running_press
from cloud.publisher.wms import messages_of, retained_stock
from cloud.sku_location.state import Cause, SkuLocation
from protocol.topics import Topics

DEADLINE_S = 20.0


def state(number: int) -> SkuLocation:
    return SkuLocation(
        store="S001",
        gtin="00614141123452",
        version=number,
        measure="units",
        on_hand=number,
        opening=number,
        cause=Cause(kind="StockCounted", epoch=1, seq=number, occurred_at_ms=1_000),
    )


def document(of: SkuLocation) -> bytes:
    return messages_of(retained_stock(of, 0, Topics()))[0].payload


async def test_documents_are_the_publisher_s_own_and_come_in_order() -> None:
    states = [state(number) for number in range(1, 200)]
    async with running_press() as press, asyncio.timeout(DEADLINE_S):
        answers = [press.documents(states[at : at + 7]) for at in range(0, len(states), 7)]
        made = [one for answer in answers for one in await answer]
    assert made == [document(each) for each in states]


async def test_who_asks_a_press_that_has_ended_is_told() -> None:
    async with running_press() as press, asyncio.timeout(DEADLINE_S):
        await press.documents([state(1)])
        os.kill(press.pid, signal.SIGKILL)
        waiting = press.documents([state(2)])
        with pytest.raises(PressLost):
            await waiting
        with pytest.raises(PressLost):
            await press.documents([state(3)])
        assert press.is_lost
