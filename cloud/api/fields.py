"""Types of fields and parameters that many documents share, and how they become our own values."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from litestar.params import HeaderParameter, PathParameter, QueryParameter
from msgspec import Meta

from cloud.api.cursors import CURSOR_CHARS_MAX, LIMIT_MAX
from cloud.api.problems import invalid
from cloud.sku_location.refusal import Refusal
from protocol.documents import timestamp
from protocol.errors import InvalidIdentifier
from protocol.facts import QUANTITY_MAX
from protocol.ids import parse_gtin, parse_store_id

GTIN_PATTERN: Final = r"^([0-9]{8}|[0-9]{12,14})$"
LOCATION_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"
# The look-ahead keeps out a line break at the end, which `$` alone lets through.
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}(?!\n)$"
ETAG_PATTERN: Final = r'^(W/)?"[0-9]{1,19}"$'
LOCATION_CHARS_MAX: Final = 32

Gtin = Annotated[
    str,
    Meta(pattern=GTIN_PATTERN, max_length=14, description="a GTIN, with its right check digit"),
]
Location = Annotated[
    str,
    Meta(pattern=LOCATION_PATTERN, max_length=32, description="the id of a location"),
]
Id = Annotated[
    str,
    Meta(
        pattern=NAME_PATTERN,
        max_length=64,
        description="1 to 64 letters, digits, '.', '_', ':', '-'",
    ),
]
Channel = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=64, description="a sales channel")]
Customer = Annotated[
    str, Meta(max_length=64, description="the caller's reference for the customer")
]
Units = Annotated[
    int, Meta(ge=1, le=QUANTITY_MAX, description="steps of the measure: pieces or grams")
]
Level = Annotated[int, Meta(description="steps of the measure: pieces or grams")]
ZonedTime = Annotated[
    datetime, Meta(tz=True, description="a time with its zone, as 2026-11-27T18:00:00+01:00")
]

GtinPath = Annotated[
    str, PathParameter(pattern=GTIN_PATTERN, max_length=14, description="a GTIN of 8 to 14 digits")
]
LocationPath = Annotated[
    str,
    PathParameter(pattern=LOCATION_PATTERN, max_length=32, description="the id of a location"),
]
IdPath = Annotated[
    str, PathParameter(pattern=NAME_PATTERN, max_length=64, description="the id of the resource")
]
LongIdPath = Annotated[
    str,
    PathParameter(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,79}(?!\n)$",
        max_length=80,
        description="the id of the resource",
    ),
]
CursorQuery = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        max_length=CURSOR_CHARS_MAX,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="the `next_cursor` of the answer before",
    ),
]
LimitQuery = Annotated[
    int,
    QueryParameter(name="limit", ge=1, le=LIMIT_MAX, description="how many to return at most"),
]
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", pattern=ETAG_PATTERN, description="only at this version (an ETag)"
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match", max_length=1_000, description="not at this version (ETag)"
    ),
]


def gtin_of(text: str, at: str = "gtin") -> str:
    """Return a GTIN as 14 digits, or raise `ApiProblem`."""
    try:
        return parse_gtin(text)
    except InvalidIdentifier as error:
        raise invalid(at, error.detail, reason=str(Refusal.INVALID_GTIN)) from error


def location_of(text: str, at: str = "location") -> str:
    """Return the id of a location, or raise `ApiProblem`."""
    try:
        return parse_store_id(text)
    except InvalidIdentifier as error:
        raise invalid(at, error.detail) from error


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def ms_of(time: datetime | None, at: str) -> int:
    """Return milliseconds since the Unix epoch, 0 for none; raises `ApiProblem` before 1970."""
    if time is None:
        return 0
    time_ms = (time - _EPOCH) // timedelta(milliseconds=1)
    if time_ms <= 0:
        raise invalid(at, "a time after 1970 is expected")
    return time_ms


def time_of(time_ms: int) -> str | None:
    """Return a time as RFC 3339, and 0 as none."""
    return timestamp(time_ms) if time_ms else None


def etag(version: int) -> str:
    """Return a version as an ETag."""
    return f'"{version}"'


def version_of(if_match: str | None) -> int | None:
    """Return the version in an `If-Match` that has passed validation."""
    return None if if_match is None else int(if_match.removeprefix("W/").strip('"'))
