"""Documents as the API shows them: what rules and routing read, with their versions."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from cloud.api.problems import Fault
from cloud.context_documents import LocationBody, ProductBody, PromotionBody, WeatherBody
from cloud.orders.documents import RoutingDocument
from cloud.orders.routing import RoutingCosts
from cloud.rules import RuleSetDocument
from protocol.documents import Timestamp
from protocol.facts import GtinText

Version = Annotated[int, Meta(ge=0)]


class LocationDocument(Struct, frozen=True, kw_only=True):
    """What is known of a location."""

    location: str
    version: Version
    updated_at: Timestamp
    document: LocationBody


class LocationPage(Struct, frozen=True, kw_only=True):
    """Locations, by id."""

    items: list[LocationDocument]
    next_cursor: str | None


class WeatherDocument(Struct, frozen=True, kw_only=True):
    """The weather at a location."""

    location: str
    version: Version
    updated_at: Timestamp
    document: WeatherBody


class ProductDocument(Struct, frozen=True, kw_only=True):
    """What is known of a product."""

    gtin: GtinText
    version: Version
    updated_at: Timestamp
    document: ProductBody


class ProductPage(Struct, frozen=True, kw_only=True):
    """Products, by GTIN."""

    items: list[ProductDocument]
    next_cursor: str | None


class PromotionDocument(Struct, frozen=True, kw_only=True):
    """A promotion."""

    promotion: str
    version: Version
    updated_at: Timestamp
    document: PromotionBody


class PromotionPage(Struct, frozen=True, kw_only=True):
    """Promotions, by name."""

    items: list[PromotionDocument]
    next_cursor: str | None


class RulesDocument(Struct, frozen=True, kw_only=True):
    """The rules in force; version 0 before any were set."""

    version: Version
    updated_at: Timestamp | None
    document: RuleSetDocument


class RoutingBody(RoutingDocument, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How orders are routed and held. `hold_minutes` is for orders that say nothing else."""

    # The framework wants defaults that can be hashed; costs hold a table.
    costs: RoutingCosts = msgspec.field(default_factory=RoutingCosts)


class RoutingSettings(Struct, frozen=True, kw_only=True):
    """How orders are routed and held; version 0 before anybody set it."""

    version: Version
    updated_at: Timestamp | None
    document: RoutingBody


class RulesVerdict(Struct, frozen=True, kw_only=True):
    """Whether rules could be put in force, and everything that is wrong with them if not."""

    valid: bool
    errors: list[Fault]
