"""The SKU-locations that are in memory: at most a bound, the least recently used leave.

A SKU-location is a virtual actor: activated from the journal on first use, passivated when others
need the room. Passivation writes nothing, since every state is in the journal when it comes here.

Those in use are awake, as objects. The others are asleep, as the bytes of their journal row: these
take a third of the memory, and waking takes a microsecond. Pure; belongs to the shard's thread.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from cloud.journal.rows import decode_state, encode_state
from cloud.sku_location.state import SkuLocation

SkuKey = tuple[str, str]
"""Store and GTIN."""

AWAKE_MAX: Final = 20_000
"""What a few groups touch."""


class Residents:
    """Committed states by store and GTIN."""

    def __init__(self, states_max: int, awake_max: int = AWAKE_MAX) -> None:
        self._states_max: Final = states_max
        self._awake_max: Final = awake_max
        self._awake: Final[OrderedDict[SkuKey, SkuLocation]] = OrderedDict()
        self._asleep: Final[OrderedDict[SkuKey, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._awake) + len(self._asleep)

    def __contains__(self, key: SkuKey) -> bool:
        return key in self._awake or key in self._asleep

    def get(self, key: SkuKey) -> SkuLocation | None:
        """Return the state of a SKU-location that is in memory."""
        state = self._awake.get(key)
        if state is None and (asleep := self._asleep.get(key)) is not None:
            return decode_state(asleep)
        return state

    def keep(self, states: Mapping[SkuKey, SkuLocation]) -> None:
        """Take in states that are durable, and passivate what the bound has no room for."""
        for key, state in states.items():
            self._asleep.pop(key, None)
            self._awake[key] = state
            self._awake.move_to_end(key)
        while len(self._awake) > self._awake_max:
            key, state = self._awake.popitem(last=False)
            self._asleep[key] = encode_state(state)
        while len(self) > self._states_max:
            (self._asleep or self._awake).popitem(last=False)
