"""Estimates of SKU-locations that are asked about after every change: thinks only what is new.

What sells by the hundred has many notes that wait to be thought through, and is published after
each of them. An `Estimator` remembers where it had come to with those, and goes on from there; it
says what `estimate` says. Pure; belongs to one thread.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from cloud.sku_location.belief.believe import posterior_of
from cloud.sku_location.belief.elapsed import settle
from cloud.sku_location.belief.estimate import Estimate, estimate, estimate_of
from cloud.sku_location.belief.notes import NOTE_BYTES, think
from cloud.sku_location.belief.posterior import Posterior
from cloud.sku_location.belief.record import heard_from
from cloud.sku_location.state import SkuLocation

REMEMBERED_MAX: Final = 10_000
"""About 3 kB each."""


class _Thought(NamedTuple):
    data: bytes
    posterior: Posterior


class Estimator:
    """Remembers beliefs that were thought through, the newest of so many SKU-locations."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max: Final = remembered_max
        self._thoughts: Final[OrderedDict[tuple[str, str], _Thought]] = OrderedDict()

    def estimate(self, state: SkuLocation, now_ms: int) -> Estimate:
        """Return what is believed of a SKU-location at a time."""
        data = state.belief
        # The last note may still change: sales are added to it.
        settled_bytes = len(data) - NOTE_BYTES
        if not data or settled_bytes <= heard_from(data):
            return estimate(state, now_ms)
        posterior = self._thought_through(state, data[:settled_bytes]).copy()
        think(posterior, data[settled_bytes:])
        settle(posterior, now_ms)
        return estimate_of(posterior, now_ms, state.on_hand)

    def _thought_through(self, state: SkuLocation, data: bytes) -> Posterior:
        key = (state.store, state.gtin)
        known = self._thoughts.pop(key, None)
        if known is not None and data.startswith(known.data):
            posterior = known.posterior
            think(posterior, data[len(known.data) :])
        else:
            posterior = posterior_of(data)
        self._thoughts[key] = _Thought(data, posterior)
        if len(self._thoughts) > self._remembered_max:
            self._thoughts.popitem(last=False)
        return posterior
