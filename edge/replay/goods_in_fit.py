"""Fits goods-in's weights to labelled recordings: logistic regressions by Newton's method.

Plain Python, so that a station can be tuned where it stands. Each recording is also fitted with
every second read left out and cut to a third, so that the weights do not lean on how long a box
stood there or how well it was read. Only the tags read most take part: the others are no box, and
ten thousand certain strays would teach the threshold of the few that matter little.
Source of the method: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 4.4.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from edge.errors import Mistake
from edge.replay.goods_in_format import (
    GoodsInRecording,
    Labels,
    load_labels,
    load_recordings,
)
from edge.sensing.goods_in import (
    Background,
    Evidence,
    judge_evidence,
)
from edge.sensing.goods_in_features import CANDIDATES_MAX
from edge.sensing.goods_in_reads import SessionReads
from edge.sensing.goods_in_settings import SHIPPED, GoodsInSettings, Stages, Weights
from edge.sensing.readings import TagReading
from protocol.ids import Epc

RIDGE: Final = 1.0
"""A prior of standard deviation 1 on each weight of a standardised feature keeps it finite."""

FEATURES: Final = ("presence", "spread_db", "novelty", "company")
"""A row's values; the first stage has no company yet."""

STEPS_MAX: Final = 50
STEP_SMALL: Final = 1e-6
CUT: Final = 3
"""The shortened recording is the first one of so many parts of the whole."""


class FitRefused(Mistake):
    """The recordings cannot be fitted to; the text says what they lack."""


class Example(NamedTuple):
    """One recording, or what is left of it, worked out, with which of its tags are in the box."""

    box: str
    evidence: Evidence
    in_box: Sequence[bool]


class Variants(NamedTuple):
    """A recording whole, with every second read, and cut short."""

    whole: Example
    halved: Example
    short: Example


def fit(recordings: Sequence[GoodsInRecording], labels: Labels) -> GoodsInSettings:
    """Return the settings that fit the recordings best, or raise `FitRefused`."""
    return fit_variants([variants(recording, labels) for recording in recordings])


def fit_folder(folder: Path, labels: Path) -> GoodsInSettings:
    """Return the settings that fit a folder best, or raise `GoodsInInvalid` or `FitRefused`."""
    recordings = load_recordings(folder)
    return fit(recordings, load_labels(labels, recordings))


def variants(recording: GoodsInRecording, labels: Labels) -> Variants:
    """Work a recording out as often as it is fitted."""
    in_box = labels[recording.name.set_number]
    readings = recording.readings
    start_ms, end_ms = readings[0].last_seen_ms, readings[-1].last_seen_ms
    cut_ms = start_ms + (end_ms - start_ms) / CUT
    short = [reading for reading in readings if reading.last_seen_ms <= cut_ms]
    return Variants(
        *(_example(recording.name.box, part, in_box) for part in (readings, readings[::2], short))
    )


def fit_variants(examples: Sequence[Variants]) -> GoodsInSettings:
    """Return the settings that fit recordings that were worked out before."""
    if not examples:
        raise FitRefused("there is no other recording")
    every = [example for variant in examples for example in variant]
    nothing: list[list[float] | None] = [None] * len(every)
    settings = GoodsInSettings(alone=_stages(every, nothing), background=SHIPPED.background)
    if len({variant.whole.box for variant in examples}) == 1:
        return settings
    known = background_of((variant.whole for variant in examples), settings)
    new = [example.evidence.novelties(known.shares(example.box)) for example in every]
    return GoodsInSettings(alone=settings.alone, background=_stages(every, new))


def background_of(examples: Iterable[Example], settings: GoodsInSettings) -> Background:
    """Return what a station remembers of these recordings, each judged alone."""
    background = Background()
    for example in examples:
        background.learn(judge_evidence(example.box, example.evidence, settings, None))
    return background


def logistic(
    rows: Sequence[Sequence[float]], targets: Sequence[bool], ridge: float = RIDGE
) -> tuple[float, list[float]]:
    """Return bias and weights of a logistic regression with a ridge on standardised features."""
    columns = list(zip(*rows, strict=True))
    middles = [math.fsum(column) / len(column) for column in columns]
    scales = [_scale(column, middle) for column, middle in zip(columns, middles, strict=True)]
    data = [
        [1.0, *((v - m) / s for v, m, s in zip(row, middles, scales, strict=True))] for row in rows
    ]
    solution = [0.0] * (len(columns) + 1)
    for _ in range(STEPS_MAX):
        step = _newton_step(data, targets, solution, ridge)
        solution = [old - change for old, change in zip(solution, step, strict=True)]
        if max(map(abs, step)) < STEP_SMALL:
            break
    weights = [weight / scale for weight, scale in zip(solution[1:], scales, strict=True)]
    return solution[0] - _dot(weights, middles), weights


def _newton_step(
    data: Sequence[Sequence[float]],
    targets: Sequence[bool],
    solution: Sequence[float],
    ridge: float,
) -> list[float]:
    size = len(solution)
    gradient = [0.0, *(ridge * weight for weight in solution[1:])]
    hessian = [[ridge if i == j > 0 else 0.0 for j in range(size)] for i in range(size)]
    for row, target in zip(data, targets, strict=True):
        odds = min(max(_dot(solution, row), -30.0), 30.0)
        p = 1 / (1 + math.exp(-odds))
        weight, wrong = p * (1 - p), p - target
        for i, value in enumerate(row):
            gradient[i] += wrong * value
            line, weighted = hessian[i], weight * value
            for j in range(i + 1):
                line[j] += weighted * row[j]
    for i in range(size):
        for j in range(i):
            hessian[j][i] = hessian[i][j]
    return _solved(hessian, gradient)


def _solved(matrix: list[list[float]], values: Sequence[float]) -> list[float]:
    """Solve a positive definite system by elimination; the ridge makes it one."""
    size = len(values)
    lines = [[*line, value] for line, value in zip(matrix, values, strict=True)]
    for i in range(size):
        pivot = lines[i][i]
        for below in lines[i + 1 :]:
            factor = below[i] / pivot
            for j in range(i, size + 1):
                below[j] -= factor * lines[i][j]
    solution = [0.0] * size
    for i in reversed(range(size)):
        known = sum(lines[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (lines[i][size] - known) / lines[i][i]
    return solution


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(float.__mul__, one, other))


def _scale(column: Sequence[float], middle: float) -> float:
    deviation = math.sqrt(math.fsum((value - middle) ** 2 for value in column) / len(column))
    return deviation or 1.0


def _stages(every: Sequence[Example], new: Sequence[list[float] | None]) -> Stages:
    """Fit both stages, given how new each example's tags are."""
    targets = [in_box for example in every for in_box in example.in_box[:CANDIDATES_MAX]]
    if len(set(targets)) < len((False, True)):
        raise FitRefused("the recordings need tags in the box, and strays")
    rows = [e.evidence.rows(novel) for e, novel in zip(every, new, strict=True)]
    first = _weights(rows, targets)
    rows = [e.evidence.rows_with_company(some, first) for e, some in zip(every, rows, strict=True)]
    return Stages(first=first, second=_weights(rows, targets))


def _weights(rows_of_each: Sequence[list[list[float]]], targets: Sequence[bool]) -> Weights:
    rows = [row for rows in rows_of_each for row in rows[:CANDIDATES_MAX]]
    bias, weights = logistic(rows, targets)
    return Weights(bias=bias, **dict(zip(FEATURES, weights, strict=False)))


def _example(box: str, readings: Sequence[TagReading], in_box: frozenset[Epc]) -> Example:
    reads = SessionReads()
    reads.observe(readings)
    evidence = Evidence.of(reads)
    return Example(box, evidence, [trace.epc in in_box for trace in evidence.traces])
