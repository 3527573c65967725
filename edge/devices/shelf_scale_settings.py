"""Settings of a `shelf_scale` device; apart from its driver, so that they load no Modbus.

Weights are in grams; `_sd_g` is a standard deviation. Items' weights and spreads are only where
learning begins.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from edge.sensing.shelf_traits import PRODUCTS_PER_SHELF_MAX, Product, ScaleTraits, Shelf
from protocol.facts import Name
from protocol.ids import parse_gtin

ITEM_SPREAD_SHARE: Final = 0.01
"""An item's spread as a part of its weight, where no other is given."""
ITEM_ERROR_SHARE: Final = 0.02
"""How far a weight from master data may be from the items' mean, where nothing else is given."""
TOLERANCE_SDS: Final = 2.5
ZERO_NOISES: Final = 2.0
"""A zero is not known better than this many times the noise, however light the items are."""

ItemWeight = Annotated[float, Meta(ge=1, le=1_000_000)]
PositiveGrams = Annotated[float, Meta(gt=0, le=100_000)]
Baudrate = Literal[9_600, 19_200, 38_400, 57_600, 115_200]
Parity = Literal["even", "odd", "none"]
WordOrder = Literal["high_first", "low_first"]


class ProductSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several products of a shelf; the fields mean what they mean for a shelf."""

    gtin: str
    item_weight_g: ItemWeight
    item_weight_sd_g: PositiveGrams | None = None
    item_weight_error_g: PositiveGrams | None = None

    def __post_init__(self) -> None:
        """Refuse a GTIN with a wrong check digit."""
        parse_gtin(self.gtin)

    @property
    def product(self) -> Product:
        """The product, as sensing knows it."""
        weight_g = self.item_weight_g
        return Product(
            parse_gtin(self.gtin),
            weight_g,
            self.item_weight_sd_g or ITEM_SPREAD_SHARE * weight_g,
            self.item_weight_error_g or ITEM_ERROR_SHARE * weight_g,
        )


class ShelfSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shelf of a scale: `index` is its number there.

    On it lies one product (`gtin`, `item_weight_g`), or several (`products`). Single items are off
    their mean weight by `item_weight_sd_g`, the mean is known with the standard error
    `item_weight_error_g`. `tolerance` is how far, as a part of one item's weight, the zero may be
    off before anything is known of it.
    """

    shelf: Name
    index: Annotated[int, Meta(ge=0, le=16_383)]
    gtin: str | None = None
    item_weight_g: ItemWeight | None = None
    item_weight_sd_g: PositiveGrams | None = None
    item_weight_error_g: PositiveGrams | None = None
    products: Annotated[list[ProductSettings], Meta(max_length=PRODUCTS_PER_SHELF_MAX)] = []
    tolerance: Annotated[float, Meta(gt=0, lt=0.5)] = 0.25

    def __post_init__(self) -> None:
        """Refuse a shelf without a product, with one said in two ways, or with one twice."""
        if bool(self.products) == (self.gtin is not None):
            raise ValueError("expected either gtin with item_weight_g, or products")
        if (self.gtin is None) != (self.item_weight_g is None):
            raise ValueError("gtin and item_weight_g belong together")
        if self.products and (self.item_weight_sd_g or self.item_weight_error_g):
            raise ValueError("of several products, each has an item weight of its own")
        gtins = [product.product.gtin for product in self.all_products]
        if len(set(gtins)) < len(gtins):
            raise ValueError(f"products: gtin {gtins[0]} is given twice")

    @property
    def all_products(self) -> list[ProductSettings]:
        """What lies on the shelf, said one way or the other."""
        if self.gtin is None or self.item_weight_g is None:
            return self.products
        only = ProductSettings(
            gtin=self.gtin,
            item_weight_g=self.item_weight_g,
            item_weight_sd_g=self.item_weight_sd_g,
            item_weight_error_g=self.item_weight_error_g,
        )
        return [only]


class ShelfScaleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scale, on Modbus TCP (`host`, `port`) or RTU (`serial_port`, `baud`, `parity`).

    Reading all its shelves is repeated every `poll_ms`. `timeout_ms` bounds one exchange; it may be
    waited for twice, within one poll of the device. `word_order` is which half of a weight comes
    first. `noise_sd_g` is of one reading, `resolution_g` the step of the display, `capacity_g` what
    a shelf bears at most. After an hour the zero is off by `drift_sd_g_per_hour`, after four by
    twice that. `rest_readings` readings that agree are rest.
    """

    name: Name
    host: Annotated[str, Meta(min_length=1)] | None = None
    port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    serial_port: Annotated[str, Meta(min_length=1, max_length=4_096)] | None = None
    baud: Baudrate = 19_200
    parity: Parity = "even"
    unit_id: Annotated[int, Meta(ge=0, le=255)] = 1
    word_order: WordOrder = "high_first"
    poll_ms: Annotated[int, Meta(ge=50, le=3_600_000)] = 500
    timeout_ms: Annotated[int, Meta(ge=20, le=125)] = 125
    noise_sd_g: PositiveGrams = 2.0
    resolution_g: PositiveGrams = 1.0
    drift_sd_g_per_hour: PositiveGrams = 2.0
    capacity_g: Annotated[float, Meta(ge=10, le=10_000_000)] = 150_000.0
    rest_readings: Annotated[int, Meta(ge=1, le=50)] = 5
    shelves: Annotated[list[ShelfSettings], Meta(min_length=1, max_length=1_000)]

    def __post_init__(self) -> None:
        """Refuse a scale without an address or with two, and shelves of one name or one index."""
        if (self.host is None) == (self.serial_port is None):
            raise ValueError("expected either host, or serial_port")
        for what in ("shelf", "index"):
            values = [getattr(shelf, what) for shelf in self.shelves]
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise ValueError(f"shelves: {what} {twice.pop()!r} is given twice")

    @property
    def address(self) -> str:
        """Where the scale is, for people."""
        return self.serial_port if self.host is None else f"{self.host}:{self.port}"  # type: ignore[return-value] # It has one of them.

    @property
    def traits(self) -> ScaleTraits:
        """How true the scale is, as sensing knows it."""
        return ScaleTraits(
            noise_sd_g=self.noise_sd_g,
            resolution_g=self.resolution_g,
            drift_sd_g_per_hour=self.drift_sd_g_per_hour,
            rest_readings=self.rest_readings,
            capacity_g=self.capacity_g,
        )

    def sensed(self, shelf: ShelfSettings) -> Shelf:
        """Return a shelf of this scale, as sensing knows it."""
        products = tuple(each.product for each in shelf.all_products)
        lightest_g = min(product.item_weight_g for product in products)
        zero_sd_g = max(shelf.tolerance * lightest_g / TOLERANCE_SDS, ZERO_NOISES * self.noise_sd_g)
        return Shelf(shelf.shelf, products, zero_sd_g, self.traits)
