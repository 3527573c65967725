"""The cloud's own retained document: its birth, its death, and how far the broker has come.

The broker keeps it in the same memory as the states it speaks of, so what a broker lost shows in
what it gives back (decision 4). Pure.
"""

from typing import Final, Literal

import msgspec

from protocol.documents import CloudDocument, encode_document, timestamp


class Marker:
    """Makes the documents of one connection, made at `since_ms` since the Unix epoch."""

    def __init__(self, since_ms: int, cloud_version: str, owner_epoch: int) -> None:
        self._since: Final = timestamp(since_ms)
        self._cloud_version: Final = cloud_version
        self._owner_epoch: Final = owner_epoch

    def online(self, published_through: int) -> bytes:
        """Return the birth, and the same again when the broker has come further."""
        return self._encoded("online", published_through)

    def offline(self, published_through: int) -> bytes:
        """Return the death, also as the last will of a connection."""
        return self._encoded("offline", published_through)

    def _encoded(self, status: Literal["online", "offline"], published_through: int) -> bytes:
        document = CloudDocument(
            status=status,
            since=self._since,
            cloud_version=self._cloud_version,
            owner_epoch=self._owner_epoch,
            published_through=published_through,
        )
        return encode_document(document)


def position_to_fill_from(remembered: bytes | None, head: int) -> int:
    """Return the journal position after which the broker may lack what it should retain.

    `remembered` is what the broker kept of us. The answer is 0, for everything, when that is
    nothing or no document of ours, and when it is ahead of the journal: then it speaks of another.
    """
    if not remembered:
        return 0
    try:
        published_through = msgspec.json.decode(remembered, type=CloudDocument).published_through
    except msgspec.MsgspecError:
        return 0
    return published_through if 0 <= published_through <= head else 0
