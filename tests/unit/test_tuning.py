"""Tuning: the search finds what was planted, stays in its bounds, and says when it overfits."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge.__main__ import app
from edge.config import EdgeSettings, load_settings
from edge.replay.errors import ReplayRefused
from edge.replay.labels import CrossingLabel, Labels
from edge.replay.replaying import Replay
from edge.replay.tuning.parameters import (
    Point,
    current_value,
    default_parameters,
    nearest_point,
    parse_parameters,
    settings_at,
    toml_lines,
)
from edge.replay.tuning.search import search
from edge.replay.tuning.tuning import Tried, Tuner, Tuning
from tests.recordings import CONFIG, SCALE, records_of, tag, visitors, write_recording

STRAY_MS = 1_500
STAY_MS = 6_000
GRACE = "tags.presence_grace_ms"


@pytest.fixture
def config(tmp_path: Path) -> EdgeSettings:
    (tmp_path / "store.toml").write_text(CONFIG)
    return load_settings(tmp_path / "store.toml")


def planted(folder: Path, deliveries: int = 8) -> Labels:
    """Write a recording in which strays are read for 1.5 s and deliveries for 6 s; its labels."""
    reads, came_ms = visitors(deliveries=deliveries, stray_ms=STRAY_MS, stay_ms=STAY_MS)
    write_recording(folder / "a", records_of(reads), ends_ms=5_000 + deliveries * 20_000)
    crossings = [
        CrossingLabel(epcs=[tag(number).hex()], to_zone="backroom", at_s=at_ms / 1_000)
        for number, at_ms in enumerate(came_ms)
    ]
    return Labels(crossings=crossings)


def tuned(
    folder: Path, config: EdgeSettings, labels: Labels, *texts: str, trials: int = 30
) -> Tuning:
    parameters = parse_parameters(texts, config)
    replay = Replay(folder / "a", config)
    inputs = replay.inputs_in_memory()
    tuner = Tuner(config, inputs, labels, replay.header.started_utc_ms, parameters)
    return tuner.tune(trials, Random(1))


def test_a_planted_parameter_is_found_and_holds_where_it_was_not_fitted(
    tmp_path: Path, config: EdgeSettings
) -> None:
    labels = planted(tmp_path)
    tuning = tuned(tmp_path, config, labels, f"{GRACE}=100:9100:200")
    (parameter,) = parse_parameters([f"{GRACE}=100:9100:200"], config)
    best = tuning.best[0]
    assert STRAY_MS - 100 <= parameter.values[best.point[0]] < STAY_MS
    assert tuning.present.fitted < 0.8
    assert (best.fitted, best.held_out) == (1.0, 1.0)
    assert tuning.improves
    assert not tuning.overfits
    assert tuning.trials <= 30
    # Of equal settings it is the one that changes least.
    assert parameter.values[best.point[0]] <= STRAY_MS + 500


def test_the_same_seed_gives_the_same_settings(tmp_path: Path, config: EdgeSettings) -> None:
    labels = planted(tmp_path, deliveries=4)
    texts = (f"{GRACE}=100:9100:200", "tags.zone_hysteresis_db=0:20:0.5")
    assert tuned(tmp_path, config, labels, *texts) == tuned(tmp_path, config, labels, *texts)


def test_settings_that_lose_where_they_were_held_out_are_called_overfitted() -> None:
    present = Tried(point=(), fitted=0.8, held_out=0.8)

    def found(fitted: float, held_out: float | None) -> Tuning:
        best = [Tried(point=(0,), fitted=fitted, held_out=held_out)]
        return Tuning(present=present, best=best, trials=1, split_at_ms=1.0)

    assert found(0.95, 0.7).overfits
    assert found(0.95, 0.82).overfits
    assert not found(0.95, 0.93).overfits
    assert not found(0.8, 0.8).overfits


def test_too_few_labels_are_not_split(tmp_path: Path, config: EdgeSettings) -> None:
    tuning = tuned(tmp_path, config, planted(tmp_path, deliveries=3), f"{GRACE}=300:2000:100")
    assert tuning.split_at_ms is None
    assert tuning.best[0].held_out is None


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.integers(1, 60),
    st.integers(0, 1_000),
)
def test_a_search_tries_no_point_twice_none_outside_and_no_more_than_allowed(
    sizes: list[int], trials: int, seed: int
) -> None:
    chance = Random(seed)
    asked: list[Point] = []
    start = tuple(chance.randrange(size) for size in sizes)
    peak = tuple(chance.randrange(size) for size in sizes)

    def value(point: Point) -> float:
        asked.append(point)
        return -float(sum(abs(a - b) for a, b in zip(point, peak, strict=True)))

    tried = search(sizes, start, value, trials_max=trials, chance=Random(seed))
    assert len(asked) == len(set(asked)) == len(tried) <= trials
    assert start in asked
    assert all(0 <= a < size for point in asked for a, size in zip(point, sizes, strict=True))
    assert [each.value for each in tried] == sorted((each.value for each in tried), reverse=True)


def test_a_search_climbs_to_the_top_of_a_grid_it_cannot_try_whole() -> None:
    peak = (37, 11, 80)

    def value(point: Point) -> float:
        return -float(sum((a - b) ** 2 for a, b in zip(point, peak, strict=True)))

    tried = search((100, 100, 100), (0, 0, 0), value, trials_max=200, chance=Random(3))
    assert tried[0].point == peak


def test_parameters_name_settings_by_path_and_tables_by_name(config: EdgeSettings) -> None:
    name = f"shelf_scale.{SCALE}.shelves.A1.item_weight_g"
    parameters = parse_parameters([f"{name}=200:300:12.5", f"{GRACE}=100:500:100"], config)
    assert [len(each.values) for each in parameters] == [9, 5]
    assert nearest_point(config, parameters) == (4, 2)
    changed = settings_at(config, parameters, (8, 0))
    assert changed.shelf_scale[0].shelves[0].item_weight_g == 300
    assert changed.tags.presence_grace_ms == 100
    assert current_value(config, name) == 250
    assert list(toml_lines(parameters, (8, 0))) == [
        f"# in shelf_scale {SCALE} shelves A1:",
        "item_weight_g = 300.0",
        "[tags]",
        "presence_grace_ms = 100",
    ]


def test_defaults_surround_the_present_settings_and_are_allowed(config: EdgeSettings) -> None:
    parameters = default_parameters(config)
    assert {"tags.portal_settle_ms", GRACE} <= {each.name for each in parameters}
    assert not any("baseline" in each.name for each in parameters)
    for parameter in parameters:
        assert current_value(config, parameter.name) in parameter.values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tags.portal_settle_ms", "expected NAME=LOW:HIGH:STEP"),
        ("tags.portal_settle_ms=1:2", "expected NAME=LOW:HIGH:STEP"),
        ("tags.portal_settle_ms=9:1:1", "expected NAME=LOW:HIGH:STEP"),
        ("tags.portal_settle_ms=1:9:0", "expected NAME=LOW:HIGH:STEP"),
        ("tags.portal_settle_ms=1:NaN:1", "expected NAME=LOW:HIGH:STEP"),
        ("tags.portal_settle_ms=1:Infinity:1", "expected NAME=LOW:HIGH:STEP"),
        ("tags.portal_settle_ms=1:1000000:1", "at most 1000 values"),
        ("tags.portal_settle_ms=1:2:0.5", "takes whole numbers"),
        ("tags.portal_setle_ms=1:2:1", "there is no 'portal_setle_ms'"),
        ("llrp.dock-reader.session=1:2:1", "tables to tune are"),
        ("store=1:2:1", "tables to tune are"),
        ("tags=1:2:1", "tables to tune are"),
        (f"shelf_scale.{SCALE}.unit=1:2:1", "there is no 'unit'"),
        (f"shelf_scale.{SCALE}.shelves.A1.item_weight_g=0:2:1", "item_weight_g"),
    ],
)
def test_a_mistake_in_a_parameter_is_one_clear_line(
    config: EdgeSettings, text: str, told: str
) -> None:
    with pytest.raises(ReplayRefused) as refused:
        parse_parameters([text], config)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def command(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--config", str(folder / "store.toml")])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_prints_lines_to_paste_and_writes_nothing(
    tmp_path: Path, config: EdgeSettings
) -> None:
    labels = planted(tmp_path)
    crossings = [
        {"epcs": each.epcs, "to_zone": each.to_zone, "at_s": each.at_s} for each in labels.crossings
    ]
    (tmp_path / "labels.json").write_text(json.dumps({"crossings": crossings}))
    words = ["tune", str(tmp_path / "a"), "--labels", str(tmp_path / "labels.json")]
    words += ["--parameter", f"{GRACE}=100:9100:200", "--trials", "30"]
    text = command(tmp_path, *words)
    assert "[tags]\npresence_grace_ms = 1" in text
    assert text.splitlines()[0].split("\t") == ["settings", "fitted", "held out", GRACE]
    found = json.loads(command(tmp_path, *words, "--json"))
    assert found["best"][0]["fitted"] == 1.0
    assert found["improves"]
    assert not found["overfits"]
    assert found["toml"][0] == "[tags]"
    assert (tmp_path / "store.toml").read_text() == CONFIG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "labels.json", "store.toml"]
