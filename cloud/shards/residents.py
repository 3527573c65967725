"""The SKU-locations that are active in memory: at most a bound, the least recently changed leave.

A SKU-location is a virtual actor: activated from the journal on first use, passivated when others
need the room. Passivation writes nothing, since every state is in the journal when it comes here.
Pure; belongs to the shard's thread.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from cloud.sku_location.state import SkuLocation

SkuKey = tuple[str, str]
"""Store and GTIN."""


class Residents:
    """Committed states by store and GTIN."""

    def __init__(self, states_max: int) -> None:
        self._states_max: Final = states_max
        self._states: Final[OrderedDict[SkuKey, SkuLocation]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: SkuKey) -> SkuLocation | None:
        """Return the state of an active SKU-location."""
        return self._states.get(key)

    def keep(self, states: Mapping[SkuKey, SkuLocation]) -> None:
        """Take in states that are durable, and passivate what the bound has no room for."""
        for key, state in states.items():
            self._states[key] = state
            self._states.move_to_end(key)
        while len(self._states) > self._states_max:
            self._states.popitem(last=False)
