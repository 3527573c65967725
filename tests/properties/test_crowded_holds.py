"""A crowd of holds is what plain holds are, whatever happens to them, and stored alike."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.journal.rows import decode_state, encode_state
from cloud.sku_location import holds as holds_module
from cloud.sku_location.crowded import CrowdedHolds
from cloud.sku_location.decide import cause_of_command, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.messages import (
    AnyMessage,
    ConfirmHold,
    ExpireHold,
    ExtendHold,
    FulfilHold,
    HoldStock,
    PickHold,
    ReleaseHold,
)
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation, holds_add_up
from tests.properties.counting import LONG
from tests.shard_inputs import GTIN, NOW_MS, STORE

names = st.integers(1, 9).map("r{}".format)
moments = st.integers(1, 60)


@st.composite
def messages(draw: st.DrawFn) -> AnyMessage:
    told: dict[str, Any] = {"store": STORE, "gtin": GTIN, "reservation_id": draw(names)}
    quantity = draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["hold", "hold", "hold", "extend", "confirm", "give", "expire"]))
    until_ms = NOW_MS + 1_000 * draw(moments)
    if kind == "hold":
        return HoldStock(
            **told,
            order_id="o",
            channel="web",
            quantity=quantity,
            buffer=0,
            expires_at_ms=draw(st.sampled_from([0, until_ms])),
            ship_by_ms=0,
        )
    if kind == "extend":
        return ExtendHold(**told, expires_at_ms=until_ms)
    if kind == "confirm":
        return ConfirmHold(**told)
    if kind == "expire":
        return ExpireHold(**told)
    part: Any = draw(st.sampled_from([PickHold, ReleaseHold, FulfilHold]))
    message: AnyMessage = part(**told, quantity=quantity)
    return message


def told(state: SkuLocation, message: AnyMessage, now_ms: int) -> tuple[SkuLocation, str]:
    events = decide(state, message, cause_of_command(type(message).__name__, now_ms), now_ms)
    if isinstance(events, Refused):
        return state, events.detail
    for event in events:
        state = evolve(state, event)
    return state, ""


@LONG
@given(st.lists(st.tuples(messages(), moments), min_size=1, max_size=60))
def test_a_crowd_does_what_plain_holds_do(happened: list[tuple[AnyMessage, int]]) -> None:
    start = SkuLocation(store=STORE, gtin=GTIN, measure="units", on_hand=12, opening=12)
    plain = crowd = start
    abandoned = start
    for message, second in happened:
        now_ms = NOW_MS + 1_000 * second
        plain, why_plain = told(plain, message, now_ms)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holds_module, "CROWD_FROM", 2)
            # A version that nobody goes on from shares its index with those that follow.
            abandoned, _ = told(crowd, message, now_ms)
            crowd, why_crowd = told(crowd, message, now_ms)
        assert (crowd, why_crowd) == (plain, why_plain)
        assert abandoned == crowd
        assert holds_add_up(crowd)
        assert encode_state(crowd) == encode_state(plain)
        assert decode_state(encode_state(crowd)) == plain
    if len(plain.holds) > 2 and isinstance(crowd.holds, CrowdedHolds):
        assert crowd.holds.reserved == plain.reserved
