"""What the devices of a store append to its outbox, seeded: the load of `bench outbox`.

Each caller is a device on a thread of its own: tills append the lines of a receipt, scales a count
of a shelf with what they have learnt of it, the tag tracker a fact with the register's entries.
"""

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from edge.sensing.register import Entry, checkpoint_name, checkpoint_value
from protocol.facts import AnyFact, GoodsReceived, ShelfCounted, UnitsSold
from protocol.ids import Epc

AT_MS: Final = 1_795_600_000_000
LINES_MAX: Final = 5
TAGS_MAX: Final = 8
ARTICLES: Final = 400
SHELF_CHECKPOINT_BYTES: Final = 180
KINDS: Final = 3
"""A till, a scale and a reader take turns."""


class Appended(NamedTuple):
    """One call of `Outbox.append`."""

    facts: list[AnyFact]
    checkpoints: dict[str, bytes | None]


def appends(caller: int, facts: int, seed: int) -> Iterator[Appended]:
    """Yield what one device appends, until it has appended so many facts."""
    rng = Random(f"{seed}/{caller}")  # noqa: S311 # What is sold is no secret.
    make = (_receipt, _shelf, _tags)[caller % KINDS]
    number = 0
    while facts > 0:
        number += 1
        appended = make(f"device-{caller}", number, rng)
        del appended.facts[facts:]
        facts -= len(appended.facts)
        yield appended


def _receipt(device: str, number: int, rng: Random) -> Appended:
    lines: list[AnyFact] = [
        UnitsSold(
            occurred_at_ms=AT_MS + number,
            source=device,
            gtin=_gtin(rng),
            quantity=1,
            measure="units",
            transaction=f"{device}/{number}",
            line=line,
        )
        for line in range(rng.randint(1, LINES_MAX))
    ]
    return Appended(lines, {})


def _shelf(device: str, number: int, rng: Random) -> Appended:
    shelf = f"A{rng.randint(1, 20)}"
    count = ShelfCounted(
        occurred_at_ms=AT_MS + number,
        source=device,
        gtin=_gtin(rng),
        shelf=shelf,
        quantity=rng.randint(0, 40),
        weight_g=rng.randint(0, 20_000),
        error_units=0.08,
        basis="weight rests for 2.5 s, 5 readings agree",
    )
    return Appended([count], {f"shelf/{device}/{shelf}": rng.randbytes(SHELF_CHECKPOINT_BYTES)})


def _tags(device: str, number: int, rng: Random) -> Appended:
    epcs = [Epc(rng.randbytes(12)) for _ in range(rng.randint(1, TAGS_MAX))]
    received = GoodsReceived(
        occurred_at_ms=AT_MS + number,
        source=device,
        gtin=_gtin(rng),
        quantity=len(epcs),
        measure="units",
        zone="backroom",
        evidence="portal",
        epcs=list[bytes](epcs),
        confidence=0.95,
        basis="outside 18 reads 0.0 to 1.9 s, peak -47 dBm; inside 21 reads 1.4 to 3.2 s",
    )
    entry = checkpoint_value(Entry("backroom", AT_MS + number))
    return Appended([received], {checkpoint_name(epc): entry for epc in epcs})


def _gtin(rng: Random) -> str:
    return f"{rng.randrange(ARTICLES):013d}0"
