"""Units that leave: what the till says, what the exit's reader says, and how the two agree. Pure.

A sale of a GTIN whose tags are known waits for the exit to read which unit left. When it stays
mute, either the reader missed it, and then it was more likely a unit without a readable tag; or
something else was keyed, and nothing of this GTIN left. A tag that leaves by the exit is gone, with
or without a sale.
"""

from typing import Final

from msgspec.structs import replace

from cloud.sku_location.belief import rates
from cloud.sku_location.belief.cells import Cells, add
from cloud.sku_location.belief.posterior import Posterior
from cloud.sku_location.belief.record import Open
from cloud.sku_location.belief.tags import Tag

_EXIT_BELIEVED_FROM: Final = 0.9
"""A crossing that sensing is less sure of leaves the tag a candidate."""
_EACH_MAX: Final = 32
"""Units that are taken one by one, each of them any that is here."""
_GRAMS_LIKE: Final = 50
"""A line of so many is a weight or a bulk quantity: when it is mistaken, as a whole."""


def sold(posterior: Posterior, quantity: int, lines: int, at_ms: int) -> None:
    """The till sold units, or grams, in so many lines."""
    posterior.demand_centilines += 100 * lines
    posterior.sold_at_ms = max(posterior.sold_at_ms, at_ms)
    if not posterior.tags:
        _sell_untagged(posterior, quantity, lines)
        return
    matched = posterior.match("exit", quantity)
    posterior.exits_read = min(10_000, posterior.exits_read + matched)
    if quantity > matched:
        left = quantity - matched
        posterior.open.append(Open("sale", at_ms, left, line_quantity=quantity))


def sale_undone(posterior: Posterior, quantity: int) -> None:
    """The till undid a sale: its goods have not left."""
    left = quantity - posterior.match("sale", quantity)
    if left:
        put_back(posterior, left)


def left_by_exit(posterior: Posterior, digest: bytes, confidence: float, at_ms: int) -> None:
    """The exit read a tag on its way out."""
    tag = posterior.tag(digest)
    if tag is None:
        take_hidden(posterior, 1)
    elif confidence >= _EXIT_BELIEVED_FROM:
        posterior.take_away(tag)
    elif any(item.kind == "sale" for item in posterior.open):
        # That a unit left, the till knows; the exit only says which.
        _take_perhaps(posterior, tag, 1.0, confidence)
    else:
        _take_perhaps(posterior, tag, confidence, confidence)
    if _cancel_entry(posterior, digest):
        return
    if posterior.match("shipment", 1):
        return
    if posterior.match("sale", 1):
        posterior.exits_read = min(10_000, posterior.exits_read + 1)
    else:
        posterior.open.append(Open("exit", at_ms, 1, digest))


def line_judged(posterior: Posterior, line_at_ms: int, ratio_percent: int) -> None:
    """Something else speaks for or against a till line that waits for the exit."""
    for index, item in enumerate(posterior.open):
        if item.at_ms == line_at_ms and item.kind in ("sale", "return"):
            posterior.open[index] = replace(item, ratio_percent=ratio_percent)
            return


def mistaken_share(prior: float, ratio_percent: int) -> float:
    """Return how likely a line is mistaken, by a prior share and a likelihood ratio."""
    odds = prior / (1.0 - prior) * ratio_percent / 100
    return odds / (1.0 + odds)


def sale_unconfirmed(posterior: Posterior, item: Open) -> None:
    """The exit has read nothing of what the till sold. A second unit is doubted more."""
    for number in range(item.quantity):
        false = mistaken_share(rates.SALE_FALSE, item.ratio_percent)
        if item.line_quantity > 1 and number == 0:
            is_pair = item.line_quantity == 2
            false += rates.SALE_SECOND_FALSE if is_pair else rates.SALE_FURTHER_FALSE
        depart_unseen(posterior, posterior.exit_read, false)


def depart_unseen(posterior: Posterior, exit_read: float, false: float = rates.SALE_FALSE) -> None:
    """A unit was sold that the exit did not read, though it reads this share of them.

    `false` is how likely nothing was, before the exit stayed mute.
    """
    known = len(posterior.tags)
    cells: Cells = {}
    moved = total = 0.0
    for (gone, hidden), weight in posterior.cells.items():
        there = known - gone
        on_hand = there + hidden
        add(cells, gone, hidden, weight * false)
        total += weight * false
        if on_hand <= 0:
            # A unit was sold that was not thought to be here; where one was, another may be.
            add(cells, gone, hidden, weight * rates.UNACCOUNTED * 4)
            add(cells, gone, hidden + 1, weight * rates.UNACCOUNTED)
            continue
        true = weight * (1.0 - false)
        of_known = true * (there / on_hand) * (1.0 - exit_read)
        of_hidden = true * (hidden / on_hand)
        more = rates.SALE_MORE * (1.0 - exit_read)
        add(cells, gone + 1, hidden, of_known * (1.0 - more))
        add(cells, gone + 2, hidden, of_known * more if there > 1 else 0.0)
        add(cells, gone, hidden - 1, of_hidden)
        moved += of_known
        total += of_known + of_hidden
    share = moved / total if total > 0 else 0.0
    posterior.reweigh(cells)
    for tag in posterior.tags:
        tag.odds += share / known


def left_by_dock(posterior: Posterior, digest: bytes) -> None:
    """The dock read a tag on its way out; what had been shipped may be explained by it."""
    tag = posterior.tag(digest)
    if tag is None:
        take_hidden(posterior, 1)
    else:
        posterior.take_away(tag)
    posterior.match("shipment", 1)


def shipped(posterior: Posterior, quantity: int, at_ms: int) -> None:
    """A command let units go, which ones a reader at the dock or the exit may tell."""
    if posterior.tags:
        posterior.open.append(Open("shipment", at_ms, quantity))
    else:
        take_hidden(posterior, quantity)


def take_away_units(posterior: Posterior, quantity: int) -> None:
    """Units left for certain, which ones is not known: shipped, written off, stolen before eyes."""
    for _ in range(min(quantity, _EACH_MAX) if posterior.tags else 0):
        _depart_some(posterior)
    rest = quantity - _EACH_MAX if posterior.tags else quantity
    if rest > 0:
        take_hidden(posterior, rest)


def put_back(posterior: Posterior, quantity: int) -> None:
    """Units are here after all."""
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        back = min(gone, quantity)
        add(cells, gone - back, hidden + quantity - back, weight)
    posterior.reweigh(cells)


def take_hidden(posterior: Posterior, quantity: int) -> None:
    """Units without a known tag left for certain."""
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        enough = 1.0 if hidden >= quantity else rates.UNACCOUNTED
        add(cells, gone, max(0, hidden - quantity), weight * enough)
    posterior.reweigh(cells)


def _depart_some(posterior: Posterior) -> None:
    known = len(posterior.tags)
    cells: Cells = {}
    moved = 0.0
    for (gone, hidden), weight in posterior.cells.items():
        there = known - gone
        on_hand = there + hidden
        if on_hand <= 0:
            add(cells, gone, hidden, weight * rates.UNACCOUNTED)
            continue
        of_known = weight * there / on_hand
        add(cells, gone + 1, hidden, of_known)
        add(cells, gone, hidden - 1, weight * hidden / on_hand)
        moved += of_known
    posterior.reweigh(cells)
    for tag in posterior.tags:
        tag.odds += moved / known


def _sell_untagged(posterior: Posterior, quantity: int, lines: int) -> None:
    """Sell units of one article in `lines` lines, one in hundreds of which is mistaken."""
    cells: Cells = {}
    per_line = max(1, quantity // lines)
    mistakes = lines * posterior.error_percent / 100
    false = min(0.25, rates.SALE_FALSE * mistakes)
    less = min(0.2, rates.SALE_LESS * mistakes) if per_line > 1 else 0.0
    more = min(0.25, rates.SALE_MORE * mistakes)
    extra = 1 if posterior.step == 1 and per_line < _GRAMS_LIKE else per_line
    right, unaccounted = 1.0 - more - less, rates.UNACCOUNTED
    weight_of = cells.get
    # `add` written out: this is what nearly every fact comes to.
    for (gone, hidden), weight in posterior.cells.items():
        left = hidden - quantity
        cell = (gone, max(0, left + per_line))
        cells[cell] = weight_of(cell, 0.0) + weight * false
        true = weight * (1.0 - false)
        if left < 0:
            # Goods were sold that could not be there: one of the two is wrong.
            cell = (gone, 0)
            cells[cell] = weight_of(cell, 0.0) + true * unaccounted * 10
            continue
        cell = (gone, left)
        cells[cell] = weight_of(cell, 0.0) + true * right
        cell = (gone, max(0, left - extra))
        cells[cell] = weight_of(cell, 0.0) + true * more
        if less:
            cell = (gone, left + extra)
            cells[cell] = weight_of(cell, 0.0) + true * less
    posterior.reweigh(cells)


def _take_perhaps(posterior: Posterior, tag: Tag, left: float, this_one: float) -> None:
    """A unit has left with probability `left`, and then it was this tag with `this_one`."""
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        add(cells, gone + 1, hidden, weight * left)
        add(cells, gone, hidden, weight * (1.0 - left))
    tag.odds = this_one / (1.0 - this_one)
    posterior.reweigh(cells)


def _cancel_entry(posterior: Posterior, digest: bytes) -> bool:
    """Say whether this tag had only just come in: its owner has carried it through the store."""
    for item in posterior.open:
        if item.kind == "entry" and item.tag == digest:
            posterior.open.remove(item)
            return True
    return False
