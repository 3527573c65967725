"""How an antenna is driven in an inventory round, so that the world can say what it reads (pure).

The reader's configuration and the AISpec's own add up, the latter wins (LLRP 1.0.1 §10.2.2.2):
transmit power (§12.2.1.2), RF mode and singulation (§15.2.1.2), and Impinj's search mode.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from llrpkit.protocol import impinj, params

from simulators.devices.llrp_reader.capabilities import CHANNELS_KHZ, power_dbm
from simulators.devices.llrp_reader.rospec_rules import ALL_ANTENNAS
from simulators.devices.llrp_reader.settings import TagInField


class AntennaDrive(NamedTuple):
    """One antenna in one round.

    `mode` is a mode identifier of the reader's table, `population` the client's guess at how many
    tags there are, `search_mode` a value of `ImpinjInventorySearchType`.
    """

    antenna: int
    power_dbm: float
    mode: int
    session: int
    population: int
    search_mode: int
    channel_khz: int
    at_us: int


ReadModel = Callable[[AntennaDrive], Sequence[TagInField]]
"""The physics: which tags an antenna reads in a round, each of them once. Has to return at once."""


def driven(antenna: int, configurations: Iterable[params.AntennaConfiguration]) -> AntennaDrive:
    """Return how configurations, the weakest first, drive an antenna; at no time yet."""
    drive = AntennaDrive(antenna, power_dbm(1), 0, 0, 0, 0, CHANNELS_KHZ[0], 0)
    for each in configurations:
        if each.antenna_id not in (ALL_ANTENNAS, antenna):
            continue
        if each.rf_transmitter is not None:
            drive = drive._replace(power_dbm=power_dbm(each.rf_transmitter.transmit_power))
        for command in each.air_protocol_inventory_command_settings:
            drive = _commanded(drive, command)
    return drive


def _commanded(drive: AntennaDrive, command: params.C1G2InventoryCommand) -> AntennaDrive:
    if command.c1_g2_rf_control is not None:
        drive = drive._replace(mode=command.c1_g2_rf_control.mode_index)
    singulation = command.c1_g2_singulation_control
    if singulation is not None:
        drive = drive._replace(session=singulation.session, population=singulation.tag_population)
    for extension in command.custom:
        if isinstance(extension, impinj.ImpinjInventorySearchMode):
            drive = drive._replace(search_mode=extension.inventory_search_mode)
    return drive
