"""`stocktruth-sim truth`, from the command line to its documents, on a store of a few articles."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCENARIO = """
title = "a tiny shop"
[assortment]
skus = 60
tagged_share = 0.7
weighed_share = 0.2
scale_shelves = 5
turns = 40.0
[sweeps]
every_days = 2
minutes = 5.0
[counts]
recounts_per_day = 3
"""


def truth(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "simulators", "truth", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(name="scenario")
def _scenario(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(SCENARIO)
    return str(path)


def document(scenario: str, *arguments: str) -> dict[str, Any]:
    done = truth("--scenario", scenario, "--days", "3", "--seed", "5", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_a_run_tells_everything_as_json(scenario: str) -> None:
    told = document(scenario)

    assert told["schema"] == "truth/1"
    assert (told["days"], told["stores"], told["seed"]) == (3, 1, 5)
    assert len(told["by_day"]) == 3
    accuracy = told["final"]["accuracy"]
    methods = {"stocktruth", "ledger_only", "sweep_only", "last_count_and_ledger"}
    assert accuracy.keys() == told["thefts"].keys() == methods
    assert accuracy["stocktruth"]["locations"] + accuracy["stocktruth"]["weighed"] == 60
    assert accuracy["stocktruth"]["exact_share"] > 0.9
    assert told["final"]["calibration"]["forecasts"] == accuracy["stocktruth"]["locations"]
    assert told["directions"]["dock"]["right"] > 0
    assert told["quarantined"] == {}


def test_the_same_seed_tells_the_same_and_another_seed_something_else(scenario: str) -> None:
    first, again = document(scenario), document(scenario)
    other = document(scenario, "--seed", "6")
    for told in (first, again, other):
        del told["took_s"]

    assert first == again
    assert first["observed"] != other["observed"]


def test_two_stores_in_two_processes_tell_what_they_tell_in_one(scenario: str) -> None:
    alone = document(scenario, "--stores", "2")
    side_by_side = document(scenario, "--stores", "2", "--processes", "2")
    for told in (alone, side_by_side):
        del told["took_s"]

    assert alone == side_by_side


def test_a_worse_world_is_told_by_its_factors(scenario: str) -> None:
    told = document(scenario, "--factor", "read=2", "--factor", "errors=2")

    assert told["factors"] == {"read": 2.0, "theft": 1.0, "errors": 2.0}


def test_tables_and_a_picture_are_for_people(scenario: str, tmp_path: Path) -> None:
    picture = tmp_path / "accuracy.png"
    file = tmp_path / "truth.json"
    done = truth(
        *("--scenario", scenario, "--days", "2", "--plot", str(picture), "--json", str(file))
    )

    assert done.returncode == 0, done.stderr
    assert "RFID sweep only" in done.stdout
    assert "Are 90 % nine times in ten?" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads(file.read_bytes())["days"] == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--scenario", "no-such"), "no-such"),
        (("--scenario", "/no/such.toml"), "/no/such.toml"),
        (("--factor", "reads=2"), "reads=2"),
        (("--plot", "picture.doc"), "picture.doc"),
        (("--plot", "/no/such/picture.png"), "/no/such/picture.png"),
        (("--trace", "123"), "123"),
        (("--trace", "04006381333931"), "04006381333931"),
        (("out.json",), "out.json"),
        (("--json", "/no/such/out.json"), "/no/such/out.json"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    scenario: str, arguments: tuple[str, ...], named: str
) -> None:
    done = truth("--scenario", scenario, "--days", "1", *arguments)

    assert done.returncode == 2
    assert named in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_article_tells_its_story(scenario: str) -> None:
    gtin = "00614141100002"
    done = truth("--scenario", scenario, "--days", "2", "--trace", gtin)

    assert done.returncode == 0, done.stderr
    assert "fact StockCounted" in done.stderr
    assert "said" in done.stderr
