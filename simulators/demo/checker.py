"""Compares what a stranger heard with what is true, and names each difference. Pure.

A unit that is true and was not heard is lost, a unit that was heard and is not true is doubled,
each counted per column of the ledger, so that a lost sale cannot hide behind a doubled return.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from msgspec.structs import asdict

from protocol.documents import StockDocument
from simulators.demo.truth import Columns, SkuLocationKey, columns_of

NOTHING: Final = Columns()


class Disagreement(NamedTuple):
    """One SKU-location whose story differs; `heard` is `None` when it was never heard of."""

    key: SkuLocationKey
    true: Columns
    heard: Columns | None
    on_hand_heard: int | None

    def __str__(self) -> str:
        if self.heard is None:
            return f"{self.key}: never heard of; true on hand {self.true.on_hand}"
        heard = asdict(self.heard) | {"on hand": self.on_hand_heard}
        true = asdict(self.true) | {"on hand": self.true.on_hand}
        parts = [f"{name} {heard[name]} (true {true[name]})" for name in _differing(heard, true)]
        return f"{self.key}: {', '.join(parts)}"


class Verdict(NamedTuple):
    """How much of what was heard is true. `lost` and `doubled` are in units and grams."""

    total: int
    disagreements: tuple[Disagreement, ...]
    lost: int
    doubled: int

    @property
    def agreed(self) -> int:
        """SKU-locations of which everything heard is true."""
        return self.total - len(self.disagreements)

    @property
    def is_total(self) -> bool:
        """Whether everything agrees."""
        return not self.disagreements

    def __str__(self) -> str:
        return (
            f"agreement: {self.agreed}/{self.total} SKU-locations,"
            f" facts lost {self.lost}, doubled {self.doubled}"
        )


def compare(
    truth: Mapping[SkuLocationKey, Columns], heard: Mapping[SkuLocationKey, StockDocument]
) -> Verdict:
    """Return the verdict over all SKU-locations that exist or were heard of."""
    keys = sorted(truth.keys() | heard.keys())
    disagreements = []
    lost = doubled = 0
    for key in keys:
        found = _compare_one(key, truth.get(key, NOTHING), heard.get(key))
        if found is None:
            continue
        disagreements.append(found)
        for true, told in _columns_side_by_side(found):
            lost += max(0, true - told)
            doubled += max(0, told - true)
    return Verdict(len(keys), tuple(disagreements), lost, doubled)


def _compare_one(
    key: SkuLocationKey, true: Columns, document: StockDocument | None
) -> Disagreement | None:
    if document is None:
        return Disagreement(key, true, None, None)
    heard = columns_of(document)
    if heard == true and document.on_hand == true.on_hand:
        return None
    return Disagreement(key, true, heard, document.on_hand)


def _columns_side_by_side(found: Disagreement) -> Iterator[tuple[int, int]]:
    heard = asdict(found.heard or NOTHING)
    for name, true in asdict(found.true).items():
        yield true, heard[name]


def _differing(heard: Mapping[str, object], true: Mapping[str, object]) -> list[str]:
    return [name for name in heard if heard[name] != true[name]]
