"""TOML into typed settings, with every problem of a file named at once.

msgspec stops at the first problem; somebody who edits a file wants to see them all. Each is named
by its path, its value and what is allowed there. Shared by edge and cloud, which read the files.
"""

import difflib
import tomllib
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from protocol.errors import SettingsInvalid

VALUE_CHARS_MAX: Final = 60

S = TypeVar("S", bound=Struct)


def decode_settings(text: str, source: str, settings_type: type[S]) -> S:
    """Return the settings in a TOML text, or raise `SettingsInvalid` with one line per problem.

    `source` is what the lines begin with: the name of the file.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{source}: not TOML: {error}") from error
    problems = list(_problems_of_table(data, settings_type, ""))
    if problems:
        raise SettingsInvalid("\n".join(f"{source}: {problem}" for problem in problems))
    try:
        return msgspec.convert(data, settings_type)
    except msgspec.ValidationError as error:
        raise SettingsInvalid(f"{source}: {_lowered(str(error))}") from error


def _problems_of_table(data: object, table_type: type[Struct], path: str) -> Iterator[str]:
    if not isinstance(data, dict):
        yield f"{path.removesuffix('.')} = {shown(data)}: a table is expected"
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(table_type)}
    for name in sorted(data.keys() - fields.keys()):
        yield f"{path}{name}: there is no such setting; {_suggestion(name, list(fields))}"
    for name, field in fields.items():
        if name in data:
            yield from _problems_of_value(data[name], field.type, f"{path}{name}")
        elif field.required:
            yield f"{path}{name}: is missing; {_allowed(field.type)}"


def _problems_of_value(value: object, value_type: Any, path: str) -> Iterator[str]:
    bare_type = value_type.__origin__ if get_origin(value_type) is Annotated else value_type
    if isinstance(bare_type, type) and issubclass(bare_type, Struct):
        yield from _problems_of_table(value, bare_type, f"{path}.")
        return
    if get_origin(bare_type) is list and isinstance(value, list):
        (item_type,) = bare_type.__args__
        problems = [
            problem
            for index, item in enumerate(value)
            for problem in _problems_of_value(item, item_type, f"{path}[{index}]")
        ]
        if problems:
            yield from problems
            return
    try:
        msgspec.convert(value, value_type)
    except msgspec.ValidationError as error:
        allowed = _allowed(value_type) if _description(value_type) else _lowered(str(error))
        yield f"{path} = {shown(value)}: {allowed}"


def _allowed(value_type: Any) -> str:
    if isinstance(value_type, type) and issubclass(value_type, Struct):
        return "a table is expected"
    description = _description(value_type)
    return f"expected {description}" if description else "a value is expected"


def _description(value_type: Any) -> str | None:
    for meta in getattr(value_type, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    if get_origin(value_type) is Literal:
        return f"one of {', '.join(shown(choice) for choice in get_args(value_type))}"
    if get_origin(value_type) in (Union, UnionType):
        return next(filter(None, map(_description, get_args(value_type))), None)
    return None


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _suggestion(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    return f"known are {', '.join(sorted(known))}"


def shown(value: object) -> str:
    """Return a value as a problem shows it: in TOML's spelling for plain ones, and cut short."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = msgspec.json.encode(value).decode()
    else:
        text = str(value)
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"
