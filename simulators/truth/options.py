"""What a run of the truth benchmark is asked to do."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from protocol.ids import Gtin

DAY_MS: Final = 86_400_000
FACTOR_MAX: Final = 20.0
FACTORS: Final = ("read", "theft", "errors")
_FACTOR: Final = re.compile(r"(\w+)=([0-9]+(?:\.[0-9]+)?)")


class Factors(NamedTuple):
    """By how much the world is worse than its scenario says; nobody tells the model.

    `read` multiplies the shares of reads that fail, `theft` what is stolen, and `errors` the
    mistakes of tills, deliveries, returns and counts.
    """

    read: float = 1.0
    theft: float = 1.0
    errors: float = 1.0


class TruthOptions(NamedTuple):
    """One run. `trace` is an article whose story in the first store is written to stderr."""

    scenario: str
    days: int
    stores: int
    seed: int
    factors: Factors = Factors()
    processes: int = 1
    trace: Gtin | None = None
    plot: Path | None = None


def parse_factors(texts: Sequence[str]) -> Factors:
    """Return factors as they are given on a command line. Raises `ValueError`."""
    factors = Factors()
    for text in texts:
        matched = _FACTOR.fullmatch(text)
        if matched is None or matched[1] not in FACTORS:
            names = ", ".join(f"{name}=NUMBER" for name in FACTORS)
            raise ValueError(f"--factor {text}: expected one of {names}")
        if float(matched[2]) > FACTOR_MAX:
            raise ValueError(f"--factor {text}: at most {FACTOR_MAX:g}")
        factors = factors._replace(**{matched[1]: float(matched[2])})
    return factors
