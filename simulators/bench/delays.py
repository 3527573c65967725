"""How long facts took to a subscriber: what was sold, joined with what was heard. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import quantiles
from typing import Final, NamedTuple

from simulators.bench.messages import Noted, Sale

NS_PER_MS: Final = 1_000_000


class Delays(NamedTuple):
    """Percentiles in milliseconds, and how many facts nobody has heard of."""

    facts: int
    unheard: int
    p50_ms: float
    p99_ms: float


def delays(sales: Iterable[tuple[str, Sequence[Sale]]], noted: Iterable[Noted]) -> Delays:
    """Join the sales of each store with the states that were noted, in order of time.

    A fact is heard with the first state of its article that has at least as many facts in it.
    """
    states: defaultdict[str, list[Noted]] = defaultdict(list)
    for state in noted:
        states[state.gtin].append(state)
    by_article: defaultdict[str, list[Sale]] = defaultdict(list)
    for store, log in sales:
        for sale in log:
            by_article[f"{store}/{sale.gtin}"].append(sale)
    waited_ms: list[float] = []
    unheard = 0
    for article, sold in by_article.items():
        heard = states[article]
        at = 0
        for sale in sold:
            while at < len(heard) and heard[at].facts < sale.ordinal:
                at += 1
            if at == len(heard):
                unheard += 1
            else:
                waited_ms.append((heard[at].at_ns - sale.due_ns) / NS_PER_MS)
    return Delays(len(waited_ms) + unheard, unheard, *percentiles(waited_ms))


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile; of one value, itself."""
    if len(values) < 2:
        only = values[0] if values else 0.0
        return only, only
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[98]
