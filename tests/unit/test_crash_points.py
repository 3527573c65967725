"""Every named point of a crash is at a function that there is."""

import importlib

import pytest

from simulators.crash import points
from simulators.crash.points import OPERATIONS, Point

ALL = [*points.EDGE, *points.CLOUD, *points.SQLITE, *points.POSTGRES]


@pytest.mark.parametrize("point", ALL, ids=lambda point: point.name)
def test_a_point_is_somewhere(point: Point) -> None:
    module, _, path = point.target.partition(":")
    if module == "disk":
        assert path.rpartition(":")[2] in OPERATIONS
        return
    owner = importlib.import_module(module)
    for name in path.split("."):
        owner = getattr(owner, name)
    assert callable(owner)
