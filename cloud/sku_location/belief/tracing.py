"""Each unit that is believed in: its tag, how likely it is here, how well it is read. Pure."""

from typing import NamedTuple

from cloud.sku_location.belief.believe import posterior_of
from cloud.sku_location.belief.elapsed import settle
from cloud.sku_location.belief.tags import gone_share
from cloud.sku_location.state import SkuLocation


class TracedTag(NamedTuple):
    """A known tag, by digest: P(it is here), sweeps that read and missed it, and misses since."""

    digest: bytes
    p_here: float
    reads: int
    misses: int
    missed_since: int


class Traced(NamedTuple):
    """What the count is made of: known tags, and units of which no tag was ever read."""

    tags: list[TracedTag]
    hidden: dict[int, float]


def traced(state: SkuLocation, now_ms: int) -> Traced:
    """Return what is believed unit by unit; a state without a belief has none."""
    if not state.belief:
        return Traced([], {})
    posterior = posterior_of(state.belief)
    settle(posterior, now_ms)
    odds = posterior.odds()
    tags: list[TracedTag] = []
    for index, tag in enumerate(posterior.tags):
        shares = [gone_share(odds, index, gone) for gone in range(posterior.gone_max + 1)]
        p_gone = sum(weight * shares[gone] for (gone, _), weight in posterior.cells.items())
        here = TracedTag(tag.digest, max(0.0, 1.0 - p_gone), tag.reads, tag.misses, tag.streak)
        tags.append(here)
    hidden: dict[int, float] = {}
    for (_, units), weight in posterior.cells.items():
        hidden[units] = hidden.get(units, 0.0) + weight
    return Traced(tags, hidden)
