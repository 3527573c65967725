"""How well goods-in judges a folder of labelled recordings: precision, recall and F1.

`leave_out` says what the weights may know. `None`: the shipped ones, as they meet a position they
have never seen. `recording` and `set`: fitted anew to all other recordings, or to the other boxes
only. `with_background` says whether the station also knows what it read while the other boxes of
the folder stood there, without their labels. A tag is told as in the box from 0.5 on. Goods of a
box that were not read at all are missed, and count.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from edge.replay.goods_in_fit import (
    RIDGE,
    Variants,
    background_of,
    fit_variants,
    logistic,
    variants,
)
from edge.replay.goods_in_format import (
    GoodsInRecording,
    Labels,
    RecordingName,
    load_labels,
    load_recordings,
)
from edge.sensing.goods_in import Judgement, judge_evidence
from edge.sensing.goods_in_settings import SHIPPED, GoodsInSettings
from protocol.ids import Epc

LeaveOut = Literal["recording", "set"]
IN_BOX_FROM: Final = 0.5


class WrongTag(NamedTuple):
    """A tag that was judged wrongly; it is missed if it was in the box."""

    epc: Epc
    is_in_box: bool
    probability: float
    basis: str


class Tally(NamedTuple):
    """Tags rightly in the box, wrongly in it, and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of what was told as in the box that was; 1 if nothing was told."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Share of what was in the box that was told; 1 if nothing was there."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = 2 * self.right
        total = both + self.wrong + self.missed
        return both / total if total else 1.0


class RecordingScore(NamedTuple):
    """One recording's score."""

    name: RecordingName
    tally: Tally
    wrong_tags: Sequence[WrongTag]
    unsure: int


class GoodsInScore(NamedTuple):
    """A folder's score."""

    recordings: Sequence[RecordingScore]

    @property
    def tally(self) -> Tally:
        """All recordings together."""
        right, wrong, missed = zip(*(score.tally for score in self.recordings), strict=True)
        return Tally(sum(right), sum(wrong), sum(missed))


class Worked(NamedTuple):
    """A folder's recordings, worked out once for all ways to score them."""

    recordings: Sequence[GoodsInRecording]
    labels: Labels
    examples: Mapping[RecordingName, Variants]


def score_folder(
    folder: Path,
    labels: Path,
    *,
    leave_out: LeaveOut | None = None,
    with_background: bool = True,
) -> GoodsInScore:
    """Score a folder, or raise `GoodsInInvalid` or `FitRefused`."""
    recordings = load_recordings(folder)
    worked = work_out(recordings, load_labels(labels, recordings))
    return score(worked, leave_out=leave_out, with_background=with_background)


def work_out(recordings: Sequence[GoodsInRecording], labels: Labels) -> Worked:
    """Work the recordings out."""
    examples = {recording.name: variants(recording, labels) for recording in recordings}
    return Worked(recordings, labels, examples)


def score(
    worked: Worked,
    *,
    leave_out: LeaveOut | None = None,
    with_background: bool = True,
    shipped: GoodsInSettings = SHIPPED,
) -> GoodsInScore:
    """Score recordings that were worked out."""
    scores: list[RecordingScore] = []
    fitted: dict[frozenset[RecordingName], GoodsInSettings] = {}
    for recording in worked.recordings:
        settings = shipped
        if leave_out is not None:
            others = frozenset(_others(worked.examples, recording.name, leave_out))
            if others not in fitted:
                fitted[others] = fit_variants([worked.examples[name] for name in sorted(others)])
            settings = fitted[others]
        judgement = _judge(worked.examples, recording.name, settings, is_known=with_background)
        scores.append(_scored(recording, judgement, worked.labels))
    return GoodsInScore(scores)


def baseline(worked: Worked, *, with_counts: bool) -> Tally:
    """Score a logistic regression on lowest and highest RSSI, leaving one recording out each time.

    This is what the others do: one model for all positions, on dBm as the reader gives them.
    """
    rows = {recording.name: _levels(recording, with_counts) for recording in worked.recordings}
    tallies: list[Tally] = []
    for recording in worked.recordings:
        data: list[Sequence[float]] = []
        targets: list[bool] = []
        for name in rows.keys() - {recording.name}:
            in_box = worked.labels[name.set_number]
            data += rows[name].values()
            targets += [epc in in_box for epc in rows[name]]
        bias, weights = logistic(data, targets, RIDGE)
        told = {
            epc
            for epc, row in rows[recording.name].items()
            if bias + sum(map(float.__mul__, weights, row)) >= 0
        }
        tallies.append(_tally(told, worked.labels[recording.name.set_number]))
    return Tally(*map(sum, zip(*tallies, strict=True)))


def judgements(
    recordings: Sequence[GoodsInRecording], *, with_background: bool = True
) -> list[tuple[RecordingName, Judgement]]:
    """Judge recordings without labels by the shipped weights."""
    nothing: Labels = {recording.name.set_number: frozenset() for recording in recordings}
    examples = work_out(recordings, nothing).examples
    return [(name, _judge(examples, name, SHIPPED, is_known=with_background)) for name in examples]


def _judge(
    examples: Mapping[RecordingName, Variants],
    name: RecordingName,
    settings: GoodsInSettings,
    *,
    is_known: bool,
) -> Judgement:
    box, evidence, _ = examples[name].whole
    before = None
    if is_known:
        others = (examples[other].whole for other in _others(examples, name, "set"))
        before = background_of(others, settings).shares(box)
    return judge_evidence(box, evidence, settings, before)


def _others(
    names: Iterable[RecordingName], name: RecordingName, leave_out: LeaveOut
) -> list[RecordingName]:
    is_other: Callable[[RecordingName], bool] = {
        "recording": lambda other: other != name,
        "set": lambda other: other.set_number != name.set_number,
    }[leave_out]
    return [other for other in names if is_other(other)]


def _scored(recording: GoodsInRecording, judgement: Judgement, labels: Labels) -> RecordingScore:
    in_box = labels[recording.name.set_number]
    told = {tag.epc for tag in judgement.tags if tag.probability >= IN_BOX_FROM}
    wrong = [
        WrongTag(tag.epc, tag.epc in in_box, tag.probability, tag.basis)
        for tag in judgement.tags
        if (tag.epc in told) != (tag.epc in in_box)
    ]
    unread = in_box - {tag.epc for tag in judgement.tags}
    wrong += [WrongTag(epc, is_in_box=True, probability=0.0, basis="never read") for epc in unread]
    tally = _tally(told, in_box)
    return RecordingScore(recording.name, tally, wrong, len(judgement.of("unsure")))


def _tally(told: set[Epc], in_box: frozenset[Epc]) -> Tally:
    return Tally(len(told & in_box), len(told - in_box), len(in_box - told))


def _levels(recording: GoodsInRecording, with_counts: bool) -> dict[Epc, list[float]]:
    levels: dict[Epc, list[float]] = {}
    for reading in recording.readings:
        levels.setdefault(reading.epc, []).append(reading.rssi_dbm)
    return {
        epc: [min(dbm), max(dbm), *([float(len(dbm))] if with_counts else [])]
        for epc, dbm in levels.items()
    }
