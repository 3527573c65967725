"""Till lines and who claimed them: `(store, transaction, line)` counts once (P2). Pure."""

from hashlib import blake2b
from typing import Final

from cloud.journal.rows import BusinessKeyRow
from cloud.shards.desk import Stamp
from protocol.facts import TillLine

DIGEST_BYTES: Final = 8


def claim_of(stamp: Stamp, seq: int, line: TillLine) -> BusinessKeyRow:
    """Return the claim of a till line, with a digest of what the line says of goods.

    Device and time are not part of it: a till's journal that is read again after a change of the
    gateway's configuration or clock still says the same.
    """
    voided = getattr(line, "voided_transaction", "")
    content = f"{type(line).__name__} {line.gtin} {line.quantity} {line.measure} {voided}"
    digest = blake2b(content.encode(), digest_size=DIGEST_BYTES).digest()
    return BusinessKeyRow(stamp.store, line.transaction, line.line, stamp.position, seq, digest)
