"""Tunes sensing on one recording: every trial senses the decoded inputs anew and is judged.

Pure. The labels' last part in time is held out: the search never sees it, and settings that win
before it and lose in it have learnt this recording by heart.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from edge.config import EdgeSettings
from edge.replay.inputs import Input
from edge.replay.judging import Verdict, judge
from edge.replay.labels import Labels
from edge.replay.scoring import objective, scores
from edge.replay.sensing import ReplaySensing
from edge.replay.tuning.parameters import Parameter, Point, nearest_point, settings_at
from edge.replay.tuning.search import search

if TYPE_CHECKING:
    from random import Random

HELD_OUT_SHARE: Final = 0.3
LABELS_TO_SPLIT_MIN: Final = 4
BEST_SHOWN: Final = 10
LOSS_TOLERATED: Final = 1e-9


class Tried(Struct, frozen=True, kw_only=True):
    """Settings that were tried; values from 0 to 1, `held_out` is `None` without a split."""

    point: tuple[int, ...]
    fitted: float
    held_out: float | None


class Tuning(Struct, frozen=True, kw_only=True):
    """What a search found. `split_at_ms` is since the recording began.

    `present` is the settings as they are, which need not lie on the grid.
    """

    present: Tried
    best: list[Tried]
    trials: int
    split_at_ms: float | None

    @property
    def improves(self) -> bool:
        """Whether the best settings are better than the present ones, where they were fitted."""
        return self.best[0].fitted > self.present.fitted + LOSS_TOLERATED

    @property
    def overfits(self) -> bool:
        """Whether what was gained in fitting is lost, wholly or by more than half, held out."""
        best = self.best[0]
        if not self.improves or best.held_out is None or self.present.held_out is None:
            return False
        gained = best.fitted - self.present.fitted
        kept = best.held_out - self.present.held_out
        has_room = self.present.held_out < 1.0 - LOSS_TOLERATED
        return kept < -LOSS_TOLERATED or (has_room and kept < gained / 2)


class Tuner:
    """One recording, decoded, its labels, and the parameters to search."""

    def __init__(
        self,
        settings: EdgeSettings,
        inputs: Sequence[Input],
        labels: Labels,
        started_utc_ms: int,
        parameters: Sequence[Parameter],
    ) -> None:
        self._settings = settings
        self._inputs = inputs
        self._labels = labels
        self._started_utc_ms = started_utc_ms
        self._parameters = parameters

    def tune(self, trials_max: int, chance: "Random") -> Tuning:
        """Search, and return the best settings and the present ones."""
        present = self._judged(self._settings)
        split_at_ms = _split(present)
        sizes = [len(parameter.values) for parameter in self._parameters]
        start = nearest_point(self._settings, self._parameters)

        found: dict[Point, Tried] = {}

        def value(point: Point) -> float:
            settings = settings_at(self._settings, self._parameters, point)
            found[point] = _tried(point, self._judged(settings), split_at_ms)
            return found[point].fitted

        tried = search(sizes, start, value, trials_max=trials_max, chance=chance)
        return Tuning(
            present=_tried((), present, split_at_ms),
            best=[found[each.point] for each in tried[:BEST_SHOWN]],
            trials=len(tried),
            split_at_ms=split_at_ms,
        )

    def _judged(self, settings: EdgeSettings) -> list[Verdict]:
        sensing = ReplaySensing(settings)
        facts = [sensed.fact for each in self._inputs for sensed in sensing.sense(each)]
        return judge(facts, self._labels, self._started_utc_ms)


def _split(verdicts: Sequence[Verdict]) -> float | None:
    """Return where the held-out part begins: after 70 % of the labels, as they lie in time."""
    times = sorted(verdict.at_ms for verdict in verdicts if _is_labelled(verdict))
    if len(times) < LABELS_TO_SPLIT_MIN:
        return None
    split_ms = times[int(len(times) * (1 - HELD_OUT_SHARE))]
    return split_ms if split_ms > times[0] else None


def _is_labelled(verdict: Verdict) -> bool:
    """Return whether a label asked for it; what else was decided is wrong and comes at any time."""
    return verdict.outcome != "wrong" or verdict.subject == "shelves"


def _fitted(verdicts: Sequence[Verdict], split_at_ms: float | None) -> float:
    if split_at_ms is None:
        return objective(scores(verdicts))
    return objective(scores(each for each in verdicts if each.at_ms < split_at_ms))


def _tried(point: Point, verdicts: Sequence[Verdict], split_at_ms: float | None) -> Tried:
    held_out = None
    if split_at_ms is not None:
        held_out = objective(scores(each for each in verdicts if each.at_ms >= split_at_ms))
    return Tried(point=point, fitted=_fitted(verdicts, split_at_ms), held_out=held_out)
