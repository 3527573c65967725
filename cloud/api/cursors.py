"""Cursors: where a list goes on. They are opaque to callers: base64 of the last key told."""

import base64
import binascii
from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeVar

import msgspec
from msgspec.json import Decoder

from cloud.api.problems import invalid

K = TypeVar("K")
T = TypeVar("T")

CURSOR_CHARS_MAX: Final = 512
CURSOR_INT_MAX: Final = 2**53 - 1
"""Of a number in a key: a larger one would be one that we never made."""
LIMIT_MAX: Final = 1_000
LIMIT: Final = 100

Pair = tuple[str, str]
TEXT: Final = Decoder(str)
PAIR: Final[Decoder[Pair]] = Decoder(Pair)

_encoder: Final = msgspec.json.Encoder()


def encode_cursor(key: object) -> str:
    """Return a cursor after this key."""
    return base64.urlsafe_b64encode(_encoder.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str | None, decoder: Decoder[K]) -> K | None:
    """Return the key in a cursor; raises `ApiProblem` for one that we did not make."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (msgspec.DecodeError, binascii.Error, UnicodeError, RecursionError) as error:
        raise invalid("cursor", "send the `next_cursor` of an earlier answer") from error


def first_of(rows: Iterator[T], limit: int) -> tuple[list[T], bool]:
    """Return the first rows, and whether there are more."""
    found = list(islice(rows, limit + 1))
    close = getattr(rows, "close", None)
    if close is not None:
        close()
    return found[:limit], len(found) > limit
