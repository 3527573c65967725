"""Parameters of sensing as a grid: `tags.portal_settle_ms=100:1000:100` and settings made of it.

Pure. A name is the path of a setting in `store.toml`; in a list, the table is named by its `name`
or `shelf`: `shelf_scale.scale-1.shelves.A1.tolerance=0.1:0.4:0.05`.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

import msgspec

from edge.config import EdgeSettings
from edge.replay.errors import ReplayRefused
from edge.sensing.tag_settings import TagSettings

VALUES_MAX: Final = 1_000
PARAMETERS_MAX: Final = 64
TABLES: Final = ("tags", "shelf_scale")
"""What a replay's sensing reads. What decodes frames, such as `llrp`, is fixed by the recording."""
DEFAULT_STEPS: Final = 8
_BASELINE: Final = "baseline_"

Value = int | float
Point = tuple[int, ...]
"""For each parameter, the number of its value on its grid."""


class Parameter(NamedTuple):
    """A setting and the values to try, in rising order."""

    name: str
    values: tuple[Value, ...]

    @property
    def path(self) -> list[str]:
        """The name in parts."""
        return self.name.split(".")


def parse_parameters(texts: Sequence[str], settings: EdgeSettings) -> list[Parameter]:
    """Return the parameters in their order, or raise `ReplayRefused`."""
    parameters = [parse_parameter(text, settings) for text in texts]
    names = [parameter.name for parameter in parameters]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ReplayRefused(f"--parameter {twice}: is given twice")
    if len(parameters) > PARAMETERS_MAX:
        raise ReplayRefused(f"--parameter: at most {PARAMETERS_MAX} can be tuned together")
    return parameters


def parse_parameter(text: str, settings: EdgeSettings) -> Parameter:
    """Return the parameter that `NAME=LOW:HIGH:STEP` describes, or raise `ReplayRefused`."""
    name, _, range_text = text.partition("=")
    try:
        low, high, step = (Decimal(part) for part in range_text.split(":"))
        is_range = low <= high and step > 0 and high - low <= step * VALUES_MAX
    except (InvalidOperation, ValueError):
        is_range = False
    if not is_range:
        raise ReplayRefused(
            f"--parameter {text}: expected NAME=LOW:HIGH:STEP with at most {VALUES_MAX} values, "
            "such as tags.portal_settle_ms=100:1000:100"
        )
    is_whole = isinstance(current_value(settings, name), int)
    numbers = [low + step * index for index in range(int((high - low) / step) + 1)]
    values: list[Value] = [float(each) for each in numbers]
    if is_whole:
        if any(each != int(each) for each in numbers):
            raise ReplayRefused(f"--parameter {text}: {name} takes whole numbers")
        values = [int(each) for each in numbers]
    parameter = Parameter(name, tuple(values))
    for index in (0, len(values) - 1):
        settings_at(settings, [parameter], (index,))
    return parameter


def default_parameters(settings: EdgeSettings) -> list[Parameter]:
    """Return the numbers of `[tags]`, each from a half to twice what it is, where allowed.

    What only matters at the first start of a store (`baseline_…`) is left out.
    """
    found = []
    for field in msgspec.structs.fields(TagSettings):
        value = getattr(settings.tags, field.name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not value or field.name.startswith(_BASELINE):
            continue
        steps = (value * (1 + index / 4) / 2 for index in range(DEFAULT_STEPS - 1))
        values = {round(each) if isinstance(value, int) else each for each in steps}
        parameter = Parameter(f"tags.{field.name}", tuple(sorted(values)))
        found.append(Parameter(parameter.name, tuple(_allowed(settings, parameter))))
    return found


def current_value(settings: EdgeSettings, name: str) -> Value:
    """Return a setting's value, or raise `ReplayRefused` if it is none that can be tuned."""
    table, *rest = name.split(".")
    if table not in TABLES or not rest:
        raise ReplayRefused(f"--parameter {name}: tables to tune are {', '.join(TABLES)}")
    value: Any = msgspec.to_builtins(settings)
    for part in name.split("."):
        value = _at(value, part, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReplayRefused(f"--parameter {name}: it is no number")
    return value


def settings_at(
    settings: EdgeSettings, parameters: Sequence[Parameter], point: Point
) -> EdgeSettings:
    """Return settings with parameters as they are at a point. Raises `ReplayRefused`."""
    tree: Any = msgspec.to_builtins(settings)
    for parameter, index in zip(parameters, point, strict=True):
        *parents, last = parameter.path
        table = tree
        for part in parents:
            table = _at(table, part, parameter.name)
        table[last] = parameter.values[index]
    try:
        return msgspec.convert(tree, EdgeSettings)
    except msgspec.ValidationError as error:
        names = ", ".join(parameter.name for parameter in parameters)
        raise ReplayRefused(f"--parameter {names}: {error}") from error


def nearest_point(settings: EdgeSettings, parameters: Sequence[Parameter]) -> Point:
    """Return the point of the grid that is nearest to the settings."""

    def nearest(parameter: Parameter) -> int:
        now = current_value(settings, parameter.name)
        distances = [abs(value - now) for value in parameter.values]
        return distances.index(min(distances))

    return tuple(map(nearest, parameters))


def toml_lines(parameters: Sequence[Parameter], point: Point) -> Iterator[str]:
    """Yield what to paste into `store.toml`."""
    header = ""
    for parameter, index in zip(parameters, point, strict=True):
        *parents, last = parameter.path
        is_listed = len(parents) > 1
        wanted = f"# in {' '.join(parents)}:" if is_listed else f"[{parents[0]}]"
        if wanted != header:
            yield wanted
            header = wanted
        yield f"{last} = {parameter.values[index]}"


def _allowed(settings: EdgeSettings, parameter: Parameter) -> Iterator[Value]:
    for index, value in enumerate(parameter.values):
        try:
            settings_at(settings, [parameter], (index,))
        except ReplayRefused:
            continue
        yield value


def _at(tree: Any, part: str, name: str) -> Any:
    if isinstance(tree, dict) and part in tree:
        return tree[part]
    for item in tree if isinstance(tree, list) else ():
        if part in (item.get("name"), item.get("shelf")):
            return item
    known = tree if isinstance(tree, dict) else ()
    listed = f"; known are {', '.join(sorted(known))}" if known else ""
    raise ReplayRefused(f"--parameter {name}: there is no {part!r}{listed}")
