"""The story of one article: what was observed and told of it, what is there and what we say.

For whoever looks into why a count is wrong. Lines go to whatever `write` is.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from protocol.facts import AnyFact, GoodsReceived, StockFact, TagsMoved, TagsSwept
from protocol.ids import Gtin
from simulators.truth.causes import Mishap
from simulators.truth.cloud_side import Count


class Trace:
    """The story of `gtin`."""

    def __init__(self, gtin: Gtin, write: Callable[[str], None]) -> None:
        self.gtin: Final = gtin
        self._write: Final = write
        self._last = ""

    def observed(self, item: object, at_ms: int) -> None:
        """Something was observed; papers and tills are told, reads are not."""
        for line in getattr(item, "lines", ()):
            if line.gtin == self.gtin:
                self._say(at_ms, f"{type(item).__name__} {line.quantity}")

    def told(self, fact: AnyFact) -> None:
        """A fact was told."""
        if isinstance(fact, StockFact) and fact.gtin == self.gtin:
            self._say(fact.occurred_at_ms, _in_words(fact))

    def mishaps(self, mishaps: Iterable[Mishap]) -> None:
        """Something went wrong."""
        for mishap in mishaps:
            if mishap.gtin == self.gtin:
                self._say(mishap.at_ms, f"MISHAP {mishap.kind}")

    def committed(self, at_ms: int, truth: int, count: Count) -> None:
        """Say what is there and what we say, when either has changed."""
        known = count.known
        chances = sorted(known.distribution.items(), key=lambda each: -each[1])[:4]
        text = ", ".join(f"{units}: {chance:.3f}" for units, chance in chances if chance > 0.0005)
        mark = "" if known.best == truth else "  WRONG"
        line = f"  there {truth}, said {known.best}, book {count.book}{mark}   [{text}]"
        if line != self._last:
            self._last = line
            self._say(at_ms, line)

    def _say(self, at_ms: int, text: str) -> None:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        self._write(f"{at:%m-%d %H:%M:%S} {text}")


def _in_words(fact: StockFact) -> str:
    text = f"fact {type(fact).__name__}"
    if isinstance(fact, TagsMoved):
        text += f" {fact.from_zone}->{fact.to_zone} {fact.confidence:.2f}"
    elif not isinstance(fact, TagsSwept | GoodsReceived):
        text += f" {getattr(fact, 'quantity', '')}"
    else:
        text += f" {fact.quantity}"
    tags = [epc.hex()[-6:] for epc in getattr(fact, "epcs", ())]
    return f"{text} {' '.join(tags)}".rstrip()
