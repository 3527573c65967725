"""Verdicts into figures: precision, recall and F1 of decisions, accuracy of shelf counts. Pure.

Precision is right of all decided, recall right of all labelled (van Rijsbergen, "Information
Retrieval", 1979, chapter 7); with nothing decided or labelled they are 1, since nothing is wrong.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, get_args

from msgspec import Struct

from edge.replay.judging import Outcome, Subject, Verdict

SUBJECTS: Final[tuple[Subject, ...]] = get_args(Subject)


class Score(Struct, frozen=True, kw_only=True):
    """One subject's figures; `value` from 0 to 1 is F1, or for shelves the share that is right.

    `mean_error_units` is the mean absolute error of shelf counts, 0 for others.
    """

    subject: Subject
    right: int
    wrong: int
    missed: int
    precision: float
    recall: float
    value: float
    mean_error_units: float
    confidence_when_right: float
    confidence_when_wrong: float


def scores(verdicts: Iterable[Verdict]) -> list[Score]:
    """Return a score for each subject that there are verdicts on."""
    by_subject: dict[Subject, list[Verdict]] = {subject: [] for subject in SUBJECTS}
    for verdict in verdicts:
        by_subject[verdict.subject].append(verdict)
    return [_score(subject, each) for subject, each in by_subject.items() if each]


def objective(scored: Iterable[Score]) -> float:
    """Return the mean value over subjects, from 0 to 1: what tuning makes large."""
    values = [score.value for score in scored]
    return sum(values) / len(values) if values else 1.0


def _score(subject: Subject, verdicts: list[Verdict]) -> Score:
    counts = Counter(verdict.outcome for verdict in verdicts)
    right, wrong, missed = counts["right"], counts["wrong"], counts["missed"]
    precision = right / (right + wrong) if right + wrong else 1.0
    recall = right / (right + missed) if right + missed else 1.0
    f1 = 2 * right / (2 * right + wrong + missed)
    return Score(
        subject=subject,
        right=right,
        wrong=wrong,
        missed=missed,
        precision=precision,
        recall=recall,
        value=right / len(verdicts) if subject == "shelves" else f1,
        mean_error_units=sum(each.error_units for each in verdicts) / len(verdicts),
        confidence_when_right=_mean_confidence(verdicts, "right"),
        confidence_when_wrong=_mean_confidence(verdicts, "wrong"),
    )


def _mean_confidence(verdicts: Iterable[Verdict], outcome: Outcome) -> float:
    values = [verdict.confidence for verdict in verdicts if verdict.outcome == outcome]
    return sum(values) / len(values) if values else 0.0
