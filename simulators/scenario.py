"""Scenarios: what a simulated store is, as a TOML file decoded into types.

`simulators/scenarios/small_store.toml` lists every parameter with its default. Unknown keys are
errors; every problem raises `ScenarioInvalid`, whose text names file, parameter and what is
allowed.
"""

from pathlib import Path
from random import Random
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from protocol.errors import InvalidIdentifier
from protocol.ids import parse_store_id
from simulators.devices.fault_control import ScriptedFault
from simulators.devices.peripherals import PeripheralSettings
from simulators.errors import ScenarioInvalid
from simulators.world.goods import Sku, catalogue
from simulators.world.settings import WorldSettings
from simulators.world.store import STORES_MAX, StoreWorld

SCENARIOS: Final = Path(__file__).parent / "scenarios"
SMALL_STORE: Final = SCENARIOS / "small_store.toml"

Port = Annotated[int, Meta(ge=0, le=65_535)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]


class HardwareSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the store's devices listen, and how true they are."""

    host: Name = "127.0.0.1"
    """Address that reader and scale listen on."""
    reader_port: Port = 0
    """TCP port of the LLRP reader; 0 takes a free one. Real readers use 5084."""
    reader_round_ms: Annotated[int, Meta(ge=10, le=60_000)] = 500
    """Time between two readings of all tags in sight. The portal's dwell must exceed it."""
    scale_port: Port = 0
    """TCP port of the shelf scale; 0 takes a free one. Real scales use 502."""
    scale_noise_g: Annotated[float, Meta(ge=0, le=1_000)] = 2.0
    """Standard deviation of a weight, in grams."""


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One simulated store."""

    store: str = "S001"
    """The store's id, as in topics."""
    number: Annotated[int, Meta(ge=0, lt=STORES_MAX)] = 0
    """Keeps the serial numbers of its tags apart from other stores'."""
    seed: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 1
    """The same seed gives the same articles, opening stock and shoppers."""
    speed: Annotated[float, Meta(gt=0, le=100)] = 1.0
    """How many times as much happens in a second. Tags stay in a reader's sight as long."""
    hardware: HardwareSettings = HardwareSettings()
    """The devices."""
    world: WorldSettings = WorldSettings()
    """The store's life."""
    peripherals: PeripheralSettings = PeripheralSettings()
    """The tills' own hardware."""
    faults: list[ScriptedFault] = []
    """What breaks, and when: each `at_s` after the start, for `for_s`."""

    def __post_init__(self) -> None:
        """Refuse a store id that no topic can hold."""
        try:
            parse_store_id(self.store)
        except InvalidIdentifier as error:
            raise ValueError(str(error)) from error


def load_scenario(path: Path) -> Scenario:
    """Return the scenario in a TOML file. Raises `ScenarioInvalid`."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Scenario)
    except OSError as error:
        raise ScenarioInvalid(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ScenarioInvalid(f"{path}: {error}") from error


def new_world(scenario: Scenario) -> StoreWorld:
    """Return the store of a scenario as it is before its doors open."""
    return StoreWorld(
        scenario.world.at_speed(scenario.speed),
        scenario.number,
        articles(scenario),
        Random(f"{scenario.seed}/{scenario.store}"),
    )


def articles(scenario: Scenario) -> list[Sku]:
    """Return what a store sells: the same for all stores of a chain, if they have one seed."""
    return catalogue(scenario.world.goods, Random(f"{scenario.seed}/goods"))
