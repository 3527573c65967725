"""`stocktruth-edge replay DIR --format goods-in`: judge a folder of goods-in, and score it.

With labels it prints, for each way to score, precision, recall and F1, and every tag that was
judged wrongly: by the shipped weights, as they meet an unseen position, and fitted anew with each
recording left out, and each box; each by the recording alone, and with the station's background.
Without labels it prints what each recording comes to.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from edge.replay.goods_in_fit import FitRefused
from edge.replay.goods_in_format import GoodsInRecording, load_labels, load_recordings
from edge.replay.goods_in_score import (
    GoodsInScore,
    LeaveOut,
    Tally,
    Worked,
    baseline,
    judgements,
    score,
    work_out,
)

Knows = Literal["nothing", "other boxes"]
Fitted = Literal["shipped", "leave one recording out", "leave one set out"]

_WAYS: Final[tuple[tuple[Fitted, LeaveOut | None], ...]] = (
    ("shipped", None),
    ("leave one recording out", "recording"),
    ("leave one set out", "set"),
)


class Figures(Struct, frozen=True, kw_only=True):
    """A tally with what follows from it."""

    right: int
    wrong: int
    missed: int
    precision: float
    recall: float
    f1: float


class WrongTagShown(Struct, frozen=True, kw_only=True):
    """A tag that was judged wrongly."""

    epc: str
    is_in_box: bool
    probability: float
    basis: str


class RecordingShown(Struct, frozen=True, kw_only=True):
    """One recording's score."""

    recording: str
    figures: Figures
    unsure: int
    wrong_tags: list[WrongTagShown]


class ScoreShown(Struct, frozen=True, kw_only=True):
    """One way to score a folder. `figures` is null where it cannot be; `reason` says why."""

    fitted: Fitted
    knows: Knows
    figures: Figures | None
    reason: str = ""
    recordings: list[RecordingShown] = []


class BaselineShown(Struct, frozen=True, kw_only=True):
    """A plain logistic regression, with each recording left out once."""

    features: str
    figures: Figures


class FolderScored(Struct, frozen=True, kw_only=True):
    """What is printed about a folder with labels."""

    recordings: int
    reads: int
    scores: list[ScoreShown]
    baselines: list[BaselineShown]


class TagShown(Struct, frozen=True, kw_only=True):
    """One tag that is not surely a stray."""

    epc: str
    verdict: str
    probability: float
    basis: str


class JudgementShown(Struct, frozen=True, kw_only=True):
    """What one recording comes to."""

    recording: str
    strays: int
    tags: list[TagShown]


def replay_goods_in(
    folder: Path, labels: Path | None, as_json: bool, out: Callable[[str], None]
) -> int:
    """Judge a folder, print what `out` prints, and return the exit status, which is 0.

    A folder that cannot be used raises `GoodsInInvalid`, which says what is wrong with it.
    """
    recordings = load_recordings(folder)
    if labels is None:
        _show_judgements(recordings, out, as_json=as_json)
        return 0
    worked = work_out(recordings, load_labels(labels, recordings))
    shown = _scored(worked)
    for line in [_json(shown)] if as_json else _lines(shown):
        out(line)
    return 0


def _scored(worked: Worked) -> FolderScored:
    can_leave_out = len(worked.recordings) > 1
    counts = ((False, "lowest and highest RSSI"), (True, "the same and reads"))
    return FolderScored(
        recordings=len(worked.recordings),
        reads=sum(len(recording.readings) for recording in worked.recordings),
        scores=[
            _way(worked, fitted, leave_out, knows)
            for fitted, leave_out in _WAYS
            for knows in ("other boxes", "nothing")
        ],
        baselines=[
            BaselineShown(features=name, figures=_figures(baseline(worked, with_counts=counted)))
            for counted, name in counts
            if can_leave_out
        ],
    )


def _way(worked: Worked, fitted: Fitted, leave_out: LeaveOut | None, knows: Knows) -> ScoreShown:
    if knows == "other boxes" and len({r.name.set_number for r in worked.recordings}) == 1:
        reason = "there is no other box"
        return ScoreShown(fitted=fitted, knows=knows, figures=None, reason=reason)
    try:
        scored = score(worked, leave_out=leave_out, with_background=knows == "other boxes")
    except FitRefused as error:
        return ScoreShown(fitted=fitted, knows=knows, figures=None, reason=str(error))
    figures = _figures(scored.tally)
    return ScoreShown(fitted=fitted, knows=knows, figures=figures, recordings=_recordings(scored))


def _recordings(scored: GoodsInScore) -> list[RecordingShown]:
    return [
        RecordingShown(
            recording=str(recording.name),
            figures=_figures(recording.tally),
            unsure=recording.unsure,
            wrong_tags=[
                WrongTagShown(
                    epc=tag.epc.hex().upper(),
                    is_in_box=tag.is_in_box,
                    probability=round(tag.probability, 4),
                    basis=tag.basis,
                )
                for tag in recording.wrong_tags
            ],
        )
        for recording in scored.recordings
    ]


def _figures(tally: Tally) -> Figures:
    return Figures(
        right=tally.right,
        wrong=tally.wrong,
        missed=tally.missed,
        precision=round(tally.precision, 4),
        recall=round(tally.recall, 4),
        f1=round(tally.f1, 4),
    )


def _lines(shown: FolderScored) -> list[str]:
    lines = [f"{shown.recordings} recordings, {shown.reads} reads"]
    lines.append("fitted\tknows\tprecision\trecall\tF1\twrong\tmissed")
    lines += [
        "\t".join((way.fitted, way.knows, *_cells(way.figures, way.reason))) for way in shown.scores
    ]
    for plain in shown.baselines:
        cells = _cells(plain.figures, "")
        lines.append("\t".join(("leave one recording out", plain.features, *cells)))
    for way in shown.scores:
        for recording in way.recordings:
            for tag in recording.wrong_tags:
                what = "missed" if tag.is_in_box else "wrongly in the box"
                where = f"{way.fitted}, {way.knows}\t{recording.recording}"
                lines.append(f"{where}\t{tag.epc}\t{what} at {tag.probability:.2f}: {tag.basis}")
    return lines


def _cells(figures: Figures | None, reason: str) -> Sequence[str]:
    if figures is None:
        return (reason,)
    shares = (f"{share:.4f}" for share in (figures.precision, figures.recall, figures.f1))
    return (*shares, str(figures.wrong), str(figures.missed))


def _show_judgements(
    recordings: list[GoodsInRecording], out: Callable[[str], None], *, as_json: bool
) -> None:
    for name, judgement in judgements(recordings):
        shown = JudgementShown(
            recording=str(name),
            strays=len(judgement.of("stray")),
            tags=[
                TagShown(
                    epc=tag.epc.hex().upper(),
                    verdict=tag.verdict,
                    probability=round(tag.probability, 4),
                    basis=tag.basis,
                )
                for tag in judgement.tags
                if tag.verdict != "stray"
            ],
        )
        if as_json:
            out(_json(shown))
            continue
        out(f"{shown.recording}: {shown.strays} strays")
        for tag in shown.tags:
            out(f"  {tag.epc}\t{tag.verdict}\t{tag.probability:.2f}\t{tag.basis}")


def _json(shown: Struct) -> str:
    return msgspec.json.encode(shown).decode()
