"""How values cross to PostgreSQL and back: text that may hold a NUL, and columns as binary arrays.

A group's rows go as one array a column. psycopg builds arrays cell by cell as text, which costs
more than the database does; here they are packed as the binary format says, in one pass. Pure.

Source: `array_recv` of PostgreSQL's src/backend/utils/adt/arrayfuncs.c.
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.types.string import StrBinaryDumper, StrDumper, TextBinaryLoader, TextLoader

if TYPE_CHECKING:
    import psycopg

_ESCAPE: Final = "\x01"
_NUL: Final = "\x00"

_LENGTH: Final = Struct("!i")
_INT8: Final = Struct("!iq")
_NULL: Final = _LENGTH.pack(-1)
_TRUE: Final = _LENGTH.pack(1) + b"\x01"
_FALSE: Final = _LENGTH.pack(1) + b"\x00"

BOOL_OID: Final = 16
BYTEA_OID: Final = 17
INT8_OID: Final = 20
TEXT_OID: Final = 25


def escaped(text: str) -> str:
    """Return text without a NUL, which PostgreSQL's must not hold; it sorts as before."""
    if _NUL in text or _ESCAPE in text:
        return text.replace(_ESCAPE, "\x011").replace(_NUL, "\x010")
    return text


def unescaped(text: str) -> str:
    """Return what `escaped` was given."""
    if _ESCAPE in text:
        return text.replace("\x010", _NUL).replace("\x011", _ESCAPE)
    return text


class _Array(bytes):
    """A column in the binary format, ready to be sent."""


class BoolArray(_Array):
    """A `bool[]`."""


class ByteaArray(_Array):
    """A `bytea[]`."""


class Int8Array(_Array):
    """An `int8[]`."""


class TextArray(_Array):
    """A `text[]`."""


def int8_array(values: Sequence[int | None]) -> Int8Array:
    """Return a column of numbers. Raises `struct.error` for one of more than 64 bits."""
    cells = [_NULL if value is None else _INT8.pack(8, value) for value in values]
    return Int8Array(_packed(INT8_OID, len(values), cells, has_null=None in values))


def bool_array(values: Sequence[bool]) -> BoolArray:
    """Return a column of truth values."""
    cells = [_TRUE if value else _FALSE for value in values]
    return BoolArray(_packed(BOOL_OID, len(values), cells))


def bytea_array(values: Sequence[bytes]) -> ByteaArray:
    """Return a column of bytes."""
    return ByteaArray(_packed(BYTEA_OID, len(values), _with_lengths(values)))


def text_array(values: Sequence[str]) -> TextArray:
    """Return a column of text, escaped."""
    cells = _with_lengths([escaped(value).encode() for value in values])
    return TextArray(_packed(TEXT_OID, len(values), cells))


def _with_lengths(values: Sequence[bytes]) -> list[bytes]:
    return [piece for value in values for piece in (_LENGTH.pack(len(value)), value)]


def _packed(oid: int, count: int, cells: Sequence[bytes], *, has_null: bool = False) -> bytes:
    """Return an array of one dimension, which begins at 1, or of none when it is empty."""
    dimensions = (count, 1) if count else ()
    header = Struct(f"!iiI{'i' * len(dimensions)}")
    return header.pack(len(dimensions) // 2, has_null, oid, *dimensions) + b"".join(cells)


COLUMNS: Final[dict[str, Callable[[Any], _Array]]] = {
    "bool": bool_array,
    "bytea": bytea_array,
    "int8": int8_array,
    "text": text_array,
}
"""The column of each type that the journal's tables have."""


class _ArrayDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: _Array) -> Buffer | None:
        return bytes(obj)


class _BoolArrayDumper(_ArrayDumper):
    oid = 1000


class _ByteaArrayDumper(_ArrayDumper):
    oid = 1001


class _Int8ArrayDumper(_ArrayDumper):
    oid = 1016


class _TextArrayDumper(_ArrayDumper):
    oid = 1009


class _EscapingDumper(StrDumper):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(escaped(obj))


class _EscapingBinaryDumper(StrBinaryDumper):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(escaped(obj))


class _UnescapingLoader(TextLoader):
    def load(self, data: Buffer) -> bytes | str:
        text = super().load(data)
        return unescaped(text) if isinstance(text, str) else text


class _UnescapingBinaryLoader(TextBinaryLoader):
    def load(self, data: Buffer) -> bytes | str:
        text = super().load(data)
        return unescaped(text) if isinstance(text, str) else text


def register(connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
    """Let a connection take and return the journal's values."""
    adapters = connection.adapters
    adapters.register_dumper(str, _EscapingBinaryDumper)
    adapters.register_dumper(str, _EscapingDumper)
    adapters.register_loader("text", _UnescapingLoader)
    adapters.register_loader("text", _UnescapingBinaryLoader)
    adapters.register_dumper(BoolArray, _BoolArrayDumper)
    adapters.register_dumper(ByteaArray, _ByteaArrayDumper)
    adapters.register_dumper(Int8Array, _Int8ArrayDumper)
    adapters.register_dumper(TextArray, _TextArrayDumper)
