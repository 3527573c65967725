"""What is refused, as it is quarantined: once for equal content, with its reason. Pure."""

from hashlib import blake2b
from typing import Final

from cloud.journal.rows import Quarantined
from cloud.shards.desk import Stamp
from cloud.sku_location.refusal import Refused
from protocol.codec import encode_fact
from protocol.facts import AnyFact

DIGEST_BYTES: Final = 16


def quarantined_fact(stamp: Stamp, seq: int, fact: AnyFact, refused: Refused) -> Quarantined:
    """Return one fact of a batch whose others were applied."""
    payload = encode_fact(fact)
    return Quarantined(
        digest=quarantine_digest(b"%d/%d/" % (stamp.epoch, seq) + payload),
        topic="",
        store=stamp.store,
        epoch=stamp.epoch,
        seq=seq,
        reason=str(refused.reason),
        detail=refused.detail,
        payload=payload,
        received_at_ms=stamp.now_ms,
    )


def quarantine_digest(content: bytes) -> bytes:
    """Return the digest by which equal content is quarantined once."""
    return blake2b(content, digest_size=DIGEST_BYTES).digest()
