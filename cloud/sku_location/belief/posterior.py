"""The belief of one SKU-location, unpacked to be worked on. Pure.

Everything that changes it is a function of another module of this package that takes a
`Posterior`; here is what they share.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from cloud.sku_location.belief import cells as cell_packing
from cloud.sku_location.belief import rates, tags
from cloud.sku_location.belief.cells import Cells
from cloud.sku_location.belief.record import Belief, Open, OpenKind, ShelfRead
from cloud.sku_location.belief.tags import Tag

DAY_MS: Final = 86_400_000


class Posterior:
    """Cells, tags, and what has been learnt of this SKU-location. See `Belief` for the fields."""

    __slots__ = (
        "as_of_ms",
        "cells",
        "counted_at_ms",
        "demand_centidays",
        "demand_centilines",
        "error_percent",
        "exits_missed",
        "exits_read",
        "hidden_sweeps",
        "misses",
        "open",
        "reads",
        "received_at_ms",
        "shelf_all",
        "shelf_part",
        "shelves",
        "sold_at_ms",
        "step",
        "surplus",
        "surplus_at_ms",
        "swept_at_ms",
        "tags",
    )

    def __init__(self, cells: Cells, as_of_ms: int) -> None:
        self.cells = cells
        self.step = 1
        self.tags: list[Tag] = []
        self.as_of_ms = as_of_ms
        self.hidden_sweeps = 0
        self.reads = self.misses = 0
        self.exits_read = self.exits_missed = 0
        self.open: list[Open] = []
        self.demand_centilines = self.demand_centidays = 0
        self.sold_at_ms = as_of_ms
        self.received_at_ms = self.swept_at_ms = self.counted_at_ms = 0
        self.shelves: tuple[ShelfRead, ...] = ()
        self.shelf_all = self.shelf_part = 0
        self.surplus = self.surplus_at_ms = 0
        self.error_percent = rates.ERROR_PERCENT

    @classmethod
    def of(cls, belief: Belief) -> "Posterior":
        """Unpack a belief. Field by field: every published state asks for it."""
        cells = cell_packing.unpack(belief.cells, belief.base, belief.step)
        posterior = cls(cells, belief.as_of_ms)
        posterior.step = belief.step
        if belief.tags:
            posterior.tags = tags.unpack(belief.tags)
        posterior.open = list(belief.open)
        posterior.hidden_sweeps = belief.hidden_sweeps
        posterior.reads = belief.reads
        posterior.misses = belief.misses
        posterior.exits_read = belief.exits_read
        posterior.exits_missed = belief.exits_missed
        posterior.demand_centilines = belief.demand_centilines
        posterior.demand_centidays = belief.demand_centidays
        posterior.sold_at_ms = belief.sold_at_ms
        posterior.received_at_ms = belief.received_at_ms
        posterior.swept_at_ms = belief.swept_at_ms
        posterior.counted_at_ms = belief.counted_at_ms
        posterior.shelves = belief.shelves
        posterior.shelf_all = belief.shelf_all
        posterior.shelf_part = belief.shelf_part
        posterior.surplus = belief.surplus
        posterior.surplus_at_ms = belief.surplus_at_ms
        posterior.error_percent = belief.error_percent
        return posterior

    def copy(self) -> "Posterior":
        """Return another one that may change without this one."""
        other = Posterior.__new__(Posterior)
        for name in Posterior.__slots__:
            setattr(other, name, getattr(self, name))
        # Cells, shelves and what is open are replaced when they change, never written to.
        other.open = list(self.open)
        other.tags = [tag.copy() for tag in self.tags]
        return other

    def packed(self) -> Belief:
        """Pack it again."""
        packed, base, step = cell_packing.pack(self.cells)
        return Belief(
            cells=packed,
            base=base,
            step=step,
            tags=tags.pack(self.tags),
            as_of_ms=self.as_of_ms,
            hidden_sweeps=self.hidden_sweeps,
            reads=self.reads,
            misses=self.misses,
            exits_read=self.exits_read,
            exits_missed=self.exits_missed,
            open=tuple(self.open),
            demand_centilines=self.demand_centilines,
            demand_centidays=self.demand_centidays,
            sold_at_ms=self.sold_at_ms,
            received_at_ms=self.received_at_ms,
            swept_at_ms=self.swept_at_ms,
            counted_at_ms=self.counted_at_ms,
            shelves=self.shelves,
            shelf_all=self.shelf_all,
            shelf_part=self.shelf_part,
            surplus=self.surplus,
            surplus_at_ms=self.surplus_at_ms,
            error_percent=self.error_percent,
        )

    @property
    def counts(self) -> dict[int, float]:
        """The probability of each count."""
        return cell_packing.counts(self.cells, len(self.tags))

    @property
    def healthy_read(self) -> float:
        """How often a sweep reads a healthy tag of this GTIN."""
        prior = rates.TAG_READ * rates.TAG_READ_WEIGHT
        return (prior + self.reads) / (rates.TAG_READ_WEIGHT + self.reads + self.misses)

    @property
    def exit_read(self) -> float:
        """How often the exit reads a unit that leaves; 0 while it never has."""
        if not self.exits_read:
            return 0.0
        prior = rates.EXIT_READ * rates.EXIT_READ_WEIGHT
        seen = prior + self.exits_read
        return seen / (rates.EXIT_READ_WEIGHT + self.exits_read + self.exits_missed)

    @property
    def is_watched(self) -> bool:
        """Whether the exit's reader would tell of units that leave."""
        return self.exits_read > 0

    def tag(self, digest: bytes) -> Tag | None:
        """Return a known tag."""
        for tag in self.tags:
            if tag.digest == digest:
                return tag
        return None

    def reweigh(self, cells: Cells) -> None:
        """Take over what of new cells is possible; if none is, all stays as it was."""
        known = len(self.tags)
        possible = {c: w for c, w in cells.items() if w > 0 and c[0] <= known and c[1] >= 0}
        if possible:
            self.cells = cell_packing.normalised(cell_packing.bounded(possible))

    @property
    def expected_hidden(self) -> float:
        """How many units without a known tag there are, on average."""
        return sum(weight * hidden for (_, hidden), weight in self.cells.items())

    def join_hidden(self, cells: Cells, sweeps: int) -> None:
        """Take over cells with more hidden units, which so many sweeps have missed.

        How often those have been missed that there were, and these, is one number, by their shares.
        """
        before = self.expected_hidden
        self.reweigh(cells)
        joined = max(0.0, self.expected_hidden - before)
        if joined > 0:
            missed = before * self.hidden_sweeps + joined * sweeps
            self.hidden_sweeps = int(missed / (before + joined) + 0.5)

    def odds(self) -> list[float]:
        """Return each tag's odds of being among the gone."""
        return [tag.odds for tag in self.tags]

    @property
    def gone_max(self) -> int:
        """The most tags that may have left unseen."""
        return max(gone for gone, _ in self.cells)

    def match(self, kind: OpenKind, quantity: int) -> int:
        """Let units be explained by what was open of this kind; return how many, oldest first."""
        matched = 0
        remaining: list[Open] = []
        for item in self.open:
            used = min(item.quantity, quantity - matched) if item.kind == kind else 0
            matched += used
            if item.quantity > used:
                remaining.append(replace(item, quantity=item.quantity - used))
        self.open = remaining
        return matched

    def note_present(self, present: Iterable[Tag]) -> None:
        """Condition on these tags being here now."""
        for tag in present:
            shares = self._gone_shares(tag)
            cells: Cells = {}
            for (gone, hidden), weight in self.cells.items():
                cell_packing.add(cells, gone, hidden, weight * (1.0 - shares[gone]))
            self.reweigh(cells)
            tag.odds = tags.SURELY_THERE

    def take_away(self, tag: Tag) -> None:
        """Let a known tag leave for certain: it was seen to."""
        self.note_present([tag])
        self.tags.remove(tag)
        self._gone_within()

    def forget_gone(self) -> None:
        """Let tags be known no more that have left as good as certainly."""
        for tag in [tag for tag in self.tags if tag.odds >= tags.FORGOTTEN_FROM]:
            cells: Cells = {}
            for (gone, hidden), weight in self.cells.items():
                if gone:
                    cell_packing.add(cells, gone - 1, hidden, weight)
            if cells:
                self.tags.remove(tag)
                self.reweigh(cells)

    def _gone_within(self) -> None:
        """Keep to cells in which no more have left than are known."""
        limit = len(self.tags)
        cells: Cells = {}
        for (gone, hidden), weight in self.cells.items():
            if gone <= limit:
                cell_packing.add(cells, gone, hidden, weight)
        if not cells:
            cells = {(limit, min(hidden for _, hidden in self.cells)): 1.0}
        self.reweigh(cells)

    def _gone_shares(self, tag: Tag) -> list[float]:
        odds, index = self.odds(), self.tags.index(tag)
        return [tags.gone_share(odds, index, gone) for gone in range(self.gone_max + 1)]
