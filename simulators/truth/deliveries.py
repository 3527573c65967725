"""Despatch advices as the warehouse sends them, and when nobody waits any longer for their rest.

An advice is closed an hour after its delivery was signed for; one of which nobody heard, some days
after it was sent.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from protocol.wms_documents import LINES_MAX, AdvisedLine, DespatchAdviceDocument
from simulators.truth.options import DAY_MS
from simulators.world.happenings import AdviceSent, Line, Receipt

WAREHOUSE: Final = "warehouse"
PATIENCE_MS: Final = 7 * DAY_MS
"""A delivery that nobody signed for within this time will not come."""
CLOSED_AFTER_MS: Final = 3_600_000
"""Who has signed for a delivery and carried it in, closes it."""


class Deliveries:
    """The open advices of one store. A document of many lines is several despatches."""

    def __init__(self) -> None:
        self._due_ms: Final[dict[str, int]] = {}
        self._parts: Final[dict[str, list[str]]] = {}

    def advised(self, advice: AdviceSent) -> Iterator[bytes]:
        """Yield the documents that say what was sent."""
        names = self._parts[advice.document] = []
        for start in range(0, len(advice.lines), LINES_MAX):
            name = f"{advice.document}-{len(names) + 1}" if start else advice.document
            names.append(name)
            self._due_ms[name] = advice.at_ms + PATIENCE_MS
            yield _document(name, advice.lines[start : start + LINES_MAX])

    def received(self, receipt: Receipt) -> None:
        """A delivery was signed for."""
        for name in self._parts.get(receipt.document, ()):
            self._due_ms[name] = receipt.at_ms + CLOSED_AFTER_MS

    def overdue(self, now_ms: int) -> list[str]:
        """Return the despatches of which nothing more will come, once."""
        overdue = [name for name, due_ms in self._due_ms.items() if due_ms <= now_ms]
        for name in overdue:
            del self._due_ms[name]
        return overdue


def _document(name: str, lines: tuple[Line, ...]) -> bytes:
    advised = [
        AdvisedLine(gtin=line.gtin, quantity=line.quantity, measure=line.measure) for line in lines
    ]
    document = DespatchAdviceDocument(despatch_id=name, source=WAREHOUSE, lines=advised)
    return msgspec.json.encode(document)
