"""The facts that a guest appends. Each carries its name, and the name tells all of its content.

So the host knows what a fact must say when it comes back, whether or not it was acknowledged. A
name is `LINE/N/PART/OF`: one fact of the N-th append of a line, which is one thread's life. Pure.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

from protocol.codec import encode_fact, fact_digest
from protocol.facts import AnyFact, GoodsReceived, StockCounted, UnitsSold
from simulators.world.goods import gtin_of

FIRST_ITEM: Final = 70_000
GTINS: Final = tuple(gtin_of(FIRST_ITEM + item) for item in range(16))
OCCURRED_AT_MS: Final = 1_790_000_000_000
FACTS_PER_APPEND_MAX: Final = 4
CASE_UNITS: Final = 6
COUNTED_UNITS_MAX: Final = 20


class Name(NamedTuple):
    """A name, taken apart."""

    line: str
    n: int
    part: int
    of: int


def names_of(line: str, n: int) -> list[str]:
    """Return the names of the facts in one append."""
    of = 1 + _draws(f"{line}/{n}")[0] % FACTS_PER_APPEND_MAX
    return [f"{line}/{n}/{index}/{of}" for index in range(1, of + 1)]


def parsed(name: str) -> Name | None:
    """Return the parts of a name, or `None` if it is none."""
    line, *numbers = name.split("/")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        return None
    n, part, of = map(int, numbers)
    return Name(line, n, part, of)


def fact_of(name: str) -> AnyFact:
    """Return the fact of that name."""
    what, which, units = _draws(name)[:3]
    gtin = GTINS[which % len(GTINS)]
    if what < 40:
        return GoodsReceived(
            occurred_at_ms=OCCURRED_AT_MS,
            source="dock",
            gtin=gtin,
            quantity=CASE_UNITS,
            measure="units",
            zone="backroom",
            evidence="document",
            document=name,
        )
    if what < 50:
        return StockCounted(
            occurred_at_ms=OCCURRED_AT_MS,
            source="count",
            gtin=gtin,
            quantity=units % (COUNTED_UNITS_MAX + 1),
            measure="units",
            evidence="document",
            document=name,
        )
    return UnitsSold(
        occurred_at_ms=OCCURRED_AT_MS,
        source="till",
        gtin=gtin,
        quantity=1 + units % 2,
        measure="units",
        transaction=name,
        line=1,
    )


def name_of(fact: AnyFact) -> str:
    """Return a fact's name, or an empty text if it has none."""
    if isinstance(fact, UnitsSold):
        return fact.transaction
    if isinstance(fact, GoodsReceived | StockCounted):
        return fact.document or ""
    return ""


def expected_digest(name: str) -> str:
    """Return the digest, in hexadecimal, that the fact of this name must have."""
    return fact_digest(encode_fact(fact_of(name))).hex()


def content_digest(digests: Iterable[str]) -> str:
    """Return one digest for the digests of several facts, in their order."""
    return blake2b("".join(digests).encode(), digest_size=8).hexdigest()


def _draws(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()
