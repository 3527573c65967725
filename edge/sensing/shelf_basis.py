"""What a shelf's count rests on, and what is wrong with a shelf, in words for people. Pure."""

from typing import Final

from edge.sensing.shelf_rest import Rest
from edge.sensing.shelf_spreads import Spread
from edge.sensing.shelf_tracker import Estimate

BASIS_CHARS_MAX: Final = 200


def basis_of(estimate: Estimate, rest: Rest, spreads: list[Spread], off_g: float | None) -> str:
    """Return how a count follows from a weight; `off_g` is what the weight changed by."""
    best = estimate.best
    parts = [
        f"{count} x {best.item_weight_g(at):.1f} g (±{best.item_weight_error_g(at):.1f},"
        f" {spreads[at].items_seen} learnt)"
        for at, count in enumerate(estimate.units)
    ]
    change = "" if off_g is None else f", {off_g:+.0f} g since before"
    text = (
        f"{rest.weight_g:.0f} g at rest ({rest.readings} readings in {rest.spread_g:.0f} g{change})"
        f" = {' + '.join(parts)}, zero {best.zero_g:+.0f} g; P {estimate.probability:.3f}"
    )
    return text[:BASIS_CHARS_MAX]


def foreign_trouble(shelf: str, estimate: Estimate) -> str:
    """Return what to say of a weight that no whole units explain."""
    off_g = estimate.best.foreign_g
    if off_g < 0:
        return f"shelf {shelf}: {-off_g:.0f} g too little for whole units: was it tared?"
    return f"shelf {shelf}: {off_g:.0f} g that are no whole units lie there; not counted"


def unexplained_trouble(shelf: str, weight_g: float) -> str:
    """Return what to say of a first weight that no whole units explain."""
    if weight_g < 0:
        return f"shelf {shelf}: {weight_g:.0f} g is below its zero; tare it empty"
    return f"shelf {shelf}: {weight_g:.0f} g is no whole number of units; not counted"


def ambiguous_trouble(shelf: str, estimate: Estimate) -> str:
    """Return what to say of a weight that several mixtures of products explain."""
    likely = " + ".join(map(str, estimate.units))
    return (
        f"shelf {shelf}: several mixtures of its products weigh the same"
        f" ({likely} has P {estimate.probability:.2f}); not counted"
    )
