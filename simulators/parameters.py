"""What every parameter of a scenario means, taken from the settings' types.

The docstring under a field is its meaning; its type has unit, bounds and default. So there is one
place to document a parameter, and `stocktruth-sim describe` and the tests read it there.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.inspect import (
    FloatType,
    IntType,
    Metadata,
    StrType,
    StructType,
    type_info,
)

UNITS: Final = {
    "g": "grams",
    "ms": "milliseconds",
    "s": "seconds",
    "m": "metres",
    "db": "dB",
    "dbm": "dBm",
    "share": "share, 0 to 1",
    "rate": "share, 0 to 1",
    "flutter": "share, 0 to 1",
    "day": "per day",
    "hour": "per hour",
    "minute": "per minute",
    "gain": "factor",
    "speed": "factor",
    "store": "text",
    "host": "text",
    "port": "TCP port",
    "number": "number",
    "seed": "number",
    "count": "tills",
    "skus": "articles",
    "shelves": "articles",
    "units": "units",
    "line": "units",
    "lines": "articles",
    "grams": "grams",
}
"""Units by the last word of a name, where its type does not say; names end in their units."""
_RANGE_ENDS: Final = ("_min", "_max")


class Parameter(NamedTuple):
    """One parameter. `path` is as in a scenario file: section, dot, name; `value` the default."""

    path: str
    meaning: str
    unit: str
    bounds: str
    value: object


class Section(NamedTuple):
    """A table of a scenario file, with its parameters in the order of their types."""

    path: str
    meaning: str
    parameters: list[Parameter]


def sections(settings: Struct, path: str = "") -> list[Section]:
    """Return the tables of these settings, with the values that they have."""
    found = type_info(type(settings))
    assert isinstance(found, StructType)  # noqa: S101 # Settings are structs.
    meanings = _meanings(type(settings))
    here = Section(path, inspect.getdoc(type(settings)) or "", [])
    below: list[Section] = []
    for field in found.fields:
        value = getattr(settings, field.name)
        name = f"{path}.{field.name}" if path else field.name
        if isinstance(value, Struct):
            below += sections(value, name)
        else:
            unit, bounds = _unit_and_bounds(field.name, field.type)
            here.parameters.append(
                Parameter(name, meanings.get(field.name, ""), unit, bounds, value)
            )
    return ([here] if here.parameters else []) + below


def parameters(settings: Struct) -> Iterator[Parameter]:
    """Yield every parameter of these settings, with the value that it has."""
    for section in sections(settings):
        yield from section.parameters


def _meanings(settings: type[Struct]) -> dict[str, str]:
    """Return the docstring under each field, which Python itself forgets."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 # We asked for the source of a class.
    meanings: dict[str, str] = {}
    latest: str | None = None
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            latest = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and latest:
            meanings[latest] = inspect.cleandoc(str(node.value.value))
            latest = None
        else:
            latest = None
    return meanings


def _unit_and_bounds(name: str, declared: msgspec.inspect.Type) -> tuple[str, str]:
    extra: dict[str, Any] = {}
    if isinstance(declared, Metadata):
        extra, declared = declared.extra or {}, declared.type
    for end in _RANGE_ENDS:
        name = name.removesuffix(end)
    unit = extra.get("unit") or UNITS.get(name.rpartition("_")[2], "")
    return unit, _bounds(declared)


def _bounds(declared: msgspec.inspect.Type) -> str:
    if isinstance(declared, StrType):
        most = declared.max_length
        return f"at most {most} characters" if most else "any text"
    if not isinstance(declared, IntType | FloatType):
        return ""
    low = _bound("from", declared.ge) or _bound("above", declared.gt)
    high = _bound("to", declared.le) or _bound("below", declared.lt)
    kind = "whole, " if isinstance(declared, IntType) else ""
    return kind + " ".join(part for part in (low, high) if part)


def _bound(word: str, value: float | None) -> str:
    return "" if value is None else f"{word} {value:,g}".replace(",", "_")
