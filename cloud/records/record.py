"""Records: what a shard keeps besides the states of SKU-locations.

A record has a kind, the location it belongs to and an id. Like a state it is the newest version,
made by an input at a position, and stored as MessagePack; the journal finds it by id, by what it
refers to, and by when it is due. Fields are stored by position: a new one goes to the end and has
a default.
"""

from typing import ClassVar

from msgspec import Struct


class Record(Struct, frozen=True, kw_only=True, array_like=True):
    """What all records share; `version` grows by 1 with each change."""

    KIND: ClassVar[str]

    store: str
    id: str
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int = 0

    @property
    def refs(self) -> tuple[str, ...]:
        """What it can be found by, as `name:value`."""
        return ()

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to act on it."""
        return False

    @property
    def due_at_ms(self) -> int | None:
        """When something must happen to it by itself."""
        return None
