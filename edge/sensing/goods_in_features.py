"""What tells goods in a box from the tags of the shop around it. Pure.

None of it asks how strong a tag is: a strong stray beside the station looks like goods, and a
box of tags behind cans looks like strays. Nor does it ask what a tag's EPC looks like.

- *presence*: in how many blocks the tag was read, as ln(-ln(1 - share)), the complementary
  log-log: a tag that answers at the rate λ is read in a block with 1 - e^-λ, so this is ln λ.
- *spread*: the standard deviation (dB) of its RSSI on each antenna, drawn to what strays have. A
  reader hears fades down to a tag's own threshold only; a wide spread means a link with a margin
  above that, whatever the model of the tag and whatever the reader calls 0 dBm.
- *company*: whether the tag comes and goes, and swells and fades, with the tags that seem to be in
  the box rather than with those that seem not to. Correlations are compared as Fisher's z
  (Biometrika 10, 1915), which weighs how many blocks they rest on.
- *novelty*: how much more present it is than it was when other boxes stood here, where the station
  knows that. Strays were there before.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from edge.sensing.goods_in_reads import SessionReads, TagTrace

CANDIDATES_MAX: Final = 60
"""Company is worked out between so many tags, those that were read most. Boxes are smaller."""

STRAYS_COMPARED: Final = 30
"""A tag's company with strays is that with the strays among so many tags read most."""

SHARED_BLOCKS_MIN: Final = 12
"""Two tags' RSSI are compared when they share so many blocks."""

CORRELATION_MAX: Final = 0.95
SPREAD_USUAL_DB: Final = 3.0
SPREAD_USUAL_READS: Final = 4
"""A stray's spread, and how many reads of that weight a tag's own spread starts from."""

NOVELTY_MIN: Final = -1.0
NOVELTY_MAX: Final = 3.0
"""Beyond these more novelty proves nothing more."""


class Features(NamedTuple):
    """One tag's own features."""

    presence: float
    spread_db: float
    share: float


class Ties(NamedTuple):
    """How each pair of the tags read most moves together, as z; 0 where nothing is known."""

    z: Sequence[Sequence[float]]

    def company(self, probabilities: Sequence[float]) -> list[float]:
        """Return each tag's company, given how probably each of them is in the box."""
        in_box = list(probabilities[: len(self.z)])
        stray = [1 - p if i < STRAYS_COMPARED else 0.0 for i, p in enumerate(in_box)]
        company = [
            _mean_but(row, in_box, own) - _mean_but(row, stray, own)
            for own, row in enumerate(self.z)
        ]
        return company + [0.0] * (len(probabilities) - len(company))


def features(trace: TagTrace, block_count: int) -> Features:
    """Return what a tag's own reads say."""
    read_blocks = len(trace.blocks)
    squares = sum(squares for _, _, squares in trace.levels.values())
    squares += SPREAD_USUAL_READS * SPREAD_USUAL_DB**2
    spread_db = math.sqrt(squares / (trace.reads + SPREAD_USUAL_READS))
    presence = log_rate((read_blocks + 0.5) / (block_count + 1))
    return Features(presence, spread_db, read_blocks / max(block_count, 1))


def log_rate(share: float) -> float:
    """Return ln λ for the share 1 - e^-λ, which lies between 0 and 1, both excluded."""
    return math.log(-math.log1p(-share))


def novelty(share: float, share_before: float, block_count: int) -> float:
    """Return by how much ln λ has grown since other boxes stood here."""
    least = 0.5 / (block_count + 1)
    now, before = (log_rate(min(max(s, least), 1 - least)) for s in (share, share_before))
    return min(max(now - before, NOVELTY_MIN), NOVELTY_MAX)


def ties(traces: Sequence[TagTrace], reads: SessionReads) -> Ties:
    """Return how the first `CANDIDATES_MAX` tags move together."""
    some = traces[:CANDIDATES_MAX]
    antennas = [(mask, mask.bit_count()) for mask in reads.antenna_masks()]
    levels = [_levels(trace, antennas) for trace in some]
    z = [[0.0] * len(some) for _ in some]
    for i, one in enumerate(some):
        for j in range(i):
            together = _presence_z(one.mask, some[j].mask, antennas, reads.block_count)
            alike = _level_z(levels[i], levels[j])
            z[i][j] = z[j][i] = (together + alike) / math.sqrt(2)
    return Ties(z)


def _mean_but(values: Sequence[float], weights: Sequence[float], own: int) -> float:
    """Return the weighted mean of all but one, drawn to 0 by one unit of weight."""
    weight = sum(weights) - weights[own]
    total = sum(map(float.__mul__, values, weights)) - values[own] * weights[own]
    return total / (weight + 1)


def _presence_z(
    one: int, other: int, antennas: Sequence[tuple[int, int]], block_count: int
) -> float:
    """Correlate being read, block by block, each antenna about its own mean."""
    both = square = other_square = 0.0
    for mask, blocks in antennas:
        read, other_read = (one & mask).bit_count(), (other & mask).bit_count()
        both += (one & other & mask).bit_count() - read * other_read / blocks
        square += read - read * read / blocks
        other_square += other_read - other_read * other_read / blocks
    return _z(both, square * other_square, block_count)


def _levels(trace: TagTrace, antennas: Sequence[tuple[int, int]]) -> dict[int, float]:
    """Return the mean RSSI of each block, about the mean of its antenna's blocks."""
    levels: dict[int, float] = {}
    means = {block: total / count for block, (count, total) in trace.blocks.items()}
    for mask, _ in antennas:
        heard = [block for block in means if mask >> block & 1]
        if heard:
            middle = math.fsum(means[block] for block in heard) / len(heard)
            levels.update((block, means[block] - middle) for block in heard)
    return levels


def _level_z(one: dict[int, float], other: dict[int, float]) -> float:
    shared = one.keys() & other.keys()
    if len(shared) < SHARED_BLOCKS_MIN:
        return 0.0
    pairs = [(one[block], other[block]) for block in sorted(shared)]
    both = sum(a * b for a, b in pairs)
    squares = sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)
    return _z(both, squares, len(pairs))


def _z(both: float, squares: float, count: int) -> float:
    if squares <= 0:
        return 0.0
    correlation = min(max(both / math.sqrt(squares), -CORRELATION_MAX), CORRELATION_MAX)
    return math.atanh(correlation) * math.sqrt(max(count - 3, 1))
