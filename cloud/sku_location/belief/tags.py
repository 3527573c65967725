"""Known tags of one SKU-location: how readable each is, and how likely it has left. Pure.

A tag is healthy, weak or dead (`rates.py`); which, its own history in sweeps tells. Its odds of
being among the gone are kept as one byte on a scale of factors of 1.1.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct as Layout
from typing import Final

from cloud.sku_location.belief import rates

TAGS_MAX: Final = 96
"""Of one SKU-location; the units of further tags are hidden ones."""

DIGEST_BYTES: Final = 6
SURELY_THERE: Final = 0.0001
"""Odds of having left, of a tag that was just read."""
SURELY_GONE: Final = 10_000.0
FORGOTTEN_FROM: Final = 1_000.0
"""A tag with these odds of having left is forgotten; if it is read again, it is a new one."""

_PACKED: Final = Layout(f">{DIGEST_BYTES}sBBBB")
_HISTORY_MAX: Final = 30
_READ_STEPS: Final = 1_000


def _odds_scale() -> list[float]:
    scale = [0.00001]
    while len(scale) < 256:
        scale.append(scale[-1] * 1.1)
    return scale


_ODDS: Final = _odds_scale()


class Tag:
    """One known tag: its odds of being gone, sweeps that read and missed it, and misses at last."""

    __slots__ = ("digest", "misses", "odds", "reads", "streak")

    def __init__(
        self, digest: bytes, odds: float = SURELY_THERE, reads: int = 1, misses: int = 0
    ) -> None:
        self.digest = digest
        self.odds = odds
        self.reads = reads
        self.misses = misses
        self.streak = 0

    def copy(self) -> "Tag":
        """Return another one that may change without this one."""
        other = Tag(self.digest, self.odds, self.reads, self.misses)
        other.streak = self.streak
        return other

    def unread(self, healthy_read: float) -> float:
        """Return the probability that a sweep misses it while it is there."""
        read_steps = int(healthy_read * _READ_STEPS + 0.5)
        return unread_probability(self.reads, self.misses + self.streak, read_steps)

    def was_read(self) -> int:
        """Note that a sweep read it; return how many sweeps had missed it before."""
        missed, self.streak = self.streak, 0
        self.reads += 1
        self.misses += missed
        if self.reads > _HISTORY_MAX or self.misses > _HISTORY_MAX:
            self.reads, self.misses = self.reads // 2, self.misses // 2
        self.odds = SURELY_THERE
        return missed

    def was_missed(self) -> None:
        """Note that a complete sweep did not read it."""
        self.streak = min(_HISTORY_MAX, self.streak + 1)


def digest_of(epc: bytes) -> bytes:
    """Return what a tag is remembered by."""
    return blake2b(epc, digest_size=DIGEST_BYTES).digest()


def pack(tags: Iterable[Tag]) -> bytes:
    """Return tags as the belief carries them, 10 bytes each."""
    return b"".join(
        _PACKED.pack(tag.digest, _code(tag.odds), tag.reads, tag.misses, tag.streak) for tag in tags
    )


def unpack(packed: bytes) -> list[Tag]:
    """Return the tags of a belief."""
    tags: list[Tag] = []
    for digest, code, reads, misses, streak in _PACKED.iter_unpack(packed):
        tag = Tag(digest, _ODDS[code], reads, misses)
        tag.streak = streak
        tags.append(tag)
    return tags


def _code(odds: float) -> int:
    return min(len(_ODDS) - 1, bisect_left(_ODDS, odds * 0.95))


@lru_cache(maxsize=8_192)
def unread_probability(reads: int, misses: int, read_steps: int) -> float:
    """Return P(a sweep misses a tag | it is there, it was read and missed so often before).

    `read_steps` is the healthy tags' read probability in thousandths.
    """
    healthy = min(read_steps, _READ_STEPS - 1) / _READ_STEPS
    share = 1.0 - rates.WEAK_SHARE - rates.DEAD_SHARE
    likely = share * _power(healthy, reads) * _power(1.0 - healthy, misses)
    weak = rates.WEAK_SHARE * _power(rates.WEAK_READ, reads) * _power(1 - rates.WEAK_READ, misses)
    dead = 0.0 if reads else rates.DEAD_SHARE
    total = likely + weak + dead
    return (likely * (1.0 - healthy) + weak * (1.0 - rates.WEAK_READ) + dead) / total


def _power(base: float, exponent: int) -> float:
    result = 1.0
    for _ in range(exponent):
        result *= base
    return result


def symmetric(values: Sequence[float], degree_max: int) -> list[float]:
    """Return the elementary symmetric polynomials of degrees 0 to `degree_max`."""
    sums = [1.0] + [0.0] * degree_max
    for value in values:
        for degree in range(degree_max, 0, -1):
            sums[degree] += value * sums[degree - 1]
    return sums


def gone_share(values: Sequence[float], index: int, gone: int) -> float:
    """Return P(the tag at `index` is among the gone | `gone` of all are), by their odds."""
    if gone == 0:
        return 0.0
    if gone >= len(values):
        return 1.0
    others = symmetric([v for i, v in enumerate(values) if i != index], gone)
    with_it = values[index] * others[gone - 1]
    return with_it / (with_it + others[gone])
