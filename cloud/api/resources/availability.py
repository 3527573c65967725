"""Availability: what a channel may sell, here, there, everywhere or near a place."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, NamedTuple, cast

import msgspec
from litestar import MediaType, Response, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from cloud.api.access import ANYONE
from cloud.api.cursors import PAIR, decode_cursor, encode_cursor
from cloud.api.documents.availability import (
    ANSWERS_MAX,
    Arithmetic,
    Availability,
    AvailabilityPage,
    AvailabilityQuery,
)
from cloud.api.fields import CursorQuery, ZonedTime, gtin_of, location_of, ms_of
from cloud.api.problems import documented, invalid
from cloud.api.services import CallerHere, Services, ServicesHere
from cloud.api.visibility import may_sell_at, require_sellable_at
from cloud.context_documents import LocationBody
from cloud.geography import distance_km
from cloud.journal.port import JournalReader
from cloud.journal.rows import StateRow, decode_state
from cloud.rules import Explanation
from cloud.sku_location.state import SkuLocation
from protocol.documents import timestamp
from protocol.ids import CLOUD_STORE_ID

TAGS = ["availability"]
GTINS_MAX: Final = 100
LOCATIONS_MAX: Final = 2_000
KEYS_MAX: Final = 20_000
"""GTINs times locations of one request."""
WITHIN_KM: Final = 50.0

_encoder: Final = msgspec.json.Encoder()

Texts = list[Annotated[str, Meta(min_length=1, max_length=64)]]
Key = tuple[str, str]
"""Location and GTIN."""
Places = Mapping[str, float | None]
"""Locations in the order in which they are told, with how many km away they are, if asked."""


class Found(NamedTuple):
    """What one read of the journal found, in the order in which it is told."""

    position: int
    states: list[SkuLocation]
    next_key: Key | None


@get(
    "/availability",
    operation_id="get_availability",
    summary="What a channel may sell of some GTINs, at one, several, near or all locations",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(),
)
async def get_availability(
    services: ServicesHere,
    caller: CallerHere,
    gtin: Annotated[
        Texts, QueryParameter(name="gtin", min_items=1, max_items=GTINS_MAX, description="GTINs")
    ],
    channel: Annotated[str, QueryParameter(name="channel", min_length=1, max_length=64)],
    location: Annotated[
        Texts | None,
        QueryParameter(name="location", max_items=LOCATIONS_MAX, description="at these"),
    ] = None,
    near: Annotated[
        str | None,
        QueryParameter(
            name="near",
            pattern=r"^-?[0-9]{1,2}(\.[0-9]{1,8})?,-?[0-9]{1,3}(\.[0-9]{1,8})?$",
            description="LATITUDE,LONGITUDE in degrees: at locations near there, nearest first",
        ),
    ] = None,
    within_km: Annotated[
        float, QueryParameter(name="within_km", ge=0, le=20_040, description="how near is near")
    ] = WITHIN_KM,
    ship_by: Annotated[
        ZonedTime | None, QueryParameter(name="ship_by", description="when the order has to leave")
    ] = None,
    explain: Annotated[
        bool, QueryParameter(name="explain", description="say which rule hid what")
    ] = False,
    cursor: CursorQuery = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=ANSWERS_MAX)] = 1_000,
) -> Response[AvailabilityPage]:
    """Return it as of one moment. Without `location` and `near`: everywhere the GTIN ever was."""
    caller.require_channel(channel)
    skus = list(dict.fromkeys(gtin_of(text) for text in gtin))
    ship_by_ms = ms_of(ship_by, "ship_by")
    named = None if location is None else [location_of(text) for text in location]
    require_sellable_at(caller, named or ())
    nearby = None if near is None else _nearby(services.rule_book.locations, near, within_km)
    after = decode_cursor(cursor, PAIR)

    def find(reader: JournalReader) -> bytes:
        known = _places(reader, named, nearby)
        places = {name: km for name, km in known.items() if may_sell_at(caller, name)}
        keys = _after(_keys(skus, places), after)
        found = _found(reader, keys, limit, with_unknown=named is not None)
        items = answers(services, found.states, channel, ship_by_ms, explain=explain, places=places)
        return _page(services, found, items)

    return _response(await services.reads.at_one_moment(find))


def _page(services: Services, found: Found, items: list[Availability]) -> bytes:
    """Return a page as JSON: thousands of answers are encoded where they were read."""
    page = AvailabilityPage(
        items=items,
        rules_version=services.rule_book.rules_version,
        position=found.position,
        next_cursor=None if found.next_key is None else encode_cursor(found.next_key),
    )
    return _encoder.encode(page)


def _response(page: bytes) -> Response[AvailabilityPage]:
    # The type is what the document of the API says of these bytes.
    return cast("Response[AvailabilityPage]", Response(page, media_type=MediaType.JSON))


def _nearby(locations: Mapping[str, LocationBody], near: str, within_km: float) -> Places:
    latitude, longitude = (float(part) for part in near.split(","))
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise invalid("near", "-90,-180 to 90,180 is expected")
    distances = [
        (distance_km(latitude, longitude, body.latitude, body.longitude), name)
        for name, body in locations.items()
        if body.latitude is not None and body.longitude is not None
    ]
    return {name: round(km, 3) for km, name in sorted(distances) if km <= within_km}


def _places(reader: JournalReader, named: list[str] | None, nearby: Places | None) -> Places:
    if named is None and nearby is None:
        return {row.store: None for row in reader.stores() if row.store != CLOUD_STORE_ID}
    if nearby is None:
        return dict.fromkeys(named or ())
    return {name: km for name, km in nearby.items() if named is None or name in named}


def _keys(skus: Sequence[str], places: Places) -> list[Key]:
    if len(skus) * len(places) > KEYS_MAX:
        raise invalid("gtin", f"at most {KEYS_MAX} GTINs times locations can be asked for at once")
    return [(place, sku) for sku in skus for place in places]


def _after(keys: list[Key], after: Key | None) -> list[Key]:
    if after is None:
        return keys
    if after not in keys:
        raise invalid("cursor", "it belongs to a request for other GTINs or locations")
    return keys[keys.index(after) + 1 :]


def _found(reader: JournalReader, keys: list[Key], limit: int, *, with_unknown: bool) -> Found:
    wanted = keys[: limit + 1] if with_unknown else keys
    known = _known(reader, wanted)
    told = [key for key in wanted if with_unknown or key in known]
    states = [
        decode_state(known[key].data) if key in known else SkuLocation(store=key[0], gtin=key[1])
        for key in told[:limit]
    ]
    next_key = told[limit - 1] if len(told) > limit else None
    return Found(reader.position(), states, next_key)


def _known(reader: JournalReader, keys: list[Key]) -> dict[Key, StateRow]:
    stores_by_gtin: dict[str, list[str]] = {}
    for store, gtin in keys:
        stores_by_gtin.setdefault(gtin, []).append(store)
    return {
        (row.store, row.gtin): row
        for gtin, stores in stores_by_gtin.items()
        for row in reader.states_at(stores, gtin)
    }


def answers(
    services: Services,
    states: Sequence[SkuLocation],
    channel: str,
    ship_by_ms: int,
    *,
    explain: bool,
    places: Places | None = None,
) -> list[Availability]:
    """Return what a channel may sell of each of these states, by the rules of this moment.

    Many of them take some milliseconds: then not on the event loop.
    """
    explained = services.rule_book.explained(states, channel, ship_by_ms, services.now_ms())
    distances = places or {}
    return [
        _answer(state, channel, explanation, distances.get(state.store), explain=explain)
        for state, explanation in zip(states, explained, strict=True)
    ]


def _answer(
    state: SkuLocation,
    channel: str,
    explanation: Explanation,
    distance_km: float | None,
    *,
    explain: bool,
) -> Availability:
    buffer = explanation.buffer
    arithmetic = None
    if explain:
        arithmetic = Arithmetic(
            on_hand=state.on_hand,
            reserved=state.reserved,
            unavailable=state.unavailable,
            rules=explanation,
        )
    return Availability(
        gtin=state.gtin,
        location=state.store,
        channel=channel,
        available=max(0, state.sellable - buffer.quantity),
        buffer=buffer.quantity,
        rule=buffer.rule,
        version=state.version,
        measure=state.measure,
        as_of=timestamp(state.as_of_ms) if state.measure else None,
        distance_km=distance_km,
        explanation=arithmetic,
    )


@post(
    "/availability/query",
    operation_id="query_availability",
    summary="What a channel may sell of many GTINs, each at a location of its own",
    tags=TAGS,
    guards=[ANYONE],
    status_code=200,
    responses=documented(),
)
async def query_availability(
    services: ServicesHere, caller: CallerHere, data: JSONBody[AvailabilityQuery]
) -> Response[AvailabilityPage]:
    """Return it as of one moment, in the order of the request. This changes nothing."""
    caller.require_channel(data.channel)
    keys = [(location_of(pair.location), gtin_of(pair.gtin)) for pair in data.items]
    require_sellable_at(caller, {location for location, _ in keys})
    ship_by_ms = ms_of(data.ship_by, "ship_by")

    def find(reader: JournalReader) -> bytes:
        found = _found(reader, keys, len(keys), with_unknown=True)
        items = answers(services, found.states, data.channel, ship_by_ms, explain=data.explain)
        return _page(services, found, items)

    return _response(await services.reads.at_one_moment(find))


ROUTES = [get_availability, query_availability]
