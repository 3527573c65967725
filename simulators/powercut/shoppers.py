"""The commands that a guest's journal gets besides facts: policies, reservations, write-offs."""

from collections.abc import Iterator
from random import Random
from typing import Final

from cloud.commands import AnyCommand
from cloud.commands.reservations import Confirm, Release, Reserve, ReserveLine
from cloud.commands.stock import AdjustStock
from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.state import Policy
from simulators.powercut.goods import GTINS

COMMANDS_MAX: Final = 3
OPEN_MAX: Final = 200
"""So many reservations are remembered, to be confirmed or released later."""
REORDER_POINT: Final = 12
ORDER_UP_TO: Final = 60


class Shoppers:
    """Commands of one boot, from a seed. Each has a key of its own."""

    def __init__(self, store: str, boot: int, rng: Random) -> None:
        self._store: Final = store
        self._boot: Final = boot
        self._rng: Final = rng
        self._made = 0
        self._open: Final[list[str]] = []

    def policies(self) -> Iterator[AnyCommand]:
        """Yield what lets sales lead to reorders."""
        for gtin in GTINS:
            policy = Policy(reorder_point=REORDER_POINT, order_up_to=ORDER_UP_TO)
            yield SetPolicy(store=self._store, gtin=gtin, policy=policy, key=self._key())

    def some(self) -> list[AnyCommand]:
        """Return what is asked now; often nothing."""
        return [self._one() for _ in range(self._rng.randint(0, COMMANDS_MAX))]

    def _one(self) -> AnyCommand:
        draw = self._rng.random()
        if draw < 0.5 or not self._open:
            return self._reserve()
        if draw < 0.9:
            reservation_id = self._open.pop(self._rng.randrange(len(self._open)))
            kind = Release if draw < 0.7 else Confirm
            return kind(store=self._store, key=self._key(), reservation_id=reservation_id)
        return AdjustStock(
            store=self._store,
            key=self._key(),
            gtin=self._rng.choice(GTINS),
            quantity=1,
            action="withhold",
            reason="damaged",
        )

    def _reserve(self) -> Reserve:
        key = self._key()
        self._open.append(key)
        del self._open[:-OPEN_MAX]
        lines = [
            ReserveLine(gtin=gtin, quantity=self._rng.randint(1, 3))
            for gtin in self._rng.sample(GTINS, self._rng.randint(1, 2))
        ]
        return Reserve(
            store=self._store,
            key=key,
            reservation_id=key,
            order_id=key,
            channel="web",
            lines=lines,
            expires_at_ms=0,
        )

    def _key(self) -> str:
        self._made += 1
        return f"{self._boot}.command.{self._made}"
