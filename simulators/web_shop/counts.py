"""What the web shop has counted, for one location. Pure."""

from msgspec import Struct


class ShopCounts(Struct, kw_only=True):
    """Orders, by how they stand or ended. `held` and `confirmed` are those of this moment.

    `short` lost goods on the way: to a shopper who was faster, or because they were not found;
    what is left of it may still be shipped.
    """

    held: int = 0
    confirmed: int = 0
    shipped: int = 0
    short: int = 0
    cancelled: int = 0
    expired: int = 0
    refused: int = 0
    units_shipped: int = 0
    units_short: int = 0

    @property
    def line(self) -> str:
        """The same in words."""
        return (
            f"{self.held} held, {self.confirmed} confirmed, {self.shipped} shipped"
            f" ({self.units_shipped} units), {self.short} short ({self.units_short} units),"
            f" {self.cancelled} cancelled, {self.expired} expired, {self.refused} refused"
        )


def sum_of(counts: list[ShopCounts]) -> ShopCounts:
    """Return the sums over locations."""
    return ShopCounts(
        **{
            name: sum(getattr(each, name) for each in counts)
            for name in ShopCounts.__struct_fields__
        }
    )
