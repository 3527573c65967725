"""What a SKU-location remembers of what it believes: compact, and read anew for every fact.

Theory of operation. The units of a GTIN at a location are of two sorts: those whose tag is known
(`tags`) and those whose tag has never been read, or that have none (the *hidden* ones). What is
uncertain is how many of the known ones have left without being seen (`gone`) and how many hidden
ones there are (`hidden`). The belief is a distribution over pairs `(gone, hidden)`, the *cells*:

    on_hand = len(tags) - gone + hidden

Which of the known tags have left is told by each tag's odds: the one that two sweeps have missed
rather than the one that was read yesterday. Given how many have left, the set of them is
conditional Bernoulli (Chen, Dempster and Liu 1994, Biometrika 81: "Weighted finite population
sampling to maximize entropy"), for which all that is asked here has a closed form.

This treats inventory records as distributions, after DeHoratius, Mersereau and Schrage 2008
("Retail inventory management when records are inaccurate", M&SOM 10), who filter untagged stock
by its sales; the tags are ours.

All arithmetic is +, -, *, / on doubles: IEEE 754 rounds these alike everywhere, so a replay on
another machine gives the same bytes (P8). Powers and logarithms are not used.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from cloud.sku_location.belief import rates

OpenKind = Literal["sale", "return", "exit", "entry", "shipment"]


class Open(Struct, frozen=True, array_like=True, gc=False):
    """Something that the other witness has not told yet: till and exit reader tell of one thing.

    `line_quantity` is that of the whole till line; `ratio_percent` how much else speaks for a
    mistaken line.
    """

    kind: OpenKind
    at_ms: int
    quantity: int
    tag: bytes = b""
    line_quantity: int = 1
    ratio_percent: int = 100


class ShelfRead(Struct, frozen=True, array_like=True, gc=False):
    """What a shelf (by digest) bore last, with its standard error in hundredths of a unit."""

    shelf: bytes
    at_ms: int
    quantity: int
    error_centiunits: int


class Belief(Struct, frozen=True, array_like=True, gc=False):
    """The belief of one SKU-location, as its state carries it in MessagePack.

    `cells` and `tags` are packed (`cells.py`, `tags.py`). `step` is the width of a cell in units
    or grams; above 1 only for what is plenty. `reads` and `misses` are of healthy tags in sweeps,
    `exits_read` and `exits_missed` of units that the till sold. `demand_centilines` and
    `demand_centidays` are the fading sums whose ratio is the rate of sale. `surplus` tags were read
    of late that could not be there by all that was known. `error_percent` is how much likelier than
    `rates.py` says the till's lines for this article are mistaken: counts have shown it.
    """

    cells: bytes
    base: int
    step: int
    tags: bytes
    as_of_ms: int
    hidden_sweeps: int = 0
    reads: int = 0
    misses: int = 0
    exits_read: int = 0
    exits_missed: int = 0
    open: tuple[Open, ...] = ()
    demand_centilines: int = 0
    demand_centidays: int = 0
    sold_at_ms: int = 0
    received_at_ms: int = 0
    swept_at_ms: int = 0
    counted_at_ms: int = 0
    shelves: tuple[ShelfRead, ...] = ()
    shelf_all: int = 0
    shelf_part: int = 0
    surplus: int = 0
    surplus_at_ms: int = 0
    error_percent: int = rates.ERROR_PERCENT


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Belief)


_HEAD_BYTES: Final = 3
"""Before the thought part: its length in two bytes, and whether tags are known in one."""


def encode_belief(belief: Belief) -> bytes:
    """Return a belief as a state carries it, with nothing heard since."""
    thought = _encoder.encode(belief)
    return len(thought).to_bytes(2) + bytes((bool(belief.tags),)) + thought


def parts(data: bytes) -> tuple[Belief, bytes]:
    """Return the belief in a state, and the notes of what was heard since (`notes.py`)."""
    end = heard_from(data)
    return _decoder.decode(data[_HEAD_BYTES:end]), data[end:]


def heard_from(data: bytes) -> int:
    """Return where the notes begin."""
    return _HEAD_BYTES + (data[0] << 8) + data[1]


def knows_tags(data: bytes) -> bool:
    """Say whether tags were known when it was thought through last."""
    return data[2] == 1
