"""Scenario files: those that we ship by name, others by path, and what is wrong with one.

There are two kinds: noisy stores, which `stocktruth-sim truth` runs in virtual time, and stores
for the demo, whose hardware is simulated on real sockets. What is wrong is said with file and
parameter.
"""

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from simulators.errors import ScenarioInvalid
from simulators.parameters import parameters
from simulators.scenario import SCENARIOS, Scenario
from simulators.world.noisy_settings import NoisySettings

T = TypeVar("T", bound=Struct)

DEMO_KEYS: Final = frozenset(field.name for field in msgspec.structs.fields(Scenario))
FILE_BYTES_MAX: Final = 1_000_000


def shipped() -> list[str]:
    """Return the names of the noisy stores that we ship."""
    return sorted(path.stem for path in SCENARIOS.glob("*.toml") if not _is_demo(_table(path)))


def shipped_for_demo() -> list[str]:
    """Return the names of the stores for the demo that we ship."""
    return sorted(path.stem for path in SCENARIOS.glob("*.toml") if _is_demo(_table(path)))


def scenario_path(name: str) -> Path:
    """Return the file of a scenario, by name or path. Raises `ScenarioInvalid`."""
    ours = SCENARIOS / f"{name}.toml"
    if name in {path.stem for path in SCENARIOS.glob("*.toml")}:
        return ours
    if not name.endswith(".toml"):
        names = ", ".join(shipped() + shipped_for_demo())
        raise ScenarioInvalid(f"{name}: neither a scenario of ours ({names}) nor a TOML file")
    return Path(name)


def load_noisy(name: str) -> NoisySettings:
    """Return a noisy store by name or file. Raises `ScenarioInvalid`, naming what is wrong."""
    path = scenario_path(name)
    table = _table(path)
    if _is_demo(table):
        raise ScenarioInvalid(f"{path}: a store for the demo; this needs a noisy one")
    return _settings(path, table, NoisySettings, NoisySettings())


def load_any(name: str) -> NoisySettings | Scenario:
    """Return a scenario of either kind, by name or file. Raises `ScenarioInvalid`."""
    path = scenario_path(name)
    table = _table(path)
    if _is_demo(table):
        return _settings(path, table, Scenario, Scenario())
    return _settings(path, table, NoisySettings, NoisySettings())


def _is_demo(table: Mapping[str, object]) -> bool:
    return not table.keys().isdisjoint(DEMO_KEYS)


def _table(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise ScenarioInvalid(f"{path}: longer than {FILE_BYTES_MAX} bytes")
        return tomllib.loads(raw.decode())
    except OSError as error:
        raise ScenarioInvalid(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScenarioInvalid(f"{path}: not TOML: {error}") from error


def _settings(path: Path, table: dict[str, object], kind: type[T], defaults: T) -> T:
    unknown = list(_unknown(table, defaults))
    if unknown:
        raise ScenarioInvalid("\n".join(f"{path}: {each}" for each in unknown))
    # Sections have defaults of their own, so what a file leaves out is filled in here.
    whole = _over(msgspec.to_builtins(defaults), table)
    try:
        return msgspec.convert(whole, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        where = where.strip(".`")
        raise ScenarioInvalid(f"{path}: {where}: {what}" if where else f"{path}: {what}") from error


def _over(defaults: Mapping[str, object], table: Mapping[str, object]) -> dict[str, object]:
    """Return the defaults with what a file says in their place."""
    whole = dict(defaults)
    for name, value in table.items():
        default = whole.get(name)
        if isinstance(default, dict) and isinstance(value, dict):
            whole[name] = _over(default, value)
        else:
            whole[name] = value
    return whole


def _unknown(table: Mapping[str, object], defaults: Struct) -> Iterator[str]:
    """Yield what is wrong with each name of a file that no parameter and no section has."""
    known = {each.path for each in parameters(defaults)}
    tables = {above for path in known for above in _above(path)}
    for path, is_table in _paths(table):
        is_below_unknown = not tables.issuperset(_above(path))
        if path in known or (is_table and path in tables) or is_below_unknown:
            continue
        if path in tables:
            yield f"{path}: a section, not a value"
            continue
        near = get_close_matches(path, sorted(known | tables), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield f"{path}: no such {'section' if is_table else 'parameter'}{hint}"


def _above(path: str) -> list[str]:
    """Return the sections that a path is in, outermost first."""
    parts = path.split(".")[:-1]
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _paths(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, bool]]:
    for name, value in table.items():
        path = f"{prefix}{name}"
        is_table = isinstance(value, dict)
        yield path, is_table
        if isinstance(value, dict):
            yield from _paths(value, f"{path}.")
