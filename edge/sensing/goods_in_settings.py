"""The weights by which goods-in judges, and how they were found.

They are coefficients of logistic regressions, fitted by `edge.replay.goods_in_fit` on recordings
from one position of a real shop: three boxes of ten tags, five times 30 s each, two beams; each
recording as it is, with every second read left out, and cut to 10 s. Sixteen numbers in all.
`stocktruth-edge tune --format goods-in` fits them anew for a station with recordings of its own.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

Threshold = Annotated[float, Meta(ge=0.5, lt=1.0)]


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each feature adds to the log-odds that a tag is in the box."""

    bias: float
    presence: float
    spread_db: float
    novelty: float = 0.0
    company: float = 0.0


class Stages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`first` judges each tag by itself, `second` by its company among those too."""

    first: Weights
    second: Weights


class GoodsInSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How goods-in judges: `alone` where nothing else is known, or with a `background`.

    A tag is told as in the box from a probability of `sure` on, as a stray up to 1 - `sure`, and
    as unsure in between.
    """

    alone: Stages
    background: Stages
    sure: Threshold = 0.8


SHIPPED: Final = GoodsInSettings(
    alone=Stages(
        first=Weights(bias=-8.821, presence=4.222, spread_db=1.717),
        second=Weights(bias=-8.791, presence=3.585, spread_db=1.661, company=1.396),
    ),
    background=Stages(
        first=Weights(bias=-12.900, presence=2.756, spread_db=1.197, novelty=2.916),
        second=Weights(bias=-13.831, presence=2.628, spread_db=1.237, novelty=3.045, company=2.736),
    ),
)
"""Fitted on all fifteen recordings."""
