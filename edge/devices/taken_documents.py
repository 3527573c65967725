"""Which stock documents a till's device has taken already.

A sale that is read twice falls at its business key in the cloud. A count or a receipt has no such
key, so the device remembers it in the outbox, in the transaction that made its facts durable. Used
by the device's thread alone.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Final

from edge.outbox.port import Outbox

DOCUMENTS_REMEMBERED_MAX: Final = 10_000
"""The oldest are forgotten above this: years of a store's paper."""

_ORDER_BYTES: Final = 8


class TakenDocuments:
    """The documents that one device has taken, oldest first, as checkpoints of the outbox."""

    def __init__(self, outbox: Outbox, device: str) -> None:
        self._prefix = f"document/{device}/"
        stored = outbox.checkpoints(self._prefix)
        by_age = sorted(stored.items(), key=lambda each: each[1][:_ORDER_BYTES])
        self._digests = {
            name.removeprefix(self._prefix): value[_ORDER_BYTES:] for name, value in by_age
        }
        self._next_order = _order(by_age[-1][1]) + 1 if by_age else 0

    def digest_of(self, document: str) -> bytes | None:
        """Return the content of a document as it was taken, or `None` if it was not."""
        return self._digests.get(document)

    def checkpoints(self, taken: Mapping[str, bytes]) -> dict[str, bytes | None]:
        """Return what to commit together with the facts of these documents."""
        changes: dict[str, bytes | None] = {}
        for order, (document, digest) in enumerate(taken.items(), self._next_order):
            changes[self._prefix + document] = order.to_bytes(_ORDER_BYTES) + digest
        changes |= dict.fromkeys((self._prefix + each for each in self._oldest(len(taken))), None)
        return changes

    def committed(self, taken: Mapping[str, bytes]) -> None:
        """Remember documents whose checkpoints are durable now."""
        for document in self._oldest(len(taken)):
            del self._digests[document]
        self._digests.update(taken)
        self._next_order += len(taken)

    def _oldest(self, more: int) -> list[str]:
        excess = max(0, len(self._digests) + more - DOCUMENTS_REMEMBERED_MAX)
        return list(islice(self._digests, excess))


def _order(value: bytes) -> int:
    return int.from_bytes(value[:_ORDER_BYTES])
