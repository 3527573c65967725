"""What is known of products, and promotions of them: rules read it."""

from litestar import Response, delete, get, put
from litestar.params import JSONBody

from cloud.api.access import ANYONE, Allows
from cloud.api.context_store import body_of, list_documents, name_of, read_document, write_document
from cloud.api.cursors import LIMIT
from cloud.api.documents.context import (
    ProductDocument,
    ProductPage,
    PromotionDocument,
    PromotionPage,
)
from cloud.api.fields import (
    CursorQuery,
    GtinPath,
    IdPath,
    IfMatch,
    IfNoneMatch,
    LimitQuery,
    gtin_of,
    location_of,
)
from cloud.api.problems import documented
from cloud.api.services import AskedHere, ServicesHere, answered, shown
from cloud.context_documents import ProductBody, PromotionBody
from cloud.records.document import Document
from protocol.documents import timestamp

TAGS = ["context"]
WRITERS = Allows("ops")


@get(
    "/products",
    operation_id="list_products",
    summary="Products, by GTIN",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(),
)
async def list_products(
    services: ServicesHere, cursor: CursorQuery = None, limit: LimitQuery = LIMIT
) -> ProductPage:
    """Return them, with their versions."""
    found, next_cursor = await list_documents(services, "product", cursor, limit)
    items = [_product(document) for document in found]
    return ProductPage(items=items, next_cursor=next_cursor)


@get(
    "/products/{gtin:str}",
    operation_id="get_product",
    summary="What is known of a product",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(304, 404),
)
async def get_product(
    services: ServicesHere, gtin: GtinPath, if_none_match: IfNoneMatch = None
) -> Response[ProductDocument]:
    """Return it, with its version as the ETag."""
    document = await read_document(services, "product", gtin_of(gtin))
    return shown(_product(document), document.version, if_none_match)


@put(
    "/products/{gtin:str}",
    operation_id="set_product",
    summary="Set what is known of a product",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def set_product(
    services: ServicesHere,
    keyed: AskedHere,
    gtin: GtinPath,
    data: JSONBody[ProductBody],
    if_match: IfMatch = None,
) -> Response[ProductDocument]:
    """Let this be the newest version."""
    document, done = await write_document(services, "product", gtin_of(gtin), data, keyed, if_match)
    return answered(_product(document), done, document.version)


@delete(
    "/products/{gtin:str}",
    operation_id="remove_product",
    summary="Forget what is known of a product",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def remove_product(
    services: ServicesHere, keyed: AskedHere, gtin: GtinPath, if_match: IfMatch = None
) -> None:
    """Forget it. Its versions go on counting, should it come back."""
    await write_document(services, "product", gtin_of(gtin), None, keyed, if_match)


def _product(document: Document) -> ProductDocument:
    return ProductDocument(
        gtin=name_of(document),
        version=document.version,
        updated_at=timestamp(document.updated_at_ms),
        document=body_of(ProductBody, document),
    )


@get(
    "/promotions",
    operation_id="list_promotions",
    summary="Promotions, by name",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(),
)
async def list_promotions(
    services: ServicesHere, cursor: CursorQuery = None, limit: LimitQuery = LIMIT
) -> PromotionPage:
    """Return them, with their versions."""
    found, next_cursor = await list_documents(services, "promotion", cursor, limit)
    items = [_promotion(document) for document in found]
    return PromotionPage(items=items, next_cursor=next_cursor)


@get(
    "/promotions/{promotion:str}",
    operation_id="get_promotion",
    summary="A promotion",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(304, 404),
)
async def get_promotion(
    services: ServicesHere, promotion: IdPath, if_none_match: IfNoneMatch = None
) -> Response[PromotionDocument]:
    """Return it, with its version as the ETag."""
    document = await read_document(services, "promotion", promotion)
    return shown(_promotion(document), document.version, if_none_match)


@put(
    "/promotions/{promotion:str}",
    operation_id="set_promotion",
    summary="Set a promotion",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def set_promotion(
    services: ServicesHere,
    keyed: AskedHere,
    promotion: IdPath,
    data: JSONBody[PromotionBody],
    if_match: IfMatch = None,
) -> Response[PromotionDocument]:
    """Let this be the newest version."""
    _check(data)
    document, done = await write_document(services, "promotion", promotion, data, keyed, if_match)
    return answered(_promotion(document), done, document.version)


@delete(
    "/promotions/{promotion:str}",
    operation_id="remove_promotion",
    summary="Forget a promotion",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def remove_promotion(
    services: ServicesHere, keyed: AskedHere, promotion: IdPath, if_match: IfMatch = None
) -> None:
    """Forget it. Its versions go on counting, should it come back."""
    await write_document(services, "promotion", promotion, None, keyed, if_match)


def _promotion(document: Document) -> PromotionDocument:
    return PromotionDocument(
        promotion=name_of(document),
        version=document.version,
        updated_at=timestamp(document.updated_at_ms),
        document=body_of(PromotionBody, document),
    )


def _check(body: PromotionBody) -> None:
    """Raise a problem for a GTIN or a location that cannot be."""
    for gtin in body.gtins:
        gtin_of(gtin, "gtins")
    for location in body.locations:
        location_of(location, "locations")


ROUTES = [
    list_products,
    get_product,
    set_product,
    remove_product,
    list_promotions,
    get_promotion,
    set_promotion,
    remove_promotion,
]
