"""`record`, `replay` and `tune` at the command line: every mistake is one clear line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recordings import CONFIG, Read, reads_of, records_of, tag, write_recording

DEVICELESS = 'store = "S001"\n[broker]\nurl = "mqtt://127.0.0.1"\n'


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with settings, a recording and labels."""
    (tmp_path / "store.toml").write_text(CONFIG)
    reads = [
        Read(at_ms, antenna, tag(antenna)) for at_ms in range(0, 3_000, 100) for antenna in (1, 2)
    ]
    write_recording(tmp_path / "day.strec", records_of([*reads, *reads_of(9, 5_000, 2_000)]), 8_000)
    crossing = {"epcs": [tag(9).hex()], "to_zone": "backroom", "at_s": 5}
    (tmp_path / "labels.json").write_text(json.dumps({"crossings": [crossing]}))
    (tmp_path / "empty.toml").write_text(DEVICELESS)
    (tmp_path / "other.txt").write_text("no recording at all")
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("replay nothing.strec", "nothing.strec: No such file"),
        ("replay .", ".: Is a directory"),
        ("replay other.txt", "other.txt: it is no recording"),
        ("replay day.strec --config nothing.toml", "nothing.toml: No such file"),
        ("replay day.strec --config empty.toml", "the settings have none of its devices"),
        ("replay day.strec --from 5 --to 5", "--to 5: must be after --from 5"),
        ("replay day.strec --labels nothing.json", "nothing.json: No such file"),
        ("replay day.strec --labels other.txt", "other.txt: not TOML"),
        ("tune day.strec", "--labels: tuning needs to know"),
        ("tune day.strec --labels labels.json -p x=1", "--parameter x=1: expected NAME="),
        ("tune day.strec --labels labels.json -p tags.x=1:2:1", "there is no 'x'"),
        ("record day.strec", "day.strec: there is such a file already"),
        ("record no/such/folder", "no/such/folder: No such file"),
        ("record new --device somebody", "--device somebody: no such device"),
        ("record new --config empty.toml", "store S001 has no devices to record"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_2(desk: Path, words: str, told: str) -> None:
    done = run(desk, *words.split())
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("stocktruth-edge: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (desk / "new").exists()


def test_a_replay_prints_a_line_for_each_fact_and_what_it_made_of_the_recording(
    desk: Path,
) -> None:
    done = run(desk, "replay", "day.strec", "--labels", "labels.json")
    assert done.returncode == 0, done.stderr
    counted, received, *rest = (line for line in done.stdout.splitlines() if "TagsLeft" not in line)
    assert "StockCounted" in counted
    assert received.split()[1:3] == ["tags", "GoodsReceived"]
    assert tag(9).hex() in received
    assert rest[0].startswith("store S001: 8.0 s recorded, replayed in ")
    assert rest[-1] == (
        "crossings: precision 1.0000, recall 1.0000, F1 1.0000 (1 right, 0 wrong, 0 missed)"
    )


def test_a_part_of_a_recording_is_shown_and_judged_alone(desk: Path) -> None:
    done = run(desk, "replay", "day.strec", "--from", "4", "--labels", "labels.json", "--json")
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds == ["GoodsReceived", "summary"]
    done = run(desk, "replay", "day.strec", "--to", "4", "--labels", "labels.json", "--json")
    *facts, summary = map(json.loads, done.stdout.splitlines())
    assert [fact["kind"] for fact in facts] == ["StockCounted"]
    assert (summary["scores"], summary["ending"]) == ([], "stopped at --to")


def test_the_agents_other_commands_load_nothing_of_a_replay() -> None:
    code = (
        "import sys, edge.__main__;"
        "heavy = {'edge.assembly', 'edge.replay.sensing', 'edge.recording.session', 'sllurp'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
