"""Why counts are wrong: what went wrong with an article since its count was last right. Pure.

The ground truth knows each mishap. A count that is wrong at a closing is put down to the mishaps of
its article from a little before the first closing at which it was wrong: those of people first, and
what portals misread only where people did nothing wrong. When there was neither, sweeps misled us,
or we ourselves.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from protocol.ids import Gtin, gtin_of_tag
from simulators.truth.directions import Crossing, Portal
from simulators.truth.options import DAY_MS

SWEEPS: Final = "sweeps, or the belief"
"""No mishap explains it."""
MISREAD: Final = "misread"
"""With this begin the kinds of what portals did wrong."""
BEFORE_MS: Final = DAY_MS
"""A mishap of the day before the first wrong closing may be its cause."""


class Mishap(NamedTuple):
    """Something went wrong with an article; `kind` says what, in a word or two."""

    at_ms: int
    gtin: Gtin
    kind: str


class WrongCount(NamedTuple):
    """A count that is wrong in the end, since the closing of which day, and why."""

    store: str
    gtin: Gtin
    truth: int
    said: int
    low: int
    high: int
    sure: float
    since_day: int
    causes: tuple[str, ...]
    others: Mapping[str, int]


class Causes:
    """The mishaps of one store, and since when which count is wrong."""

    def __init__(self, started_ms: int) -> None:
        self._started_ms: Final = started_ms
        self._mishaps: Final[defaultdict[Gtin, list[Mishap]]] = defaultdict(list)
        self._since_day: Final[dict[Gtin, int]] = {}

    def happened(self, mishaps: Iterable[Mishap]) -> None:
        """Something went wrong."""
        for mishap in mishaps:
            self._mishaps[mishap.gtin].append(mishap)

    def look(self, gtin: Gtin, day: int, *, is_right: bool) -> None:
        """Note whether a count was right at the closing of a day."""
        if is_right:
            self._since_day.pop(gtin, None)
        else:
            self._since_day.setdefault(gtin, day)

    def since_day(self, gtin: Gtin) -> int:
        """Return the first day, without a break, at whose closing a count was wrong."""
        return self._since_day[gtin]

    def of(self, gtin: Gtin) -> tuple[str, ...]:
        """Return what may have made a count wrong, people's mishaps and the commonest first."""
        from_ms = self._started_ms + self._since_day[gtin] * DAY_MS - BEFORE_MS
        kinds = Counter(each.kind for each in self._mishaps[gtin] if each.at_ms >= from_ms)
        found = sorted(kinds, key=lambda kind: (kind.startswith(MISREAD), -kinds[kind], kind))
        return tuple(found) or (SWEEPS,)


def misreadings(
    portal: Portal, untold: Iterable[Crossing], untrue: Iterable[Crossing]
) -> Iterator[Mishap]:
    """Yield what a portal did wrong as mishaps of the articles."""
    for kind, crossings in (("untold", untold), ("untrue", untrue)):
        for crossing in crossings:
            gtin = gtin_of_tag(crossing.epc)
            if gtin is not None:
                way = "in" if crossing.is_inwards else "out"
                yield Mishap(crossing.at_ms, gtin, f"{MISREAD}: {kind} {way} by the {portal}")
