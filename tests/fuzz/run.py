"""Runs inputs through a target and watches: what escapes, how long it takes, how memory grows."""

import resource
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct, field

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import Target

CORPUS: Final = Path(__file__).parent / "corpus"
SLOW_S: Final = 0.1
AGAIN: Final = 3
"""A slow input is measured anew so often: the machine may have been busy."""
WARM_UP: Final = 2_000
GROWTH_MIB_MAX: Final = 64.0
FINDINGS_MAX: Final = 20


class Run(Struct, kw_only=True):
    """What a target did with its inputs."""

    target: str
    inputs: int = 0
    took_s: float = 0.0
    slowest_ms: float = 0.0
    growth_mib: float = 0.0
    findings: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings and self.growth_mib <= GROWTH_MIB_MAX


def corpus_of(name: str) -> list[bytes]:
    """Return the kept inputs of a target."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def fuzz(target: Target, inputs: int, seed: int) -> Iterator[Run]:
    """Run mutated inputs; yield how far it is, now and then, and in the end."""
    corpus = corpus_of(target.name)
    rng = Random(f"{target.name} {seed}")
    run = Run(target=target.name)
    began_s, base_mib = time.monotonic(), rss_mib()
    for number in range(inputs):
        if number == WARM_UP:
            base_mib = rss_mib()
        _try(target, mutated(rng, corpus), run)
        if number % 1_000 == 999:
            run.took_s = time.monotonic() - began_s
            yield run
    run.took_s = time.monotonic() - began_s
    run.growth_mib = max(0.0, rss_mib() - base_mib)
    yield run


def _try(target: Target, data: bytes, run: Run) -> None:
    run.inputs += 1
    took_s = _seconds(target, data, run)
    if took_s > SLOW_S:
        took_s = min(_seconds(target, data, run) for _ in range(AGAIN))
        if took_s > SLOW_S:
            _note(run, target, data, f"it takes {took_s * 1_000:.0f} ms")
    run.slowest_ms = max(run.slowest_ms, took_s * 1_000)


def _seconds(target: Target, data: bytes, run: Run) -> float:
    began_s = time.perf_counter()
    try:
        target.check(data)
    except Exception as error:  # noqa: BLE001 # Whatever escapes is what we look for.
        _note(run, target, data, f"{type(error).__name__}: {error}")
    return time.perf_counter() - began_s


def _note(run: Run, target: Target, data: bytes, what: str) -> None:
    if len(run.findings) < FINDINGS_MAX:
        run.findings.append(f"{target.name}: {what[:200]}: {data.hex()}")


def rss_mib() -> float:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
