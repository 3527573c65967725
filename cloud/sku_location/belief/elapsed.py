"""What passing time does to a belief: losses that nobody saw, silence, witnesses that stay mute.

Pure. Silence is evidence: an article that sells every day and has not sold for a week may have run
out, whatever the record says (DeHoratius, Mersereau and Schrage 2008, section 4: days without a
sale under a positive record). Demand is Poisson with an unknown rate, Gamma by what was sold, so
the chance of no sale for `d` days after `D` observed ones with `n` sales is (D / (D + d))^n.
"""

from typing import Final

from cloud.sku_location.belief import rates
from cloud.sku_location.belief.arriving import arrive_unseen
from cloud.sku_location.belief.cells import Cells, add
from cloud.sku_location.belief.leaving import mistaken_share, sale_unconfirmed, take_away_units
from cloud.sku_location.belief.posterior import DAY_MS, Posterior

MATCHED_WITHIN_MS: Final = 45 * 60_000
"""Till and exit tell of the same unit within this time, or one of them has missed it."""
ENTERED_WITHIN_MS: Final = 75 * 60_000
"""Who carries his own goods about has left again by then."""
SHIPPED_WITHIN_MS: Final = DAY_MS
"""From packing a parcel to the carrier's van."""
OPEN_MAX: Final = 12
"""What waits for the other witness; more, and the oldest waits no longer."""

_PATIENCE_MS: Final = {"shipment": SHIPPED_WITHIN_MS, "entry": ENTERED_WITHIN_MS}
_DRIFT_FROM_MS: Final = DAY_MS // 8
_SALES_COUNTED_MAX: Final = 15
_CENTILINES_PER_EVENT: Final = 300
"""Lines come in bunches (promotions, weekends), so a third of them is taken for independent."""


def settle(posterior: Posterior, now_ms: int) -> None:
    """Bring a belief up to a time; a time before its own changes nothing."""
    if posterior.open:
        _close_open(posterior, now_ms)
    elapsed_ms = now_ms - posterior.as_of_ms
    if elapsed_ms < _DRIFT_FROM_MS:
        return
    days = elapsed_ms / DAY_MS
    _hear_silence(posterior, posterior.as_of_ms, now_ms)
    _drift(posterior, days)
    _fade_demand(posterior, days)
    posterior.as_of_ms = now_ms


def _close_open(posterior: Posterior, now_ms: int) -> None:
    waiting = posterior.open
    posterior.open = []
    overdue = len(waiting) - OPEN_MAX
    for index, item in enumerate(waiting):
        patience_ms = _PATIENCE_MS.get(item.kind, MATCHED_WITHIN_MS)
        if index >= overdue and now_ms - item.at_ms < patience_ms:
            posterior.open.append(item)
        elif item.kind == "sale":
            sale_unconfirmed(posterior, item)
            posterior.exits_missed = min(10_000, posterior.exits_missed + item.quantity)
        elif item.kind == "shipment":
            take_away_units(posterior, item.quantity)
        elif item.kind == "return":
            false = mistaken_share(rates.RETURN_FALSE, item.ratio_percent)
            for _ in range(item.quantity):
                arrive_unseen(posterior, posterior.exit_read, false)
        elif item.kind == "entry":
            _doubt_entry(posterior, item.tag, rates.ENTRY_STAYS * item.ratio_percent / 100)


def _doubt_entry(posterior: Posterior, digest: bytes, stays: float) -> None:
    """A known tag came in and no refund told of it: it stays, or its owner carries it about."""
    tag = posterior.tag(digest)
    if tag is None:
        return
    cells: Cells = {}
    for (gone, hidden), weight in posterior.cells.items():
        add(cells, gone, hidden, weight * stays)
        add(cells, gone + 1, hidden, weight * (1.0 - stays))
    tag.odds = (1.0 - stays) / stays
    posterior.reweigh(cells)


def _drift(posterior: Posterior, days: float) -> None:
    """Let units be lost, or turn up, that no device and no paper tells of."""
    per_day = rates.LOSS_PER_UNIT_DAY if posterior.is_watched else rates.LOSS_UNSEEN_PER_UNIT_DAY
    known, step = len(posterior.tags), posterior.step
    if not known:
        per_day *= posterior.error_percent / 100
    gained = min(0.5, rates.GAIN_PER_DAY * days)
    cells: Cells = {}
    moved = 0.0
    for (gone, hidden), weight in posterior.cells.items():
        there = known - gone
        lost_known = min(0.3, per_day * days * there)
        lost_hidden = min(0.3, per_day * days * hidden / step)
        add(cells, gone + 1, hidden, weight * lost_known)
        if hidden >= step:
            add(cells, gone, hidden - step, weight * lost_hidden)
        add(cells, gone, hidden + step, weight * gained)
        add(cells, gone, hidden, weight * (1.0 - lost_known - lost_hidden - gained))
        moved += weight * lost_known
    if known and moved > 0:
        for tag in posterior.tags:
            tag.odds += moved / known
    posterior.reweigh(cells)


def silence_likelihood(posterior: Posterior, from_ms: int, now_ms: int) -> float:
    """Return P(no sale between two times | goods were there), 1 for what hardly sells."""
    sales = min(_SALES_COUNTED_MAX, posterior.demand_centilines // _CENTILINES_PER_EVENT)
    if not sales or posterior.demand_centidays < 700:
        return 1.0
    observed_days = posterior.demand_centidays / 100
    before_days = max(0, from_ms - posterior.sold_at_ms) / DAY_MS
    after_days = max(0, now_ms - posterior.sold_at_ms) / DAY_MS
    ratio = (observed_days + before_days) / (observed_days + after_days)
    likelihood = 1.0
    for _ in range(sales):
        likelihood *= ratio
    return likelihood


def _hear_silence(posterior: Posterior, from_ms: int, now_ms: int) -> None:
    likelihood = silence_likelihood(posterior, from_ms, now_ms)
    if likelihood >= 1.0:
        return
    known = len(posterior.tags)
    cells: Cells = {}
    add(cells, known, 0, rates.SILENTLY_GONE_PER_DAY * (now_ms - from_ms) / DAY_MS)
    for (gone, hidden), weight in posterior.cells.items():
        is_there = known - gone + hidden > 0
        add(cells, gone, hidden, weight * likelihood if is_there else weight)
    posterior.reweigh(cells)


def _fade_demand(posterior: Posterior, days: float) -> None:
    kept = rates.DEMAND_MEMORY_DAYS / (rates.DEMAND_MEMORY_DAYS + days)
    posterior.demand_centilines = int(posterior.demand_centilines * kept)
    posterior.demand_centidays = int((posterior.demand_centidays + 100 * days) * kept)
