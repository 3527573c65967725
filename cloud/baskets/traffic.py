"""Which unconfirmed till lines were probably mistaken: another article passed the exit then. Pure.

A till line says B, and the exit reads no tag of B pass. Either it missed the tag; or A was keyed as
B, and then, mostly, a tag of A has passed that no line tells of. So a line that stays unconfirmed
for `JUDGED_AFTER_MS` is held against the stray passages around it, and the SKU-location is told how
much that speaks for a mistake (the likelihood ratio, in hundredths). How often a stray is near a
line by chance, the confirmed lines of the same store say.
"""

from typing import Final, NamedTuple

from cloud.records.basket_watch import Stray, Traffic, Unconfirmed

JUDGED_AFTER_MS: Final = 30 * 60_000
"""Before a SKU-location itself gives up waiting for the exit (`belief.elapsed`)."""
ITEMS_MAX: Final = 200
"""Of each kind that wait; beyond, the oldest are let go unjudged."""
EXIT_READS: Final = 0.9
"""What really passed is seen this often."""
RATIO_PERCENT_MAX: Final = 60_000
ALIKE_WITHIN: Final = 12
"""Item references so near each other are likely sizes, colours or flavours of one thing."""
ALIKE_MISTAKEN: Final = 0.9
"""So often the article that was keyed instead is such a neighbour (assumed)."""
ALIKE_BY_CHANCE: Final = 0.02
"""So often two articles that are sold at the same moment are."""
CHANCE_WEIGHT: Final = 40
CHANCE_NEAR: Final = 2
"""Before a store has taught otherwise, 1 confirmed line in 20 has a stray near it."""
FORGET_FROM: Final = 4_000


def are_alike(gtin: str, other: str) -> bool:
    """Say whether two GTINs are near each other, check digits aside."""
    return abs(int(gtin[:-1]) - int(other[:-1])) <= ALIKE_WITHIN


class Window(NamedTuple):
    """A stray so long before or after a line may be what the line should have said."""

    before_ms: int
    after_ms: int

    def holds(self, stray_at_ms: int, line_at_ms: int) -> bool:
        """Say whether a stray is near a line."""
        return -self.before_ms <= stray_at_ms - line_at_ms <= self.after_ms


LEAVING: Final = Window(60_000, 6 * 60_000)
"""Who has paid goes to the door."""
ARRIVING: Final = Window(20 * 60_000, 60_000)
"""Who brings back has come in before."""


class Judgement(NamedTuple):
    """What an unconfirmed line looks like: a ratio above 100 % speaks for a mistake."""

    gtin: str
    at_ms: int
    ratio_percent: int


class TrafficWatch:
    """The goods that go one way, to be changed by the facts of one input."""

    def __init__(self, traffic: Traffic, window: Window) -> None:
        self._window: Final = window
        self._lines = list(traffic.lines)
        self._strays = list(traffic.strays)
        self._confirmed_at_ms = list(traffic.confirmed_at_ms)
        self._confirmed = traffic.confirmed
        self._near = traffic.confirmed_near

    def traffic(self) -> Traffic:
        """Return what is to be remembered."""
        return Traffic(
            tuple(self._lines[-ITEMS_MAX:]),
            tuple(self._strays[-ITEMS_MAX:]),
            tuple(self._confirmed_at_ms[-ITEMS_MAX:]),
            self._confirmed,
            self._near,
        )

    def told(self, gtin: str, quantity: int, at_ms: int) -> None:
        """A till line told of units whose tags are known."""
        left = quantity
        for stray in self._near_strays(at_ms):
            if left and stray.gtin == gtin:
                self._strays.remove(stray)
                left -= 1
        if left:
            self._lines.append(Unconfirmed(gtin, at_ms, left))
        else:
            self._confirmed_at_ms.append(at_ms)

    def seen(self, gtin: str, at_ms: int) -> None:
        """The exit read a tag pass."""
        for index, line in enumerate(self._lines):
            if line.gtin != gtin:
                continue
            if line.quantity > 1:
                self._lines[index] = Unconfirmed(gtin, line.at_ms, line.quantity - 1)
            else:
                del self._lines[index]
                self._confirmed_at_ms.append(line.at_ms)
            return
        self._strays.append(Stray(gtin, at_ms))

    def judge(self, now_ms: int, judged_max: int) -> list[Judgement]:
        """Judge what has waited long enough, oldest first, and forget what is over."""
        before_ms = now_ms - JUDGED_AFTER_MS
        self._learn(before_ms)
        due = [line for line in self._lines if line.at_ms <= before_ms][:judged_max]
        self._lines = [line for line in self._lines if line not in due]
        judgements = [self._judged(line) for line in due]
        over_ms = before_ms - self._window.before_ms - self._window.after_ms
        self._strays = [stray for stray in self._strays if stray.at_ms > over_ms]
        return judgements

    def _judged(self, line: Unconfirmed) -> Judgement:
        chance = (self._near + CHANCE_NEAR) / (self._confirmed + CHANCE_WEIGHT)
        near = self._near_strays(line.at_ms)
        alike = [stray for stray in near if are_alike(stray.gtin, line.gtin)]
        if alike:
            self._strays.remove(alike[0])  # One stray explains one mistake.
            ratio = EXIT_READS * ALIKE_MISTAKEN / (max(chance, 0.01) * ALIKE_BY_CHANCE)
        elif near:
            ratio = EXIT_READS * (1.0 - ALIKE_MISTAKEN) / max(chance, 0.01)
        else:
            ratio = (1.0 - EXIT_READS) / (1.0 - min(chance, 0.9))
        return Judgement(line.gtin, line.at_ms, min(RATIO_PERCENT_MAX, int(100 * ratio + 0.5)))

    def _learn(self, before_ms: int) -> None:
        over = [at_ms for at_ms in self._confirmed_at_ms if at_ms <= before_ms]
        self._confirmed_at_ms = [at_ms for at_ms in self._confirmed_at_ms if at_ms > before_ms]
        self._confirmed += len(over)
        self._near += sum(bool(self._near_strays(at_ms)) for at_ms in over)
        if self._confirmed > FORGET_FROM:
            self._confirmed, self._near = self._confirmed // 2, self._near // 2

    def _near_strays(self, at_ms: int) -> list[Stray]:
        return [stray for stray in self._strays if self._window.holds(stray.at_ms, at_ms)]
