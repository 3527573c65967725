"""What is remembered of a shelf: an outbox checkpoint that commits with the counts it led to. Pure.

Bounded by `HYPOTHESES_MAX`. What another configuration or version wrote is not restored: the shelf
is then weighed as if for the first time.
"""

import math
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from edge.sensing.shelf_hypotheses import Hypothesis
from edge.sensing.shelf_spreads import Spread
from edge.sensing.shelf_tracker import ShelfTracker
from edge.sensing.shelf_traits import Shelf

PREFIX: Final = "shelf/"
VERSION: Final = 1


class Told(Struct, frozen=True, array_like=True):
    """The last count of one product that was told, with its standard error."""

    quantity: int
    error_units: float


class _StoredHypothesis(Struct, frozen=True, array_like=True):
    units: list[int]
    has_foreign: bool
    log_weight: float
    mean: list[float]
    covariance: list[float]
    """The rows of the lower triangle."""


class _StoredSpread(Struct, frozen=True, array_like=True):
    variance_g2: float
    evidence: float


class ShelfMemory(Struct, frozen=True, array_like=True):
    """One shelf as it is stored. `products` is what it was configured to bear."""

    version: int
    products: list[tuple[str, float, float, float]]
    weighed_g: float
    weighed_at_ms: int
    stride: int
    noise_sd_g: float
    told: list[Told | None]
    told_at_ms: int
    spreads: list[_StoredSpread]
    hypotheses: list[_StoredHypothesis]


_decoder: Final = msgspec.msgpack.Decoder(ShelfMemory)


def checkpoint_name(source: str, shelf: str) -> str:
    """Return the name under which a shelf of a scale is stored."""
    return f"{PREFIX}{source}/{shelf}"


def remembered(
    shelf: Shelf, tracker: ShelfTracker, noise_sd_g: float, told: list[Told | None], told_at_ms: int
) -> bytes:
    """Return what to store of a shelf."""
    return msgspec.msgpack.encode(
        ShelfMemory(
            VERSION,
            _products(shelf),
            tracker.weighed_g,
            tracker.weighed_at_ms,
            tracker.stride,
            noise_sd_g,
            told,
            told_at_ms,
            [_StoredSpread(*spread) for spread in tracker.spreads],
            [_stored(each) for each in tracker.hypotheses],
        )
    )


def recalled(shelf: Shelf, value: bytes) -> ShelfMemory | None:
    """Return what was stored of a shelf, or `None` when it is of no use now."""
    try:
        memory = _decoder.decode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if memory.version != VERSION or memory.products != _products(shelf):
        return None
    count = len(shelf.products)
    is_whole = len(memory.told) == len(memory.spreads) == count and all(_is_whole(memory, count))
    return memory if is_whole else None


def restore(tracker: ShelfTracker, memory: ShelfMemory) -> None:
    """Let a tracker go on from what was stored."""
    tracker.weighed_g, tracker.weighed_at_ms = memory.weighed_g, memory.weighed_at_ms
    tracker.stride = memory.stride
    tracker.spreads = [Spread(each.variance_g2, each.evidence) for each in memory.spreads]
    tracker.hypotheses = [_restored(each) for each in memory.hypotheses]


def _products(shelf: Shelf) -> list[tuple[str, float, float, float]]:
    return [(gtin, weight_g, sd_g, error_g) for gtin, weight_g, sd_g, error_g in shelf.products]


def _is_whole(memory: ShelfMemory, products: int) -> Iterator[bool]:
    size = 2 + 2 * products
    yield memory.stride >= 1 and memory.noise_sd_g > 0 and math.isfinite(memory.weighed_g)
    for spread in memory.spreads:
        yield spread.variance_g2 > 0 and spread.evidence > 0
    for each in memory.hypotheses:
        yield len(each.units) == products and min(each.units) >= 0
        yield len(each.mean) == size and len(each.covariance) == size * (size + 1) // 2
        yield all(map(math.isfinite, (each.log_weight, *each.mean, *each.covariance)))


def _stored(of: Hypothesis) -> _StoredHypothesis:
    triangle = [value for at, row in enumerate(of.covariance) for value in row[: at + 1]]
    return _StoredHypothesis(list(of.units), of.has_foreign, of.log_weight, of.mean, triangle)


def _restored(stored: _StoredHypothesis) -> Hypothesis:
    size = len(stored.mean)
    covariance = [[0.0] * size for _ in range(size)]
    values = iter(stored.covariance)
    for row in range(size):
        for column in range(row + 1):
            covariance[row][column] = covariance[column][row] = next(values)
    return Hypothesis(
        tuple(stored.units), stored.has_foreign, stored.log_weight, stored.mean, covariance
    )
