"""Scenario files: strict, documented, and complete."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from simulators.errors import ScenarioInvalid
from simulators.scenario import SMALL_STORE, Scenario, load_scenario


def parameters(settings: msgspec.Struct) -> Iterator[str]:
    for field in msgspec.structs.fields(type(settings)):
        value = getattr(settings, field.name)
        if isinstance(value, msgspec.Struct):
            yield from parameters(value)
        else:
            yield field.name


def test_the_small_store_shows_every_default() -> None:
    assert load_scenario(SMALL_STORE) == Scenario()


def test_the_small_store_explains_every_parameter() -> None:
    lines = SMALL_STORE.read_text().splitlines()
    explained = [line.split(" = ")[0] for line in lines if " = " in line and "  # " in line]
    assert sorted(explained) == sorted(parameters(Scenario()))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("shops = 3", "shops"),
        ("[world.goods]\nskuz = 3", "skuz"),
        ("[world.goods]\nskus = 0", "world.goods.skus"),
        ("[world.goods]\nopening_units_min = 9\nopening_units_max = 3", "opening_units"),
        ('store = "a/b"', "store id"),
        ("speed = 0.0", "speed"),
        ("[world.reorders]\npoint_units = 10", "point_units"),
    ],
)
def test_a_wrong_scenario_names_its_file_and_parameter(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ScenarioInvalid, match=r"wrong\.toml") as refused:
        load_scenario(path)
    assert named in str(refused.value)


def test_a_scenario_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("seed = [")
    with pytest.raises(ScenarioInvalid, match=r"broken\.toml"):
        load_scenario(path)


def test_a_missing_scenario_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioInvalid, match=r"none\.toml: No such file"):
        load_scenario(tmp_path / "none.toml")
