"""Signals inside a store that follow from what happened to a SKU-location. Pure."""

from typing import TYPE_CHECKING

from cloud.sku_location.events import AnyEvent
from cloud.sku_location.state import SkuLocation

if TYPE_CHECKING:
    from cloud.shards.desk import Desk


def may_signal(state: SkuLocation) -> bool:
    """Rule out cheaply what is most common: goods that nobody needs to look after."""
    return state.policy is not None and state.policy.replenish_at is not None


def signals(desk: "Desk", before: SkuLocation, state: SkuLocation, events: list[AnyEvent]) -> None:
    """Notify the store of what somebody should do about a SKU-location."""
    del events
    policy = state.policy
    if policy is None or policy.replenish_at is None or state.measure is None:
        return
    is_low = state.sales_floor <= policy.replenish_at and state.backroom > 0
    was_low = before.sales_floor <= policy.replenish_at and before.backroom > 0
    if is_low and not was_low:
        desk.notify(
            "replenish",
            state.store,
            state.gtin,
            gtin=state.gtin,
            quantity=state.backroom,
            measure=state.measure,
            detail=f"{state.sales_floor} on the sales floor, {state.backroom} in the backroom",
        )
