"""What a run found out, as a document for machines; `tables.py` is for people.

The document names everything that is needed to run it again: scenario, seed, days, stores and
factors. The same run gives the same document, but for `took_s`.
"""

from collections import Counter
from itertools import pairwise
from typing import Any, Final

from simulators.truth.accuracy import Accuracy, OutOfStock
from simulators.truth.calibration import SURENESS, Calibration
from simulators.truth.causes import WrongCount
from simulators.truth.closing import (
    METHODS,
    Closing,
    Flags,
)
from simulators.truth.directions import SURE_FROM, Directions
from simulators.truth.options import DAY_MS
from simulators.truth.outcome import Outcome
from simulators.truth.thefts import Thefts

SCHEMA: Final = "truth/1"
WRONG_TOLD_MAX: Final = 200
"""So many wrong counts are told one by one, those off by most first."""


def document(outcome: Outcome) -> dict[str, Any]:
    """Return everything, as JSON takes it."""
    options = outcome.options
    return {
        "schema": SCHEMA,
        "scenario": options.scenario,
        "days": options.days,
        "stores": options.stores,
        "seed": options.seed,
        "factors": options.factors._asdict(),
        "final": _closing(outcome.closings[-1]),
        "by_day": [_day(number, each) for number, each in enumerate(outcome.closings, 1)],
        "calibration_all_days": _calibration(all_days(outcome)),
        "thefts": {method: _thefts(outcome.thefts[method]) for method in METHODS},
        "directions": {portal: _directions(score) for portal, score in outcome.directions.items()},
        "causes": dict(causes(outcome).most_common()),
        "wrong": [_wrong(each) for each in _worst(outcome)[:WRONG_TOLD_MAX]],
        "observed": dict(sorted(outcome.observed.items())),
        "facts": outcome.facts,
        "quarantined": dict(sorted(outcome.quarantined.items())),
        "recounts": outcome.recounts,
        "took_s": round(outcome.took_s, 1),
    }


def causes(outcome: Outcome) -> Counter[str]:
    """Count the counts that are wrong in the end by what they are put down to most."""
    return Counter(each.causes[0] for each in outcome.wrong)


def all_days(outcome: Outcome) -> Calibration:
    """Return the calibration of all closings together."""
    together = Calibration()
    for closing in outcome.closings:
        together.merge(closing.calibration)
    return together


def _worst(outcome: Outcome) -> list[WrongCount]:
    return sorted(
        outcome.wrong, key=lambda each: (-abs(each.said - each.truth), -each.sure, each.gtin)
    )


def _closing(closing: Closing) -> dict[str, Any]:
    return {
        "accuracy": {method: _accuracy(closing.accuracy[method]) for method in METHODS},
        "out_of_stock": {method: _out_of_stock(closing.out_of_stock[method]) for method in METHODS},
        "phantoms_in_book": _flags(closing.book_flags),
        "phantoms_in_ledger": _flags(closing.ledger_flags),
        "calibration": _calibration(closing.calibration),
    }


def _day(number: int, closing: Closing) -> dict[str, Any]:
    calibration = closing.calibration
    return {
        "day": number,
        "accuracy": {method: _accuracy(closing.accuracy[method]) for method in METHODS},
        "coverage_50": _rounded(calibration.coverage_50),
        "coverage_90": _rounded(calibration.coverage_90),
        "log_score_nats": _rounded(calibration.mean_log_score_nats),
    }


def _accuracy(score: Accuracy) -> dict[str, Any]:
    told: dict[str, Any] = {
        "locations": score.locations,
        "exact_share": _rounded(score.exact_share),
        "within_one_share": _rounded(score.within_one_share),
        "mean_error_units": _rounded(score.mean_error_units),
        "too_much": score.too_much,
        "too_little": score.locations - score.exact - score.too_much,
    }
    if score.weighed:
        told["weighed"] = score.weighed
        told["weighed_exact_share"] = _rounded(score.weighed_exact / score.weighed)
    return told


def _out_of_stock(score: OutOfStock) -> dict[str, Any]:
    return {
        "empty": score.empty,
        "said_empty": score.said_empty,
        "phantoms": score.phantoms,
        "precision": _rounded(score.precision),
        "recall": _rounded(score.recall),
    }


def _flags(flags: Flags) -> dict[str, Any]:
    return {
        "phantoms": flags.phantoms,
        "flagged": flags.flagged,
        "precision": _rounded(flags.precision),
        "recall": _rounded(flags.recall),
    }


def _calibration(score: Calibration) -> dict[str, Any]:
    return {
        "forecasts": score.forecasts,
        "coverage_50": _rounded(score.coverage_50),
        "coverage_90": _rounded(score.coverage_90),
        "interval_90_covers": _rounded(score.plain_coverage),
        "interval_90_holds": _rounded(score.plain_nominal),
        "log_score_nats": _rounded(score.mean_log_score_nats),
        "pit_histogram": score.histogram,
        "reliability": [
            {
                "sure_from": low,
                "sure_to": high,
                "said": bucket.said,
                "mean_sure": _rounded(bucket.sure / bucket.said),
                "exact_share": _rounded(bucket.exact / bucket.said),
            }
            for (low, high), bucket in zip(pairwise(SURENESS), score.buckets, strict=True)
            if bucket.said
        ],
    }


def _thefts(thefts: Thefts) -> dict[str, Any]:
    return {
        "stolen": thefts.stolen,
        "noticed_share": _rounded(thefts.noticed_share),
        "noticed_in_a_day_share": _rounded(thefts.within_share(DAY_MS)),
        "noticed_in_a_week_share": _rounded(thefts.within_share(7 * DAY_MS)),
        "median_delay_days": round(thefts.median_delay_days, 2),
    }


def _directions(score: Directions) -> dict[str, Any]:
    return {
        **score._asdict(),
        "accuracy": _rounded(score.accuracy),
        "sure_from": SURE_FROM,
        "wrong_unsure_share": _rounded(score.wrong_unsure_share),
    }


def _wrong(each: WrongCount) -> dict[str, Any]:
    return {
        "store": each.store,
        "gtin": each.gtin,
        "truth": each.truth,
        "said": each.said,
        "interval_90": [each.low, each.high],
        "sure": _rounded(each.sure),
        "since_day": each.since_day + 1,
        "causes": list(each.causes),
        "others": dict(each.others),
    }


def _rounded(value: float) -> float:
    return round(value, 5)
