"""How orders are routed and held: the document `routing/default`, set through the API.

Where locations are, what they cost and what they can do is said by location documents
(`cloud.context_documents`). Both take effect with the next order.
"""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.commands.orders import PARCELS_MAX
from cloud.context_documents import LocationBody, RatesBody
from cloud.orders.routing import LocationOverrides, RoutingCosts
from cloud.orders.routing.problem import CANDIDATES_MAX, DISTANCE_KM_MAX


class RoutingDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How orders are routed and held. docs/orders.md explains every field.

    `unknown_distance_km` is taken where a location has no coordinates, `km_per_hour` is the speed
    of a parcel on its way. `hold_minutes` is how long an order is held that says nothing else.
    """

    costs: RoutingCosts = RoutingCosts()
    candidates_max: Annotated[int, Meta(ge=1, le=CANDIDATES_MAX)] = 200
    max_parcels: Annotated[int, Meta(ge=1, le=PARCELS_MAX)] = 4
    hold_minutes: Annotated[int, Meta(ge=1, le=100_000)] = 30
    km_per_hour: Annotated[float, Meta(ge=1, le=1_000)] = 60.0
    unknown_distance_km: Annotated[float, Meta(ge=0, le=DISTANCE_KM_MAX)] = 500.0
    budget_ms: Annotated[int, Meta(ge=5, le=10_000)] = 50


_location_decoder: Final = msgspec.json.Decoder(LocationBody)
_routing_decoder: Final = msgspec.json.Decoder(RoutingDocument)


def location_of(body: bytes) -> LocationBody:
    """Return a location document; raises `msgspec.DecodeError` for what is none."""
    return _location_decoder.decode(body)


def routing_of(body: bytes) -> RoutingDocument:
    """Return a routing document; raises `msgspec.DecodeError` for what is none."""
    return _routing_decoder.decode(body)


def overrides_of(rates: RatesBody) -> LocationOverrides:
    """Return a location's own rates as the router takes them."""
    return LocationOverrides(
        handling_cents=_own(rates.handling_cents),
        parcel_cents=_own(rates.parcel_cents),
        km_cents=_own(rates.km_cents),
        parcels_per_day=_own(rates.parcels_per_day),
        units_per_day=_own(rates.units_per_day),
        grams_per_day=_own(rates.grams_per_day),
    )


def _own(rate: int | None) -> int | UnsetType:
    return UNSET if rate is None else rate
