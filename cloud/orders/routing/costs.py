"""What fulfilling costs and how much a location takes on: `[routing]` in `cloud.toml`.

Amounts are whole cents of one currency. A rate "per unit" is per unit of a counted good and per
kilogram of a weighed one. Rates are set per kind of location and may be overridden per location.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

LocationKind: TypeAlias = Literal["store", "warehouse"]

CENTS_MAX: Final = 100_000
CAPACITY_MAX: Final = 1_000_000_000

Cents = Annotated[int, Meta(ge=0, le=CENTS_MAX, description=f"0 to {CENTS_MAX} cents")]
Parcels = Annotated[int, Meta(ge=0, le=CAPACITY_MAX, description=f"0 to {CAPACITY_MAX} parcels")]
Units = Annotated[int, Meta(ge=0, le=CAPACITY_MAX, description=f"0 to {CAPACITY_MAX} units")]
Grams = Annotated[int, Meta(ge=0, le=CAPACITY_MAX, description=f"0 to {CAPACITY_MAX} grams")]


class LocationRates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one location charges, and what it can do in one day."""

    handling_cents: Cents = 60
    parcel_cents: Cents = 550
    km_cents: Cents = 1
    parcels_per_day: Parcels = 40
    units_per_day: Units = 200
    grams_per_day: Grams = 100_000


class LocationOverrides(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs at one location from the rates of its kind; what is absent does not differ."""

    handling_cents: Cents | UnsetType = UNSET
    parcel_cents: Cents | UnsetType = UNSET
    km_cents: Cents | UnsetType = UNSET
    parcels_per_day: Parcels | UnsetType = UNSET
    units_per_day: Units | UnsetType = UNSET
    grams_per_day: Grams | UnsetType = UNSET


class WarehouseRates(LocationRates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for warehouses, with defaults of their own."""

    handling_cents: Cents = 35
    parcel_cents: Cents = 480
    km_cents: Cents = 0
    parcels_per_day: Parcels = 20_000
    units_per_day: Units = 100_000
    grams_per_day: Grams = 50_000_000


class RoutingCosts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What routing minimises. docs/routing.md explains every field."""

    extra_parcel_cents: Cents = 300
    late_allowed: bool = False
    late_cents_per_day: Cents = 500
    need_cents: Cents = 250
    unfilled_cents: Cents = CENTS_MAX
    store: LocationRates = LocationRates()
    warehouse: WarehouseRates = WarehouseRates()
    locations: dict[str, LocationOverrides] = {}

    def rates_of(self, location: str, kind: LocationKind) -> LocationRates:
        """Return the rates of a location: those of its kind, with its own overrides."""
        base = self.store if kind == "store" else self.warehouse
        own = self.locations.get(location)
        if own is None:
            return base
        return LocationRates(
            handling_cents=_pick(own.handling_cents, base.handling_cents),
            parcel_cents=_pick(own.parcel_cents, base.parcel_cents),
            km_cents=_pick(own.km_cents, base.km_cents),
            parcels_per_day=_pick(own.parcels_per_day, base.parcels_per_day),
            units_per_day=_pick(own.units_per_day, base.units_per_day),
            grams_per_day=_pick(own.grams_per_day, base.grams_per_day),
        )


def _pick(own: int | UnsetType, base: int) -> int:
    return base if isinstance(own, UnsetType) else own
