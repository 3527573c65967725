"""`[recording]` of `store.toml`: what the running agent keeps of what its devices send."""

from typing import Annotated

from msgspec import Meta, Struct

from protocol.broker_settings import FilePath


class RecordingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without a `path` nothing is recorded.

    `max_bytes` bounds all files of this recording together; a restart begins a further one.
    `documents` false leaves the text of tills' documents out and keeps their size and digest.
    """

    path: FilePath | None = None
    max_bytes: Annotated[
        int, Meta(ge=65_536, le=2**40, description="65536 to 1099511627776 bytes")
    ] = 268_435_456
    gzip: bool = False
    documents: bool = True
