"""What all commands share. Commands are imperative, and journalled when accepted.

On disk a command is an array that starts with its kind (the `tag`), then the fields in the order
they stand. Kinds and positions are never reused; a new field goes to the end and has a default.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol.facts import GtinText, Quantity
from protocol.updates import StoreText

LINES_MAX: Final = 200
"""Of one command: all of it changes at one journal position."""

Key = Annotated[str, Meta(max_length=128)]
Reference = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(max_length=256)]


class Command(Struct, frozen=True, kw_only=True, array_like=True):
    """Someone asks something of a location.

    `key` makes the command idempotent: it is accepted once, and whoever sends the same again gets
    the first answer. `digest` is that of what was asked, to tell it from other content under the
    same key. An empty key is none.
    """

    store: StoreText
    key: Key = ""
    digest: bytes = b""


class Line(Struct, frozen=True, kw_only=True, array_like=True):
    """A quantity of one GTIN, in steps of its measure."""

    gtin: GtinText
    quantity: Quantity
