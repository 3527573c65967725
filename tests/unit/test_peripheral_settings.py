"""Peripherals in the agent's settings: strict, and every mistake named."""

import re
from pathlib import Path

import pytest
from msgspec import Struct

from edge.config import load_settings
from edge.devices.barcode_scanner_settings import BarcodeScannerSettings
from edge.devices.counter_scale_settings import CounterScaleSettings
from edge.devices.receipt_printer_settings import ReceiptPrinterSettings
from edge.errors import ConfigInvalid

BASE = """
store = "S001"
[broker]
url = "mqtt://127.0.0.1"
[[pos_journal]]
name = "till-1"
spool = "./spool/till-1"
"""
SCANNER = """
[[barcode_scanner]]
name = "hand-1"
serial_port = "/dev/ttyUSB0"
mode = "count"
scale = "counter-1"
weight_prefixes = ["23"]
"""
SCALE = """
[[counter_scale]]
name = "counter-1"
serial_port = "links/scale"
dialect = "nci"
"""
PRINTER = """
[[receipt_printer]]
name = "printer-1"
host = "10.0.0.9"
drawer = "open_is_high"
till = "till-1"
prints_tasks = true
tasks = ["pick"]
"""
FULL = BASE + SCANNER + SCALE + PRINTER


def load(folder: Path, text: str) -> None:
    path = folder / "store.toml"
    path.write_text(text)
    settings = load_settings(path)
    assert settings.barcode_scanner[0].weight_prefixes == ["23"]
    assert settings.counter_scale[0].serial_port == str(folder / "links/scale")
    assert settings.receipt_printer[0].port == 9_100


def test_peripherals_are_accepted_with_defaults_and_absolute_paths(tmp_path: Path) -> None:
    load(tmp_path, FULL)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('scale = "counter-1"', 'scale = "x"', 'barcode_scanner[0].scale = "x": no such scale'),
        ('mode = "count"', 'mode = "till"', "a till weighs for itself"),
        ('till = "till-1"', 'till = "x"', 'receipt_printer[0].till = "x": no such till'),
        ('"links/scale"', '"/dev/ttyUSB0"', 'serial_port = "/dev/ttyUSB0": is given to two'),
        (PRINTER, PRINTER + PRINTER.replace("printer-1", "p2"), '"10.0.0.9:9100": is given to two'),
        ('name = "hand-1"', 'name = "till-1"', 'name = "till-1": is used by two devices'),
        ('mode = "count"', 'mode = "sell"', "barcode_scanner[0].mode"),
        ('["23"]', '["31"]', "barcode_scanner[0].weight_prefixes[0]"),
        ('dialect = "nci"', 'dialect = "cas"', "counter_scale[0].dialect"),
        ('dialect = "nci"', 'dialect = "nci"\nbaud = 9601', "counter_scale[0].baud"),
        ('tasks = ["pick"]', 'tasks = ["nap"]', 'receipt_printer[0].tasks[0] = "nap": expected'),
        ('host = "10.0.0.9"', "", "receipt_printer[0].host"),
        ("prints_tasks", "print_tasks", "print_tasks"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in FULL
    with pytest.raises(ConfigInvalid) as invalid:
        load(tmp_path, FULL.replace(old, new))
    assert problem in str(invalid.value)


DOCUMENTED = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()
SNIPPETS = {
    table: re.search(rf"```toml\n(\[\[{table}\]\].*?)```", DOCUMENTED, re.DOTALL)
    for table in ("barcode_scanner", "counter_scale", "receipt_printer")
}


def uncommented(snippet: str) -> str:
    return re.sub(r"(?m)^# ", "", snippet)


def test_the_documented_settings_are_accepted_and_show_every_default(tmp_path: Path) -> None:
    texts = [found[1] for found in SNIPPETS.values() if found is not None]
    assert len(texts) == len(SNIPPETS)
    path = tmp_path / "store.toml"
    path.write_text(BASE + "".join(map(uncommented, texts)))
    load_settings(path)


@pytest.mark.parametrize(
    ("table", "settings"),
    [
        ("barcode_scanner", BarcodeScannerSettings),
        ("counter_scale", CounterScaleSettings),
        ("receipt_printer", ReceiptPrinterSettings),
    ],
)
def test_every_setting_is_documented(table: str, settings: type[Struct]) -> None:
    found = SNIPPETS[table]
    assert found is not None
    missing = [name for name in settings.__struct_fields__ if name not in found[1]]
    assert missing == []
