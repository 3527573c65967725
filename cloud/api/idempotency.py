"""What makes a request the same request: its key, what it asks, and the ids that follow from it.

The same request again, from the same token and under the same key, is the same command with the
same ids, whenever it comes: the shard then answers what it answered first.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from cloud.api.problems import invalid

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
KEY_PATTERN: Final = r"^[!-~]{1,64}$"
DIGEST_BYTES: Final = 16
ID_BYTES: Final = 12

_encoder: Final = msgspec.json.Encoder(order="sorted")


class Asked(NamedTuple):
    """One request, as commands carry it. `key` is empty when the caller sent none."""

    key: str
    digest: bytes

    def item(self, number: int) -> "Asked":
        """Return the same for one item of a bulk request."""
        # No key of a caller has a blank in it, so that none can be the key of an item.
        return Asked(f"{self.key} {number}", self.digest)

    def derived_id(self, purpose: str) -> str:
        """Return an id that a repeated request gets again."""
        digest = blake2b(f"{purpose} {self.key}".encode(), digest_size=ID_BYTES).hexdigest()
        return f"{purpose}-{digest}"


def asked(
    token_name: str, key: str, method: str, path: str, body: bytes, if_match: str = ""
) -> Asked:
    """Return what makes this request itself. Raises `ApiProblem` when the body is not JSON."""
    content = f"{method} {path}\n{if_match}\n".encode() + canonical(body)
    return Asked(f"{token_name}:{key}", blake2b(content, digest_size=DIGEST_BYTES).digest())


def canonical(body: bytes) -> bytes:
    """Return JSON with its names in order and without blanks."""
    if not body:
        return b""
    try:
        return _encoder.encode(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise invalid("body", f"not JSON: {str(error)[:200]}") from error
