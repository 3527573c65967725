"""`stocktruth-sim scenarios | describe | check`: what there is, what it means, what is wrong."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from simulators.errors import ScenarioInvalid
from simulators.noisy_scenario import load_any, load_noisy, shipped, shipped_for_demo
from simulators.parameters import Parameter, Section, sections
from simulators.scenario import Scenario
from simulators.world.noisy_settings import NoisySettings

Say = Callable[[str], None]

HOW_TO_WRITE: Final = (
    "A file of your own holds what differs from the default, and is given by its path:\n"
    "[sweeps]\nevery_days = 3\n"
)


def list_scenarios(say: Say) -> None:
    """Say what we ship, and which command takes it."""
    for name in shipped():
        say(f"{name:<12}  {load_noisy(name).title} (truth)")
    for name in shipped_for_demo():
        say(f"{name:<12}  a small store on real sockets (demo, store)")
    say("\nstocktruth-sim describe NAME     tells what each parameter means")
    say("stocktruth-sim check FILE        tells what is wrong with a file of yours")


def describe(what: str | None, say: Say) -> None:
    """Say what parameters mean: all, those of a scenario, of a section, or of one name.

    Raises `ScenarioInvalid` if there is no such scenario, section or parameter.
    """
    if what is None:
        say(HOW_TO_WRITE)
        _say_all(NoisySettings(), None, say)
    elif what.endswith(".toml") or what in shipped() + shipped_for_demo():
        settings = load_any(what)
        is_noisy = isinstance(settings, NoisySettings)
        _say_all(settings, NoisySettings() if is_noisy else Scenario(), say)
    else:
        found = list(_found(what, NoisySettings())) or list(_found(what, Scenario()))
        if not found:
            raise ScenarioInvalid(f"{what}: neither a scenario, nor a section, nor a parameter")
        for section in found:
            _say_section(section, {}, say)


def check(name: str, say: Say) -> None:
    """Say that a file is a scenario. Raises `ScenarioInvalid` if it is not."""
    settings = load_any(name)
    if isinstance(settings, NoisySettings):
        say(f"{name}: a noisy store, {settings.title}")
    else:
        say(f"{name}: a store for the demo, {settings.store}")


def _found(what: str, defaults: Struct) -> Iterator[Section]:
    for section in sections(defaults):
        if what == section.path or section.path.startswith(f"{what}."):
            yield section
            continue
        of_name = [each for each in section.parameters if _is_named(what, each.path)]
        if of_name:
            yield section._replace(parameters=of_name)


def _is_named(what: str, path: str) -> bool:
    return what == path or what == path.rpartition(".")[2]


def _say_all(settings: Struct, defaults: Struct | None, say: Say) -> None:
    usual = {}
    if defaults is not None:
        usual = {each.path: each.value for part in sections(defaults) for each in part.parameters}
    for section in sections(settings):
        _say_section(section, usual, say)


def _say_section(section: Section, usual: dict[str, object], say: Say) -> None:
    if section.path:
        say(f"[{section.path}]  {_first_line(section.meaning)}")
    for each in section.parameters:
        say(f"  {each.path.rpartition('.')[2]} = {_toml(each.value)}")
        say(f"      {each.meaning}")
        say(f"      {_numbers(each, usual)}")
    say("")


def _numbers(parameter: Parameter, usual: dict[str, object]) -> str:
    parts = [f"Unit: {parameter.unit}"]
    if parameter.bounds:
        parts.append(parameter.bounds)
    default = usual.get(parameter.path, parameter.value)
    is_default = default == parameter.value
    parts.append("the default" if is_default else f"the default is {_toml(default)}")
    return "; ".join(parts) + "."


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _toml(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value)
