"""The holds of a SKU-location that thousands of orders want a part of. Pure.

Nothing changes but the cost: a crowd is a tuple of holds, equal to a plain one and stored like one,
that knows where each reservation is, how much all hold and when the first may expire. So a grant
does not look at everybody who came before.
"""

from collections.abc import Iterable
from typing import Final

from cloud.sku_location.state import Hold

CROWD_FROM: Final = 32
"""Below this, looking at all of them costs less than an index."""


class CrowdedHolds(tuple[Hold, ...]):  # noqa: SLOT001 # A tuple's size varies: no slots.
    """Many holds. Versions that follow each other share the index; it may know of later ones.

    `expire_from_ms`: no hold expires before this.
    """

    reserved: int
    expire_from_ms: int
    _places: dict[str, int]

    @classmethod
    def of(cls, holds: Iterable[Hold]) -> "CrowdedHolds":
        """Make a crowd of holds."""
        crowd = cls(holds)
        crowd.reserved = sum(hold.quantity for hold in crowd)
        crowd.expire_from_ms = min((_expiry_ms(hold) for hold in crowd), default=_NEVER_MS)
        crowd._places = {hold.reservation_id: place for place, hold in enumerate(crowd)}
        return crowd

    def and_one(self, hold: Hold) -> "CrowdedHolds":
        """Return the crowd with one more."""
        crowd = CrowdedHolds((*self, hold))
        crowd.reserved = self.reserved + hold.quantity
        crowd.expire_from_ms = min(self.expire_from_ms, _expiry_ms(hold))
        crowd._places = self._places
        crowd._places[hold.reservation_id] = len(self)
        return crowd

    def with_changed(self, place: int, hold: Hold) -> "CrowdedHolds":
        """Return the crowd in which the hold at a place has become another of its reservation."""
        crowd = CrowdedHolds((*self[:place], hold, *self[place + 1 :]))
        crowd.reserved = self.reserved - self[place].quantity + hold.quantity
        crowd.expire_from_ms = min(self.expire_from_ms, _expiry_ms(hold))
        crowd._places = self._places
        return crowd

    def place_of(self, reservation_id: str) -> int | None:
        """Return where the hold of a reservation is."""
        place = self._places.get(reservation_id)
        if place is None or place >= len(self) or self[place].reservation_id != reservation_id:
            return None
        return place


_NEVER_MS: Final = 2**63


def _expiry_ms(hold: Hold) -> int:
    return hold.expires_at_ms or _NEVER_MS


def crowded(holds: tuple[Hold, ...]) -> CrowdedHolds:
    """Return holds as a crowd."""
    return holds if isinstance(holds, CrowdedHolds) else CrowdedHolds.of(holds)
