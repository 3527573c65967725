"""What a search found, as lines of text or JSON. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from edge.replay.tuning.parameters import Parameter, toml_lines
from edge.replay.tuning.tuning import Tried, Tuning

OVERFITS = (
    "warning: these settings win where they were fitted and not where they were held out; "
    "they have learnt this recording by heart: record more, or tune fewer parameters"
)
NOT_SPLIT = "warning: too few labels to hold any out, so nothing says whether this overfits"
NOTHING_BETTER = "nothing that was tried is better than the present settings"


def table_rows(parameters: Sequence[Parameter], tuning: Tuning) -> Iterator[list[str]]:
    """Yield a head and a row for each of the best settings, the present ones first."""
    yield ["settings", "fitted", "held out", *(parameter.name for parameter in parameters)]
    yield ["present", *_values(tuning.present), *("" for _ in parameters)]
    for number, tried in enumerate(tuning.best, 1):
        pairs = zip(parameters, tried.point, strict=True)
        settings = [str(parameter.values[index]) for parameter, index in pairs]
        yield [str(number), *_values(tried), *settings]


def advice_lines(parameters: Sequence[Parameter], tuning: Tuning) -> Iterator[str]:
    """Yield warnings, and the lines for `store.toml` if there is anything to gain."""
    if tuning.split_at_ms is None:
        yield NOT_SPLIT
    if not tuning.improves:
        yield NOTHING_BETTER
        return
    if tuning.overfits:
        yield OVERFITS
    yield from toml_lines(parameters, tuning.best[0].point)


def tuning_json(parameters: Sequence[Parameter], tuning: Tuning) -> str:
    """Return everything as one JSON object."""
    best = [
        {
            "fitted": tried.fitted,
            "held_out": tried.held_out,
            "settings": {
                parameter.name: parameter.values[index]
                for parameter, index in zip(parameters, tried.point, strict=True)
            },
        }
        for tried in tuning.best
    ]
    found = {
        "trials": tuning.trials,
        "split_at_s": None if tuning.split_at_ms is None else tuning.split_at_ms / 1_000,
        "present": {"fitted": tuning.present.fitted, "held_out": tuning.present.held_out},
        "best": best,
        "improves": tuning.improves,
        "overfits": tuning.overfits,
        "toml": list(toml_lines(parameters, tuning.best[0].point)) if tuning.improves else [],
    }
    return msgspec.json.encode(found).decode()


def _values(tried: Tried) -> list[str]:
    held_out = "" if tried.held_out is None else f"{tried.held_out:.4f}"
    return [f"{tried.fitted:.4f}", held_out]
