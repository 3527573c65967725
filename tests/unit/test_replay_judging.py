"""Labels and verdicts: what counts as right, wrong and missed, and what a labels file may say."""

import json
from pathlib import Path

import pytest

from edge.replay.errors import LabelsInvalid
from edge.replay.judging import judge
from edge.replay.labels import Labels
from edge.replay.labels_file import load_labels
from edge.replay.scoring import objective, scores
from protocol.facts import AnyFact, GoodsReceived, ShelfCounted, TagsMoved, Zone
from tests.recordings import GTIN, STARTED_UTC_MS, tag

TOML = """
[[crossings]]
epcs = ["{first}"]
to_zone = "sales_floor"
at_s = 10.0
within_s = 2.0
[[in_box]]
from_s = 20
to_s = 30
epcs = ["{first}", "{second}"]
[[shelves]]
shelf = "A1"
quantity = 4
at = 2026-03-14T15:54:00+01:00
"""


def moved(
    at_s: float, serial: int, to_zone: Zone = "sales_floor", confidence: float = 1.0
) -> AnyFact:
    return TagsMoved(
        occurred_at_ms=STARTED_UTC_MS + round(at_s * 1_000),
        source="tags",
        gtin=GTIN,
        from_zone="backroom",
        to_zone=to_zone,
        epcs=[tag(serial)],
        confidence=confidence,
    )


def received(at_s: float, *serials: int) -> AnyFact:
    return GoodsReceived(
        occurred_at_ms=STARTED_UTC_MS + round(at_s * 1_000),
        source="tags",
        gtin=GTIN,
        quantity=len(serials),
        measure="units",
        zone="backroom",
        evidence="portal",
        epcs=[tag(serial) for serial in serials],
    )


def shelf(at_s: float, quantity: int) -> AnyFact:
    return ShelfCounted(
        occurred_at_ms=STARTED_UTC_MS + round(at_s * 1_000),
        source="scale-1",
        gtin=GTIN,
        shelf="A1",
        quantity=quantity,
        weight_g=quantity * 250,
    )


def labels(tmp_path: Path, text: str, name: str = "labels.toml") -> Labels:
    (tmp_path / name).write_text(text)
    return load_labels(tmp_path / name)


def crossings(tmp_path: Path, *at_s: float, is_complete: bool = True) -> Labels:
    listed = [
        {"epcs": [tag(1).hex()], "to_zone": "sales_floor", "at_s": each, "within_s": 2}
        for each in at_s
    ]
    text = json.dumps({"crossings": listed, "is_complete": is_complete})
    return labels(tmp_path, text, "labels.json")


def outcomes(facts: list[AnyFact], wanted: Labels) -> list[tuple[float, str]]:
    return [(each.at_ms / 1_000, each.outcome) for each in judge(facts, wanted, STARTED_UTC_MS)]


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    text = TOML.format(first=tag(1).hex(), second=tag(2).hex())
    read = labels(tmp_path, text)
    assert (len(read.crossings), len(read.in_box), len(read.shelves)) == (1, 1, 1)
    assert read.crossings[0] == crossings(tmp_path, 10.0).crossings[0]


def test_a_crossing_is_answered_by_one_decision_in_its_time(tmp_path: Path) -> None:
    wanted = crossings(tmp_path, 10, 30)
    assert outcomes([moved(11, 1), moved(31, 1)], wanted) == [(10, "right"), (30, "right")]
    assert outcomes([moved(11, 1), moved(11.5, 1)], wanted) == [
        (10, "right"),
        (11.5, "wrong"),
        (30, "missed"),
    ]
    assert outcomes([moved(13, 1)], wanted) == [(10, "missed"), (13, "wrong"), (30, "missed")]


def test_only_zones_that_labels_name_are_judged_and_only_if_labels_are_complete(
    tmp_path: Path,
) -> None:
    facts = [moved(11, 1), moved(50, 2), moved(60, 3, to_zone="exit")]
    assert outcomes(facts, crossings(tmp_path, 10)) == [(10, "right"), (50, "wrong")]
    assert outcomes(facts, crossings(tmp_path, 10, is_complete=False)) == [(10, "right")]


def test_a_box_is_judged_tag_by_tag(tmp_path: Path) -> None:
    text = TOML.format(first=tag(1).hex(), second=tag(2).hex())
    read = labels(tmp_path, text)
    facts = [received(22, 1, 3), received(40, 2)]
    boxes = [each for each in judge(facts, read, STARTED_UTC_MS) if each.subject == "in_box"]
    assert sorted(each.outcome for each in boxes) == ["missed", "right", "wrong"]
    (score,) = scores(boxes)
    assert (score.precision, score.recall, score.value) == (0.5, 0.5, 0.5)


def test_a_shelf_is_what_was_told_last_before_the_moment(tmp_path: Path) -> None:
    rows = [
        {"shelf": "A1", "quantity": 4, "at_s": 10},
        {"shelf": "A1", "quantity": 4, "at_s": 20},
        {"shelf": "B7", "quantity": 2, "at_s": 20},
    ]
    wanted = labels(tmp_path, json.dumps({"shelves": rows}), "labels.json")
    verdicts = judge([shelf(1, 4), shelf(15, 6), shelf(25, 4)], wanted, STARTED_UTC_MS)
    assert [each.outcome for each in verdicts] == ["right", "wrong", "missed"]
    (score,) = scores(verdicts)
    assert score.value == pytest.approx(1 / 3)
    assert score.mean_error_units == pytest.approx(4 / 3)


def test_confidence_is_told_apart_for_right_and_wrong(tmp_path: Path) -> None:
    facts = [moved(10, 1, confidence=0.9), moved(50, 1, confidence=0.6)]
    (score,) = scores(judge(facts, crossings(tmp_path, 10), STARTED_UTC_MS))
    assert (score.confidence_when_right, score.confidence_when_wrong) == (0.9, 0.6)


def test_nothing_labelled_and_nothing_decided_is_nothing_wrong() -> None:
    assert (scores([]), objective([])) == ([], 1.0)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.toml", "", "it has no labels"),
        ("a.toml", "[[crossings]\n", "not TOML"),
        ("a.toml", '[[crossing]]\nto_zone = "exit"', "did you mean 'crossings'"),
        ("a.toml", '[[crossings]]\nepcs = ["zz"]\nto_zone = "exit"\nat_s = 1', "hexadecimal"),
        ("a.toml", '[[crossings]]\nepcs = ["00"]\nto_zone = "hell"\nat_s = 1', "sales_floor"),
        ("a.toml", '[[crossings]]\nepcs = ["00"]\nto_zone = "exit"', "either at_s or at"),
        ("a.toml", '[[shelves]]\nshelf = "A"\nquantity = 1\nat = 2026-01-01T00:00:00', "offset"),
        ("a.toml", '[[in_box]]\nepcs = ["00"]\nfrom_s = 2\nto_s = 1', "after from_s"),
        ("a.json", "{", "truncated"),
        ("a.json", '{"shelves": [{"shelf": 1}]}', "shelves[0].shelf"),
        ("a.json", '{"crossings": ' + "[" * 100_000, "a.json"),
    ],
)
def test_a_mistake_in_labels_is_named(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(LabelsInvalid) as invalid:
        labels(tmp_path, text, name)
    assert told in str(invalid.value)
    assert str(invalid.value).startswith(str(tmp_path / name))
