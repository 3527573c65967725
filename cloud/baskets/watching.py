"""What the facts of an input mean to a store's basket watch, and what it tells SKU-locations. Pure.

Judgements come before the facts of the input that gave them their time, so that a replay of one
SKU-location hears them in the same order as the shard.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from cloud.baskets.traffic import ARRIVING, LEAVING, TrafficWatch
from cloud.records.basket_watch import BasketWatch, Traffic
from cloud.shards.desk import Desk
from cloud.sku_location.belief.record import knows_tags
from cloud.sku_location.messages import JudgeLine
from cloud.sku_location.movements import happened_at_ms
from cloud.sku_location.refusal import Refused
from protocol.facts import StockFact, TagsMoved, UnitsReturned, UnitsSold

WATCH_ID: Final = "exit"
LINES_JUDGED_MAX: Final = 100
"""In one input: so many more SKU-locations may change than it has facts."""
WATCHED: Final = (UnitsSold, UnitsReturned, TagsMoved)


def watches(facts: Iterable[StockFact]) -> bool:
    """Rule out cheaply what most stores send: facts that no exit could confirm."""
    return any(isinstance(fact, WATCHED) for fact in facts)


def judge_lines(desk: Desk, facts: list[StockFact]) -> None:
    """Tell SKU-locations of lines that have waited long enough when these facts happened."""
    watch = desk.record(BasketWatch, desk.stamp.store, WATCH_ID)
    if watch is None or not (watch.leaving.lines or watch.arriving.lines):
        return
    now_ms = happened_at_ms(facts[0].occurred_at_ms, desk.now_ms)
    leaving = TrafficWatch(watch.leaving, LEAVING)
    arriving = TrafficWatch(watch.arriving, ARRIVING)
    judgements = [
        *leaving.judge(now_ms, LINES_JUDGED_MAX // 2),
        *arriving.judge(now_ms, LINES_JUDGED_MAX // 2),
    ]
    for gtin, at_ms, ratio_percent in judgements:
        message = JudgeLine(
            store=watch.store, gtin=gtin, line_at_ms=at_ms, ratio_percent=ratio_percent
        )
        desk.tell(message)
    if judgements:
        desk.put(replace(watch, leaving=leaving.traffic(), arriving=arriving.traffic()))


def note_facts(desk: Desk, facts: Iterable[StockFact]) -> None:
    """Let the watch see the facts of an input. A store has one from its first exit on."""
    watch = desk.record(BasketWatch, desk.stamp.store, WATCH_ID)
    leaving = TrafficWatch(watch.leaving if watch else Traffic(), LEAVING)
    arriving = TrafficWatch(watch.arriving if watch else Traffic(), ARRIVING)
    has_seen, has_exit = False, watch is not None
    for fact in facts:
        at_ms = happened_at_ms(fact.occurred_at_ms, desk.now_ms)
        if isinstance(fact, TagsMoved):
            to_exit, from_exit = fact.to_zone == "exit", fact.from_zone == "exit"
            has_exit = has_exit or to_exit or from_exit
            has_seen = has_seen or to_exit or from_exit
            for _ in fact.epcs if to_exit != from_exit else ():
                (leaving if to_exit else arriving).seen(fact.gtin, at_ms)
        elif has_exit and isinstance(fact, UnitsSold | UnitsReturned) and _is_tagged(desk, fact):
            has_seen = True
            traffic = leaving if isinstance(fact, UnitsSold) else arriving
            traffic.told(fact.gtin, fact.quantity, at_ms)
    if has_seen:
        known = watch or BasketWatch(store=desk.stamp.store, id=WATCH_ID)
        desk.put(replace(known, leaving=leaving.traffic(), arriving=arriving.traffic()))


def _is_tagged(desk: Desk, fact: StockFact) -> bool:
    state = desk.state(desk.stamp.store, fact.gtin)
    return not isinstance(state, Refused) and bool(state.belief) and knows_tags(state.belief)
