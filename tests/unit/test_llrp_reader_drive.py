"""What a client sets changes how antennas are driven, and so what they read."""

from random import Random
from typing import Any

import pytest
from llrpkit.protocol import messages, params
from llrpkit.protocol.enums import StatusCode
from llrpkit.protocol.impinj import ImpinjInventorySearchType

from simulators.devices.llrp_reader.drive import AntennaDrive
from simulators.devices.llrp_reader.link_budget import LinkBudget, PlacedTag
from tests.llrp_messages import ai_spec, ro_spec
from tests.llrp_world import World

HALL = [PlacedTag(bytes([0x30, number]) + bytes(10), 30.0 + number / 2) for number in range(60)]
ROUND_MS = 1_000


def configured(antenna: int = 0, **parts: Any) -> params.AntennaConfiguration:
    power = parts.pop("power", None)
    command = params.C1G2InventoryCommand(
        c1_g2_rf_control=params.C1G2RFControl(mode_index=parts["mode"])
        if "mode" in parts
        else None,
        c1_g2_singulation_control=params.C1G2SingulationControl(
            session=parts["session"], tag_population=parts["population"]
        )
        if "session" in parts
        else None,
    )
    return params.AntennaConfiguration(
        antenna_id=antenna,
        rf_transmitter=None
        if power is None
        else params.RFTransmitter(hop_table_id=1, channel_index=1, transmit_power=power),
        air_protocol_inventory_command_settings=[command] if parts else [],
    )


def driving(*configurations: params.AntennaConfiguration) -> params.ROSpec:
    spec = ai_spec()
    spec.inventory_parameter_specs[0].antenna_configurations = list(configurations)
    return ro_spec(ai_specs=[spec])


def drives(world: World, spec: params.ROSpec | None = None) -> dict[int, AntennaDrive]:
    world.start_inventory(spec or ro_spec())
    world.pass_time(10)
    return {drive.antenna: drive for drive in world.drives}


def connected_world() -> World:
    world = World()
    world.connect()
    return world


def test_the_factory_drives_at_full_power() -> None:
    found = drives(connected_world())[1]
    assert (found.power_dbm, found.mode, found.session, found.population) == (30.0, 0, 2, 32)


def test_the_configuration_drives_one_antenna_or_all() -> None:
    world = connected_world()
    world.configure(antenna_configurations=[configured(power=1), configured(2, power=11)])
    found = drives(world)
    assert [found[antenna].power_dbm for antenna in (1, 2)] == [10.0, 20.0]


def test_an_ai_spec_overrides_what_it_has() -> None:
    world = connected_world()
    world.configure(antenna_configurations=[configured(power=6, mode=2, session=1, population=99)])
    found = drives(world, driving(configured(mode=3), configured(2, power=21)))
    assert [found[antenna].power_dbm for antenna in (1, 2)] == [15.0, 30.0]
    assert {(each.mode, each.session, each.population) for each in found.values()} == {(3, 1, 99)}


def test_a_configuration_that_changes_meanwhile_drives_from_then_on() -> None:
    world = connected_world()
    drives(world)
    world.configure(antenna_configurations=[configured(power=1)])
    world.drives.clear()
    world.pass_time(200)
    assert {drive.power_dbm for drive in world.drives} == {10.0}


def test_rounds_hop_from_channel_to_channel() -> None:
    world = connected_world()
    world.start_inventory()
    world.pass_time(350)
    channels = [drive.channel_khz for drive in world.drives if drive.antenna == 1]
    assert channels == [902_750, 903_250, 903_750, 904_250]


@pytest.mark.parametrize(
    "impossible",
    [configured(power=0), configured(power=22), configured(mode=4), configured(3, power=1)],
    ids=["no-power", "too-much-power", "mode", "antenna"],
)
def test_impossible_drive_is_refused(impossible: params.AntennaConfiguration) -> None:
    world = connected_world()
    for message in (
        messages.SET_READER_CONFIG(antenna_configurations=[impossible]),
        messages.ADD_ROSPEC(ro_spec=driving(impossible)),
    ):
        assert world.ask(message).llrp_status.status_code == StatusCode.P_FieldError


def reads_in_a_round(**changed: Any) -> int:
    drive = AntennaDrive(1, 30.0, 0, 2, 60, 0, 915_250, 0)._replace(**changed)
    return len(LinkBudget(lambda _: HALL, ROUND_MS, Random(1))(drive))


def test_more_power_reads_more_tags() -> None:
    counts = [reads_in_a_round(power_dbm=power) for power in (10.0, 20.0, 30.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[2] / 3


def test_slow_modes_hear_weaker_tags() -> None:
    fast, slow = reads_in_a_round(mode=0), reads_in_a_round(mode=3)
    assert fast < slow


def test_slow_modes_read_fewer_of_many_tags() -> None:
    crowd = [PlacedTag(number.to_bytes(12, "big"), 25.0) for number in range(2_000)]
    budget = LinkBudget(lambda _: crowd, ROUND_MS, Random(1))
    drive = AntennaDrive(1, 30.0, 0, 2, 2_000, 0, 915_250, 0)
    counts = [len(budget(drive._replace(mode=mode))) for mode in range(4)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 900


def test_a_wrong_guess_at_the_population_costs_reads() -> None:
    crowd = [PlacedTag(number.to_bytes(12, "big"), 25.0) for number in range(2_000)]
    budget = LinkBudget(lambda _: crowd, ROUND_MS, Random(1))
    drive = AntennaDrive(1, 30.0, 0, 2, 2_000, 0, 915_250, 0)
    right, wrong = budget(drive), budget(drive._replace(population=4))
    assert len(wrong) < len(right)


def rounds_with(session: int, mode: ImpinjInventorySearchType, rounds: int) -> list[bool]:
    """In which of several rounds, a second apart, a near tag is read."""
    budget = LinkBudget(lambda _: HALL[:1], ROUND_MS, Random(1))
    drive = AntennaDrive(1, 30.0, 0, session, 1, mode, 915_250, 0)
    return [bool(budget(drive._replace(at_us=at * 1_000_000))) for at in range(rounds)]


@pytest.mark.parametrize(
    ("session", "mode", "expected"),
    [
        (0, ImpinjInventorySearchType.Single_Target, [True] * 5),
        (1, ImpinjInventorySearchType.Single_Target, [True, False, True, False, True]),
        (2, ImpinjInventorySearchType.Single_Target, [True, False, False, False, False]),
        (1, ImpinjInventorySearchType.Dual_Target, [True] * 5),
        (
            1,
            ImpinjInventorySearchType.Single_Target_With_Suppression,
            [True, False, False, False, False],
        ),
    ],
)
def test_a_tag_that_was_read_keeps_quiet_as_its_session_says(
    session: int, mode: ImpinjInventorySearchType, expected: list[bool]
) -> None:
    assert rounds_with(session, mode, 5) == expected
