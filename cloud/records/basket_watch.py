"""What a store's till told and its exit saw of late, as far as one has not explained the other."""

from typing import ClassVar

from msgspec import Struct

from cloud.records.record import Record


class Unconfirmed(Struct, frozen=True, array_like=True):
    """Units of a till line, with known tags, of which the exit has not read one pass yet."""

    gtin: str
    at_ms: int
    quantity: int


class Stray(Struct, frozen=True, array_like=True):
    """A tag that passed the exit while no till line of its GTIN told of it."""

    gtin: str
    at_ms: int


class Traffic(Struct, frozen=True, array_like=True):
    """Goods that go one way.

    Near `confirmed_near` of the `confirmed` lines a stray passed by chance: so little does one mean
    by itself. `confirmed_at_ms` are lines that are still to be looked at for this.
    """

    lines: tuple[Unconfirmed, ...] = ()
    strays: tuple[Stray, ...] = ()
    confirmed_at_ms: tuple[int, ...] = ()
    confirmed: int = 0
    confirmed_near: int = 0


class BasketWatch(Record, frozen=True, kw_only=True):
    """One for each store whose exit has a reader: what leaves and what is brought back."""

    KIND: ClassVar[str] = "basket_watch"

    leaving: Traffic = Traffic()
    arriving: Traffic = Traffic()
