"""Cells: the weights of the pairs `(gone, hidden)`, and how they are packed. Pure.

In memory a dictionary of doubles that need not add up to 1; packed, at most `CELLS_MAX` cells of
4 bytes with 16-bit weights. What is plenty gets wider cells: `step` doubles until they fit, and
the likeliest count stays exact.
"""

from struct import Struct as Layout
from typing import Final

Cells = dict[tuple[int, int], float]
"""Weight by `(gone, hidden)`."""

CELLS_MAX: Final = 40
GONE_MAX: Final = 255
STEPS_MAX: Final = 255
_FULL: Final = 65_535
_NEGLIGIBLE: Final = 0.00001
_CELL: Final = Layout(">BBH")


def pack(cells: Cells) -> tuple[bytes, int, int]:
    """Return `(packed, base, step)`: hidden counts are `base + step * packed`.

    Steps wider than 1 are for goods without known tags: of which there can be many.
    """
    cells = bounded(cells)
    step = 1
    if all(gone == 0 for gone, _ in cells):
        step = _step_for(cells)
    cells = bounded(_on_grid(cells, step) if step > 1 else cells)
    base = min(hidden for _, hidden in cells)
    top = max(cells.values())
    packed = b"".join(
        _CELL.pack(gone, (hidden - base) // step, share)
        for (gone, hidden), weight in sorted(cells.items())
        if (share := int(_FULL * (weight / top) + 0.5)) and hidden - base <= STEPS_MAX * step
    )
    return packed, base, step


def unpack(packed: bytes, base: int, step: int) -> Cells:
    """Return the cells, weights adding up to 1."""
    cells = {
        (gone, base + step * hidden): float(share)
        for gone, hidden, share in _CELL.iter_unpack(packed)
    }
    return normalised(cells)


def normalised(cells: Cells) -> Cells:
    """Return the cells with weights that add up to 1."""
    total = 0.0
    # Not sum(): from Python 3.12 on it rounds otherwise.
    for weight in cells.values():
        total += weight
    return {cell: weight / total for cell, weight in cells.items()}


def bounded(cells: Cells) -> Cells:
    """Return the heaviest cells, as many as may be kept, without those of no weight to speak of."""
    least = max(cells.values()) * _NEGLIGIBLE
    cells = {cell: w for cell, w in cells.items() if w > least and cell[0] <= GONE_MAX}
    if len(cells) <= CELLS_MAX:
        return cells
    heaviest = sorted(cells, key=lambda cell: (-cells[cell], cell))[:CELLS_MAX]
    return {cell: cells[cell] for cell in heaviest}


def add(cells: Cells, gone: int, hidden: int, weight: float) -> None:
    """Add a weight to a cell."""
    if weight > 0:
        cell = (gone, hidden)
        cells[cell] = cells.get(cell, 0.0) + weight


def counts(cells: Cells, tags: int) -> dict[int, float]:
    """Return the probability of each count, by `tags` known tags."""
    by_count: dict[int, float] = {}
    total = 0.0
    for (gone, hidden), weight in cells.items():
        count = tags - gone + hidden
        by_count[count] = by_count.get(count, 0.0) + weight
        total += weight
    return {count: by_count[count] / total for count in sorted(by_count)}


def _step_for(cells: Cells) -> int:
    known = [hidden for _, hidden in cells]
    width, step = max(known) - min(known), 1
    while width // step >= CELLS_MAX:
        step *= 2
    return step


def _on_grid(cells: Cells, step: int) -> Cells:
    """Return the cells on a grid through the heaviest one, each shared by its two neighbours."""
    anchor = max(cells, key=lambda cell: (cells[cell], cell))[1]
    gridded: Cells = {}
    for (gone, hidden), weight in cells.items():
        below, rest = divmod(hidden - anchor, step)
        low = anchor + below * step
        upper_share = rest / step
        if low < 0:
            low, upper_share = low + step, 0.0
        add(gridded, gone, low, weight * (1 - upper_share))
        add(gridded, gone, low + step, weight * upper_share)
    return gridded
