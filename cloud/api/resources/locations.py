"""What is known of locations, and the weather there: rules and routing read it."""

from litestar import Response, delete, get, put
from litestar.params import JSONBody

from cloud.api.access import ANYONE, Allows
from cloud.api.context_store import body_of, list_documents, name_of, read_document, write_document
from cloud.api.cursors import LIMIT
from cloud.api.documents.context import LocationDocument, LocationPage, WeatherDocument
from cloud.api.fields import (
    CursorQuery,
    IfMatch,
    IfNoneMatch,
    LimitQuery,
    LocationPath,
    location_of,
)
from cloud.api.problems import documented, invalid
from cloud.api.services import AskedHere, ServicesHere, answered, shown
from cloud.context_documents import LocationBody, WeatherBody
from cloud.records.document import Document
from cloud.rule_book import location_facts
from protocol.documents import timestamp

TAGS = ["context"]
WRITERS = Allows("ops")


@get(
    "/locations",
    operation_id="list_locations",
    summary="Locations, by id",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(),
)
async def list_locations(
    services: ServicesHere, cursor: CursorQuery = None, limit: LimitQuery = LIMIT
) -> LocationPage:
    """Return them, with their versions."""
    found, next_cursor = await list_documents(services, "location", cursor, limit)
    items = [_location(document) for document in found]
    return LocationPage(items=items, next_cursor=next_cursor)


@get(
    "/locations/{location:str}",
    operation_id="get_location",
    summary="What is known of a location",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(304, 404),
)
async def get_location(
    services: ServicesHere, location: LocationPath, if_none_match: IfNoneMatch = None
) -> Response[LocationDocument]:
    """Return it, with its version as the ETag."""
    document = await read_document(services, "location", location_of(location))
    return shown(_location(document), document.version, if_none_match)


@put(
    "/locations/{location:str}",
    operation_id="set_location",
    summary="Set what is known of a location",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def set_location(
    services: ServicesHere,
    keyed: AskedHere,
    location: LocationPath,
    data: JSONBody[LocationBody],
    if_match: IfMatch = None,
) -> Response[LocationDocument]:
    """Let this be the newest version."""
    _check(location, data)
    document, done = await write_document(
        services, "location", location_of(location), data, keyed, if_match
    )
    return answered(_location(document), done, document.version)


@delete(
    "/locations/{location:str}",
    operation_id="remove_location",
    summary="Forget what is known of a location",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def remove_location(
    services: ServicesHere, keyed: AskedHere, location: LocationPath, if_match: IfMatch = None
) -> None:
    """Forget it. Its versions go on counting, should it come back."""
    await write_document(services, "location", location_of(location), None, keyed, if_match)


def _location(document: Document) -> LocationDocument:
    return LocationDocument(
        location=name_of(document),
        version=document.version,
        updated_at=timestamp(document.updated_at_ms),
        document=body_of(LocationBody, document),
    )


def _check(location: str, body: LocationBody) -> None:
    """Raise a problem for a place that rules could not be asked about."""
    try:
        location_facts(location, body, None)
    except ValueError as error:
        raise invalid("location", str(error)) from error


@get(
    "/locations/{location:str}/weather",
    operation_id="get_weather",
    summary="The weather at a location",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(304, 404),
)
async def get_weather(
    services: ServicesHere, location: LocationPath, if_none_match: IfNoneMatch = None
) -> Response[WeatherDocument]:
    """Return it, with its version as the ETag."""
    document = await read_document(services, "weather", location_of(location))
    return shown(_weather(document), document.version, if_none_match)


@put(
    "/locations/{location:str}/weather",
    operation_id="set_weather",
    summary="Set the weather at a location",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def set_weather(
    services: ServicesHere,
    keyed: AskedHere,
    location: LocationPath,
    data: JSONBody[WeatherBody],
    if_match: IfMatch = None,
) -> Response[WeatherDocument]:
    """Let this be the newest version."""
    document, done = await write_document(
        services, "weather", location_of(location), data, keyed, if_match
    )
    return answered(_weather(document), done, document.version)


@delete(
    "/locations/{location:str}/weather",
    operation_id="remove_weather",
    summary="Forget the weather at a location",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def remove_weather(
    services: ServicesHere, keyed: AskedHere, location: LocationPath, if_match: IfMatch = None
) -> None:
    """Forget it. Its versions go on counting, should it come back."""
    await write_document(services, "weather", location_of(location), None, keyed, if_match)


def _weather(document: Document) -> WeatherDocument:
    return WeatherDocument(
        location=name_of(document),
        version=document.version,
        updated_at=timestamp(document.updated_at_ms),
        document=body_of(WeatherBody, document),
    )


ROUTES = [
    list_locations,
    get_location,
    set_location,
    remove_location,
    get_weather,
    set_weather,
    remove_weather,
]
