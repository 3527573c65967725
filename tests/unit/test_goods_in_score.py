"""How goods-in is scored and fitted, and what the command prints."""

from pathlib import Path
from random import Random

import msgspec
import pytest

from edge.replay.goods_in import FolderScored, JudgementShown, replay_goods_in
from edge.replay.goods_in_fit import FitRefused, fit, fit_folder, logistic
from edge.replay.goods_in_format import GoodsInRecording, RecordingName
from edge.replay.goods_in_score import Tally, Worked, score, score_folder, work_out
from edge.sensing.goods_in_settings import SHIPPED
from tests.goods_in_shop import box_epc, epcs_in, recording, stray_epc, write, write_labels

LABELS = {box: epcs_in(box) for box in (1, 2, 3)}


@pytest.fixture(scope="module")
def recordings() -> list[GoodsInRecording]:
    return [recording(box, number, box_dbm=-57.0 - 2 * box) for box in (1, 2) for number in (1, 2)]


@pytest.fixture(scope="module")
def worked(recordings: list[GoodsInRecording]) -> Worked:
    return work_out(recordings, LABELS)


@pytest.fixture(scope="module")
def folder(recordings: list[GoodsInRecording], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("goods_in")
    write(path, recordings)
    write_labels(path, [1, 2])
    return path


def test_a_tally_is_precision_recall_and_f1() -> None:
    tally = Tally(right=6, wrong=2, missed=4)

    assert (tally.precision, tally.recall) == (0.75, 0.6)
    assert tally.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert Tally(0, 0, 0).f1 == 1.0


def test_the_shipped_weights_judge_a_shop_they_were_not_fitted_to(worked: Worked) -> None:
    assert score(worked).tally.f1 > 0.97
    assert score(worked, with_background=False).tally.f1 > 0.9


@pytest.mark.parametrize("with_background", [False, True])
def test_weights_fitted_to_the_other_recordings_judge_the_one_left_out(
    worked: Worked, *, with_background: bool
) -> None:
    scored = score(worked, leave_out="recording", with_background=with_background)

    assert scored.tally.f1 > 0.95
    assert len(scored.recordings) == 4


def test_weights_fitted_to_the_other_box_judge_the_one_left_out(worked: Worked) -> None:
    assert score(worked, leave_out="set").tally.f1 > 0.95


def test_a_box_that_is_left_out_teaches_nothing(recordings: list[GoodsInRecording]) -> None:
    """Its labels change what is held against the judgement, and not the judgement."""
    truth = score(work_out(recordings, LABELS), leave_out="set").recordings[-1]
    lies = LABELS | {2: frozenset(box_epc(2, i) for i in range(4))}
    lied = score(work_out(recordings, lies), leave_out="set").recordings[-1]

    assert truth.name == lied.name == RecordingName(2, 2)
    assert truth.tally.right + truth.tally.wrong == lied.tally.right + lied.tally.wrong
    assert lied.tally.wrong == truth.tally.wrong + 6


def test_goods_that_were_never_read_are_missed(recordings: list[GoodsInRecording]) -> None:
    unread = box_epc(1, 99)
    labels = LABELS | {1: LABELS[1] | {unread}}
    first = score(work_out(recordings, labels)).recordings[0]

    assert first.tally.missed >= 1
    assert (unread, "never read") in {(tag.epc, tag.basis) for tag in first.wrong_tags}


def test_every_wrong_tag_is_listed(recordings: list[GoodsInRecording]) -> None:
    labels = LABELS | {1: frozenset({stray_epc(0)})}
    for one in score(work_out(recordings, labels)).recordings:
        assert len(one.wrong_tags) == one.tally.wrong + one.tally.missed


def test_what_is_fitted_points_the_way_of_the_shipped(recordings: list[GoodsInRecording]) -> None:
    fitted = fit(recordings, LABELS)

    assert fitted.alone.second.presence > 0
    assert fitted.background.second.novelty > 0
    assert fit(recordings, LABELS) == fitted


def test_one_box_alone_keeps_the_shipped_background(recordings: list[GoodsInRecording]) -> None:
    fitted = fit(recordings[:2], LABELS)

    assert fitted.background == SHIPPED.background
    assert fitted.alone != SHIPPED.alone


def test_recordings_without_goods_cannot_be_fitted(recordings: list[GoodsInRecording]) -> None:
    with pytest.raises(FitRefused, match="need tags in the box"):
        fit(recordings[:1], {1: frozenset({box_epc(1, 99)})})


def test_a_logistic_regression_finds_the_weights_that_made_the_data() -> None:
    random = Random(3)
    rows = [[random.gauss(5.0, 2.0), random.gauss(0.0, 1.0)] for _ in range(4_000)]
    odds = [-4.0 + 0.8 * first - 1.5 * second for first, second in rows]
    targets = [random.random() < 1 / (1 + 2.718281828**-odd) for odd in odds]
    bias, weights = logistic(rows, targets)

    assert bias == pytest.approx(-4.0, abs=0.4)
    assert weights == pytest.approx([0.8, -1.5], abs=0.15)


def test_a_logistic_regression_of_data_without_overlap_stays_finite() -> None:
    bias, weights = logistic([[float(i), 1.0] for i in range(10)], [i > 4 for i in range(10)])

    assert weights[0] > 0
    assert abs(bias) < 100


def test_a_folder_is_scored_as_its_recordings_are(folder: Path, worked: Worked) -> None:
    from_files, in_memory = score_folder(folder, folder), score(worked)

    assert from_files.tally == in_memory.tally
    assert fit_folder(folder, folder).alone.first.presence > 0


def test_the_command_prints_every_way_to_score_as_json(folder: Path) -> None:
    lines: list[str] = []

    assert replay_goods_in(folder, folder, True, lines.append) == 0
    shown = msgspec.json.decode(lines[0], type=FolderScored)
    assert len(lines) == 1
    assert {(way.fitted, way.knows) for way in shown.scores} == {
        (fitted, knows)
        for fitted in ("shipped", "leave one recording out", "leave one set out")
        for knows in ("nothing", "other boxes")
    }
    assert all(way.figures is not None for way in shown.scores)
    assert len(shown.baselines) == 2


def test_the_command_prints_a_table(folder: Path) -> None:
    lines: list[str] = []

    assert replay_goods_in(folder, folder, False, lines.append) == 0
    assert lines[0].startswith("4 recordings, ")
    assert lines[1].split("\t")[:2] == ["fitted", "knows"]
    assert any(line.startswith("leave one recording out\tother boxes\t") for line in lines)


def test_one_recording_says_what_cannot_be_scored(tmp_path: Path) -> None:
    write(tmp_path, [recording(1, 1)])
    write_labels(tmp_path, [1])
    lines: list[str] = []

    assert replay_goods_in(tmp_path, tmp_path, True, lines.append) == 0
    shown = msgspec.json.decode(lines[0], type=FolderScored)
    reasons = {(way.fitted, way.knows): way.reason for way in shown.scores}
    assert reasons["shipped", "nothing"] == ""
    assert reasons["shipped", "other boxes"] == "there is no other box"
    assert reasons["leave one recording out", "nothing"] == "there is no other recording"
    assert shown.baselines == []


@pytest.mark.parametrize("as_json", [False, True])
def test_without_labels_the_command_tells_what_is_in_each_box(
    folder: Path, *, as_json: bool
) -> None:
    lines: list[str] = []

    assert replay_goods_in(folder, None, as_json, lines.append) == 0
    if as_json:
        shown = [msgspec.json.decode(line, type=JudgementShown) for line in lines]
        assert [one.recording for one in shown] == [
            "set1_rec1",
            "set1_rec2",
            "set2_rec1",
            "set2_rec2",
        ]
        assert sum(tag.verdict == "in_box" for tag in shown[0].tags) >= 9
    else:
        assert sum(not line.startswith("  ") for line in lines) == 4
