"""What an inventory sweep says: which tags were read, and which were not. Pure.

For `gone` of the known tags having left, the likelihood of the read set is

    product of unread(i) over the tags that were not read and are here, summed over which have left
    = e_gone(odds_i / unread_i over the unread) * product of unread_i / e_gone(odds over all)

with e the elementary symmetric polynomial. Hidden units are read like tags that no sweep has read
yet: the longer they stay unread, the likelier their tags are dead. A tag that is read for the first
time is a hidden unit no more.
"""

from collections.abc import Callable, Iterable
from typing import Final

from cloud.sku_location.belief import rates, tags
from cloud.sku_location.belief.cells import Cells, add
from cloud.sku_location.belief.posterior import Posterior
from cloud.sku_location.belief.tags import SURELY_GONE, SURELY_THERE, TAGS_MAX, Tag, symmetric

_EXACT_UNREAD_MAX: Final = 10
"""Up to so many unread tags the odds of each are worked out exactly."""
_HIDDEN_SWEEPS_MAX: Final = 30


def swept(
    posterior: Posterior, digests: Iterable[bytes], quantity: int, *, is_complete: bool, at_ms: int
) -> None:
    """Take in the tags that a sweep has read. A partial sweep says nothing of what it did not."""
    seen = set(digests)
    read = [tag for tag in posterior.tags if tag.digest in seen]
    unread = [tag for tag in posterior.tags if tag.digest not in seen]
    new = sorted(seen.difference(tag.digest for tag in read))
    _expect_the_unexpected(posterior)
    likelihoods = _gone_likelihoods(posterior, unread, is_complete=is_complete)
    fresh = max(len(new), quantity - len(read))
    hidden_read = 1.0 - tags.unread_probability(0, posterior.hidden_sweeps, _steps(posterior))
    hidden = _hidden_likelihood(posterior, fresh, hidden_read, is_complete=is_complete)
    _note_surplus(posterior, fresh, at_ms)
    _apply(posterior, likelihoods, hidden, fresh)
    if is_complete:
        _note_unread(posterior, unread)
        posterior.swept_at_ms = at_ms
    for tag in read:
        missed = tag.was_read()
        posterior.reads += 1
        posterior.misses += missed == 1
    if posterior.reads > _LEARNT_MAX:
        posterior.reads, posterior.misses = posterior.reads // 2, posterior.misses // 2
    _name(posterior, new, fresh)
    _age_hidden(posterior, is_complete=is_complete)
    posterior.forget_gone()


_LEARNT_MAX: Final = 4_000


def swept_untagged(posterior: Posterior, quantity: int) -> None:
    """Take in a sweep that told only how many tags it read."""
    total = sorted(posterior.counts)
    likely = binomial_likelihoods(quantity, total[0], total[-1], rates.TAG_READ)
    known = len(posterior.tags)
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        add(cells, gone, hidden, weight * likely(known - gone + hidden))
    posterior.reweigh(cells)


def _expect_the_unexpected(posterior: Posterior) -> None:
    """Leave room for a unit less, and for one that is here after all, whatever was believed."""
    known = len(posterior.tags)
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        add(cells, gone, hidden, weight)
        if gone < known:
            add(cells, gone + 1, hidden, weight * rates.SURPRISE / 8)
        if gone:
            add(cells, gone - 1, hidden, weight * rates.SURPRISE)
        if hidden:
            add(cells, gone, hidden - 1, weight * rates.SURPRISE)
    posterior.reweigh(cells)


def _steps(posterior: Posterior) -> int:
    return int(posterior.healthy_read * 1_000 + 0.5)


def _gone_likelihoods(posterior: Posterior, unread: list[Tag], *, is_complete: bool) -> list[float]:
    """Return the likelihood of the read set by how many known tags have left."""
    healthy, degree = posterior.healthy_read, posterior.gone_max
    if is_complete:
        weights = [tag.odds / tag.unread(healthy) for tag in unread]
    else:
        weights = [tag.odds for tag in unread]
    if_read, before = symmetric(weights, degree), symmetric(posterior.odds(), degree)
    return [a / b if b > 0 else 0.0 for a, b in zip(if_read, before, strict=True)]


def _hidden_likelihood(
    posterior: Posterior, fresh: int, hidden_read: float, *, is_complete: bool
) -> Callable[[int], float]:
    """Return how likely so many hidden units give `fresh` tags that were never read before."""
    hidden = [hidden for _, hidden in posterior.cells]
    read = hidden_read if is_complete else 0.01
    return binomial_likelihoods(fresh, min(hidden), max(hidden), read)


def binomial_likelihoods(
    read: int, lowest: int, highest: int, read_probability: float
) -> Callable[[int], float]:
    """Return P(`read` of n units are read) by n, relative to n = `read`.

    Fewer units than were read are possible only as far as some were not accounted for.
    """
    unread = 1.0 - read_probability
    by_units = {read: 1.0}
    likelihood = 1.0
    for units in range(read + 1, highest + 1):
        likelihood *= units / (units - read) * unread
        by_units[units] = likelihood
    likelihood = 1.0
    for units in range(read - 1, lowest - 1, -1):
        likelihood *= rates.UNACCOUNTED
        by_units[units] = likelihood
    return lambda units: by_units[units]


def _apply(
    posterior: Posterior,
    likelihoods: list[float],
    hidden_likelihood: Callable[[int], float],
    fresh: int,
) -> None:
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        likelihood = likelihoods[gone] * hidden_likelihood(hidden)
        add(cells, gone, max(0, hidden - fresh), weight * likelihood)
    posterior.reweigh(cells)


def _note_surplus(posterior: Posterior, fresh: int, at_ms: int) -> None:
    """Remember units that were read before anybody told of them: a delivery may be told late."""
    (_, hidden), _ = max(posterior.cells.items(), key=lambda item: (item[1], item[0]))
    if fresh > hidden:
        posterior.surplus += fresh - hidden
        posterior.surplus_at_ms = at_ms


def _note_unread(posterior: Posterior, unread: list[Tag]) -> None:
    """Set each unread tag's odds of having left to what follows from the cells."""
    healthy = posterior.healthy_read
    weights = [tag.odds / tag.unread(healthy) for tag in unread]
    by_gone: dict[int, float] = {}
    for (gone, _), weight in posterior.cells.items():
        by_gone[gone] = by_gone.get(gone, 0.0) + weight
    for index, tag in enumerate(unread):
        if len(unread) > _EXACT_UNREAD_MAX:
            tag.odds = min(SURELY_GONE, weights[index])
        else:
            share = sum(
                weight * tags.gone_share(weights, index, gone) for gone, weight in by_gone.items()
            )
            share = min(max(share, 0.0), 1.0)
            tag.odds = min(SURELY_GONE, max(SURELY_THERE, share / max(1.0 - share, SURELY_THERE)))
        tag.was_missed()


def _name(posterior: Posterior, new: list[bytes], fresh: int) -> None:
    """Let hidden units that were read be known tags from now on, as far as there is room."""
    room = TAGS_MAX - len(posterior.tags)
    for digest in new[:room]:
        posterior.tags.append(Tag(digest, misses=min(posterior.hidden_sweeps, 3)))
    nameless = fresh - min(len(new), room)
    if nameless > 0:
        cells = {
            (gone, hidden + nameless): weight for (gone, hidden), weight in posterior.cells.items()
        }
        posterior.join_hidden(cells, sweeps=0)


def _age_hidden(posterior: Posterior, *, is_complete: bool) -> None:
    if not any(hidden for _, hidden in posterior.cells):
        posterior.hidden_sweeps = 0
    elif is_complete and len(posterior.tags) < TAGS_MAX:
        posterior.hidden_sweeps = min(_HIDDEN_SWEEPS_MAX, posterior.hidden_sweeps + 1)
