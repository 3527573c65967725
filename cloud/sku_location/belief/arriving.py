"""Units that arrive: deliveries by tag and by paper, refunds, and tags that come in. Pure."""

from typing import Final

from cloud.sku_location.belief import rates
from cloud.sku_location.belief.cells import Cells, add
from cloud.sku_location.belief.posterior import DAY_MS, Posterior
from cloud.sku_location.belief.record import Open
from cloud.sku_location.belief.tags import SURELY_THERE, TAGS_MAX, Tag

_UNREAD_MAX: Final = 4
_SHORT_FURTHER: Final = 0.2
_SHORT_BY_ALL: Final = 0.1
"""Each further unit short is rarer, but a line may not have been packed at all."""
_TOLD_WITHIN_MS: Final = 4 * DAY_MS


def received_tag(posterior: Posterior, digest: bytes, at_ms: int, *, is_advised: bool) -> None:
    """The dock read a tag that came. Without an advice nobody knows how many it did not read.

    A unit that the dock missed has been missed once, as by a sweep: its tag is more often dead.
    """
    tag = posterior.tag(digest)
    if tag is not None:
        _came_again(posterior, tag)
    elif len(posterior.tags) < TAGS_MAX:
        posterior.tags.append(Tag(digest))
    else:
        add_hidden(posterior, 1)
    posterior.received_at_ms = at_ms
    if not is_advised:
        _perhaps_unread(posterior)


def _perhaps_unread(posterior: Posterior) -> None:
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        add(cells, gone, hidden, weight * (1.0 - rates.DOCK_UNREAD))
        add(cells, gone, hidden + 1, weight * rates.DOCK_UNREAD)
    posterior.join_hidden(cells, sweeps=1)


def add_hidden(posterior: Posterior, quantity: int) -> None:
    """Units are here for certain whose tags are not known."""
    cells = {
        (gone, hidden + quantity): weight for (gone, hidden), weight in posterior.cells.items()
    }
    posterior.join_hidden(cells, sweeps=0)


def remainder_closed(posterior: Posterior, quantity: int, advised: int, at_ms: int) -> None:
    """Of an advised delivery so many units were never read, and nobody expects them any more.

    They were not sent, or their tags went unread at the dock; and then a sweep may have found them
    before this was told.
    """
    if not posterior.received_at_ms:
        return  # Goods that never came with tags were not sent.
    if at_ms - posterior.surplus_at_ms > _TOLD_WITHIN_MS:
        posterior.surplus = 0
    found = min(quantity, posterior.surplus)
    posterior.surplus -= found
    quantity -= found
    weights = [
        _unread_chance(unread, max(advised, quantity)) * _short_chance(quantity - unread)
        for unread in range(min(quantity, _UNREAD_MAX) + 1)
    ]
    total = sum(weights)
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        for unread, chance in enumerate(weights):
            add(cells, gone, hidden + unread, weight * chance / total)
    posterior.join_hidden(cells, sweeps=1)


def _unread_chance(units: int, of: int) -> float:
    """Return how likely the dock misses so many of the units of a line, relative to none."""
    chance = 1.0
    for number in range(units):
        chance *= rates.DOCK_UNREAD * (of - number) / (number + 1)
    return chance


def _short_chance(units: int) -> float:
    if not units:
        return 1.0 - rates.LINE_SHORT
    chance = rates.LINE_SHORT
    for _ in range(min(units, 12) - 1):
        chance *= _SHORT_FURTHER
    return max(chance, rates.LINE_SHORT * _SHORT_BY_ALL)


def returned(posterior: Posterior, quantity: int, at_ms: int) -> None:
    """The till took units back."""
    if not posterior.tags:
        _arrive_untagged(posterior, quantity)
        return
    left = quantity - posterior.match("entry", quantity)
    if left:
        posterior.open.append(Open("return", at_ms, left))


def came_in_by_exit(posterior: Posterior, digest: bytes, confidence: float, at_ms: int) -> None:
    """The exit read a known tag on its way in."""
    tag = posterior.tag(digest)
    if tag is not None:
        _came_again(posterior, tag)
    elif len(posterior.tags) < TAGS_MAX:
        posterior.tags.append(Tag(digest))
    else:
        add_hidden(posterior, 1)
    if not posterior.match("return", 1):
        percent = int(100 * confidence)
        posterior.open.append(Open("entry", at_ms, 1, digest, ratio_percent=percent))


def return_undone(posterior: Posterior, quantity: int) -> None:
    """The till undid a refund: its goods never came."""
    left = quantity - posterior.match("return", quantity)
    if left:
        cells: Cells = {}
        for (gone, hidden), weight in posterior.cells.items():
            add(cells, gone + max(0, left - hidden), max(0, hidden - left), weight)
        posterior.reweigh(cells)


def arrive_unseen(posterior: Posterior, exit_read: float, false: float) -> None:
    """A unit was taken back whose tag nobody read on its way in; `false`: or nothing was.

    It may be one that left unread before, and then its tag is known.
    """
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        add(cells, gone, hidden, weight * false)
        true = weight * (1.0 - false) * (1.0 - exit_read)
        again = gone / (gone + 1)
        add(cells, gone - 1, hidden, true * again if gone else 0.0)
        add(cells, gone, hidden + 1, true * (1.0 - again))
    posterior.join_hidden(cells, sweeps=0)


def _came_again(posterior: Posterior, tag: Tag) -> None:
    """A tag that was thought to be here, or gone unseen, came in: it had been gone."""
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        if gone:
            add(cells, gone - 1, hidden, weight)
        else:
            add(cells, gone, hidden, weight * rates.UNACCOUNTED * 10)
    posterior.reweigh(cells)
    tag.odds = SURELY_THERE


def _arrive_untagged(posterior: Posterior, quantity: int) -> None:
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        add(cells, gone, hidden, weight * rates.RETURN_FALSE)
        add(cells, gone, hidden + quantity, weight * (1.0 - rates.RETURN_FALSE))
    posterior.reweigh(cells)


def received_untagged(posterior: Posterior, quantity: int) -> None:
    """A delivery came as a paper says."""
    short, over = rates.RECEIPT_SHORT, rates.RECEIPT_OVER
    off = max(1, quantity // 10) if quantity > 20 else 1
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        add(cells, gone, hidden + quantity, weight * (1.0 - short - over))
        add(cells, gone, max(0, hidden + quantity - off), weight * short)
        add(cells, gone, hidden + quantity + off, weight * over)
    posterior.join_hidden(cells, sweeps=0)
