"""Which shard owns a store. Pure, and the same on every node, whatever seeds Python's hashes.

Rendezvous hashing (Thaler and Ravishankar, 1998): every shard bids for every store, the highest
bid wins. Another number of shards moves only the stores that must move.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

BID_BYTES: Final = 8
PLACEMENTS_CACHED: Final = 65_536


@lru_cache(maxsize=PLACEMENTS_CACHED)
def shard_of(store: str, shards: int) -> int:
    """Return the index of the shard, of `shards` in all, that owns a store."""
    return max(range(shards), key=lambda shard: _bid(store, shard))


def shard_name(index: int, shards: int) -> str:
    """Return the name that a journal remembers, so that it is never opened as another shard's.

    It carries the number of shards, because stores move when that changes.
    """
    return f"{index}-of-{shards}"


def _bid(store: str, shard: int) -> bytes:
    return blake2b(f"{store}/{shard}".encode(), digest_size=BID_BYTES).digest()
