"""The agent's `store.toml` for a simulated store. Pure text; the schema is the edge's."""

from collections.abc import Iterator
from json import dumps
from pathlib import Path

from simulators.store import ANTENNAS, BACK_OFFICE, StoreHardware

_PLACES = {
    "dock_outside": 'portal = "dock", side = "outside"',
    "dock_inside": 'portal = "dock", side = "inside"',
    "backroom": 'zone = "backroom"',
    "sales_floor": 'zone = "sales_floor"',
}


def edge_config(hardware: StoreHardware, broker_url: str, root: str, data_dir: Path) -> str:
    """Return the configuration of an agent for hardware that listens."""
    return "\n".join(_lines(hardware, broker_url, root, data_dir)) + "\n"


def _lines(hardware: StoreHardware, broker_url: str, root: str, data_dir: Path) -> Iterator[str]:
    scenario = hardware.scenario
    yield f"store = {dumps(scenario.store)}"
    yield f"data_dir = {dumps(str(data_dir))}"
    yield "[broker]"
    yield f"url = {dumps(broker_url)}"
    yield f"root = {dumps(root)}"
    yield "[[portals]]"
    yield 'name = "dock"'
    yield 'outside = "transit"'
    yield 'inside = "backroom"'
    yield "[[llrp]]"
    yield 'name = "reader-1"'
    yield f"host = {dumps(scenario.hardware.host)}"
    yield f"port = {hardware.reader_port}"
    yield "antennas = ["
    for antenna, places in ANTENNAS.items():
        yield f"  {{ id = {antenna}, {_PLACES[places[0]]} }},"
    yield "]"
    if hardware.scale_port is not None:
        yield from _scale_lines(hardware, hardware.scale_port)
    for till in (*hardware.till_names, BACK_OFFICE):
        yield "[[pos_journal]]"
        yield f"name = {dumps(till)}"
        yield f"spool = {dumps(str(hardware.spool(till)))}"
    yield from hardware.peripherals.edge_config()


def _scale_lines(hardware: StoreHardware, port: int) -> Iterator[str]:
    yield "[[shelf_scale]]"
    yield 'name = "scale-1"'
    yield f"host = {dumps(hardware.scenario.hardware.host)}"
    yield f"port = {port}"
    yield "shelves = ["
    for shelf, sku in hardware.world.shelves.items():
        yield (
            f'  {{ shelf = "A{shelf + 1}", index = {shelf}, gtin = "{sku.gtin}",'
            f" item_weight_g = {sku.item_weight_g} }},"
        )
    yield "]"
