"""What a channel may sell, and where, and what is hidden from it."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from cloud.api.fields import Channel, Gtin, Level, Location, ZonedTime
from cloud.rules import Explanation
from protocol.documents import Timestamp
from protocol.facts import GtinText, Measure

PAIRS_MAX: Final = 1_000
ANSWERS_MAX: Final = 5_000


class Arithmetic(Struct, frozen=True, kw_only=True, gc=False):
    """How `available` came about: on_hand - reserved - unavailable - buffer, never below 0."""

    on_hand: Level
    reserved: Level
    unavailable: Level
    rules: Explanation


class Availability(Struct, frozen=True, kw_only=True, gc=False):
    """What a channel may sell of a GTIN at a location.

    `buffer` is what `rule` hides. `measure` and `as_of` are null where the location has never had
    the GTIN; its version is 0 then.
    """

    gtin: GtinText
    location: str
    channel: str
    available: Annotated[int, Meta(ge=0)]
    buffer: Annotated[int, Meta(ge=0)]
    rule: str | None
    version: Annotated[int, Meta(ge=0)]
    measure: Measure | None
    as_of: Timestamp | None
    distance_km: Annotated[float, Meta(ge=0)] | None = None
    explanation: Arithmetic | None = None


class AvailabilityPage(Struct, frozen=True, kw_only=True):
    """Availability as of one moment, at one version of the rules."""

    items: list[Availability]
    rules_version: int
    position: Annotated[int, Meta(ge=0, description="journal position that this contains")]
    next_cursor: str | None


class Pair(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GTIN at a location."""

    gtin: Gtin
    location: Location


class AvailabilityQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many GTINs at many locations at once. `ship_by` is when the order would have to leave."""

    channel: Channel
    items: Annotated[list[Pair], Meta(min_length=1, max_length=PAIRS_MAX)]
    ship_by: ZonedTime | None = None
    explain: bool = False
