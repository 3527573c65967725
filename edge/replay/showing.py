"""Facts, scores and summaries as lines of text or JSON. Pure: what to print, not where."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from edge.replay.judging import Verdict
from edge.replay.replaying import Summary
from edge.replay.scoring import Score
from edge.replay.sensing import SensedFact
from protocol.facts import AnyFact

FACT_LINE: Final = "{at_s:>10.3f}  {source:<14} {kind:<14} {detail}"
EPCS_SHOWN_MAX: Final = 3
MISTAKES_SHOWN_MAX: Final = 20
_NOT_IN_DETAIL: Final = frozenset(("occurred_at_ms", "source", "basis", "confidence"))


def fact_json(sensed: SensedFact) -> str:
    """Return a fact as one JSON object; EPCs are hexadecimal, `decided_at_s` is recorded time."""
    fields = {"kind": type(sensed.fact).__name__, "decided_at_s": sensed.at_ms / 1_000}
    return _json(fields | _plain(sensed.fact))


def fact_line(sensed: SensedFact) -> str:
    """Return a fact as one line: when it was decided, in recorded seconds, by whom, and what."""
    fact = sensed.fact
    words = [
        f"{name}={_short(value)}"
        for name, value in _plain(fact).items()
        if name not in _NOT_IN_DETAIL and value not in (None, "", [])
    ]
    confidence: float = getattr(fact, "confidence", 1.0)
    if confidence < 1.0:
        words.append(f"confidence={confidence:.2f}")
    return FACT_LINE.format(
        at_s=sensed.at_ms / 1_000,
        source=fact.source,
        kind=type(fact).__name__,
        detail=" ".join(words),
    )


def summary_json(summary: Summary, scored: Iterable[Score], verdicts: Iterable[Verdict]) -> str:
    """Return the last line of JSON output."""
    fields: dict[str, Any] = {"kind": "summary"} | msgspec.to_builtins(summary)
    fields["scores"] = msgspec.to_builtins(list(scored))
    fields["mistakes"] = list(mistakes(verdicts))
    return _json(fields)


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield the summary as text."""
    yield (
        f"store {summary.store}: {summary.recorded_s:.1f} s recorded, replayed in "
        f"{summary.replayed_in_s:.2f} s, {summary.speed_factor:g} times as fast"
    )
    yield (
        f"{summary.records} records, {summary.readings} tag readings, {summary.facts} facts; "
        f"the recording is {summary.ending}"
    )
    doubts = {
        "records were dropped while recording": summary.dropped_records,
        "documents are left out of the recording": summary.documents_left_out,
        "documents were refused": summary.refused_documents,
        "times a reader broke the protocol": summary.reader_faults,
    }
    yield from (f"{count} {what}" for what, count in doubts.items() if count)
    for name, count in summary.unknown_devices.items():
        yield f"{count} records of {name}, which the settings do not have"


def score_lines(scored: Iterable[Score], verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield the scores as text, and the first mistakes."""
    for score in scored:
        figures = f"{score.right} right, {score.wrong} wrong, {score.missed} missed"
        if score.subject == "shelves":
            rates = f"accuracy {score.value:.4f}, mean error {score.mean_error_units:.2f} units"
        else:
            rates = f"precision {score.precision:.4f}, recall {score.recall:.4f}, "
            rates += f"F1 {score.value:.4f}"
        yield f"{score.subject}: {rates} ({figures})"
    yield from mistakes(verdicts)


def mistakes(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield the first mistakes in words."""
    wrong = [verdict for verdict in verdicts if verdict.outcome != "right"]
    for verdict in wrong[:MISTAKES_SHOWN_MAX]:
        yield f"{verdict.outcome} at {verdict.at_ms / 1_000:.3f} s: {verdict.what}"
    if len(wrong) > MISTAKES_SHOWN_MAX:
        yield f"and {len(wrong) - MISTAKES_SHOWN_MAX} more"


def _plain(fact: AnyFact) -> dict[str, Any]:
    fields = msgspec.structs.asdict(fact)
    if "epcs" in fields:
        fields["epcs"] = [epc.hex() for epc in fields["epcs"]]
    return fields


def _short(value: object) -> str:
    if isinstance(value, list):
        more = f",+{len(value) - EPCS_SHOWN_MAX}" if len(value) > EPCS_SHOWN_MAX else ""
        return ",".join(map(str, value[:EPCS_SHOWN_MAX])) + more
    return str(value)


def _json(fields: Mapping[str, Any]) -> str:
    return msgspec.json.encode(fields).decode()
