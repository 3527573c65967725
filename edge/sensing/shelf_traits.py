"""What is known of a shelf before anything is weighed: its products and its scale's accuracy. Pure.

Weights are in grams, `_sd_g` is a standard deviation.
"""

from typing import Final, NamedTuple

from protocol.ids import Gtin

PRODUCTS_PER_SHELF_MAX: Final = 2
"""The weights of three products explain nearly any sum, so no more than two are told apart."""


class Product(NamedTuple):
    """One product of a shelf.

    `item_weight_g` is what one item weighs on average, known with the standard error
    `item_weight_error_g`; single items are off by `item_weight_sd_g`. Both are only where learning
    begins.
    """

    gtin: Gtin
    item_weight_g: float
    item_weight_sd_g: float
    item_weight_error_g: float


class ScaleTraits(NamedTuple):
    """How true a scale is.

    `noise_sd_g` is of one reading at rest, `resolution_g` the step of the display. The zero walks:
    after an hour it is off by `drift_sd_g_per_hour`, after four by twice that. `span_error` is what
    hysteresis, creep and a bent characteristic do, as a part of a change of load.
    `rest_readings` that agree are rest.
    """

    noise_sd_g: float = 2.0
    resolution_g: float = 1.0
    drift_sd_g_per_hour: float = 2.0
    span_error: float = 0.001
    rest_readings: int = 5
    capacity_g: float = 150_000.0


class Shelf(NamedTuple):
    """One shelf. `zero_sd_g` is how far its zero may be off when nothing else is known of it."""

    name: str
    products: tuple[Product, ...]
    zero_sd_g: float
    traits: ScaleTraits = ScaleTraits()


class WeightReading(NamedTuple):
    """One shelf as its scale reported it. `weight_g` is signed: a scale drifts below zero."""

    stable: bool
    overload: bool
    fault: bool
    weight_g: float
