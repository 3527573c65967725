"""What can be wrong among the settings of peripherals that each alone is right.

Each problem is a line that names path, value and what is allowed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from edge.devices.barcode_scanner_settings import BarcodeScannerSettings
from edge.devices.counter_scale_settings import CounterScaleSettings
from edge.devices.receipt_printer_settings import ReceiptPrinterSettings
from protocol.strict_toml import shown

T = TypeVar("T")


def peripheral_problems(
    scanners: Sequence[BarcodeScannerSettings],
    scales: Sequence[CounterScaleSettings],
    printers: Sequence[ReceiptPrinterSettings],
    *,
    tills: Sequence[str],
    other_ports: Iterable[str],
) -> Iterator[str]:
    """Yield the problems; `tills` are the names of the tills, `other_ports` taken serial ports."""
    names = [scale.name for scale in scales]
    for index, scanner in enumerate(scanners):
        yield from _scanner_problems(f"barcode_scanner[{index}]", scanner, names)
    for index, printer in enumerate(printers):
        if printer.till is not None and printer.till not in tills:
            value = f"receipt_printer[{index}].till = {shown(printer.till)}"
            yield f"{value}: no such till; [[pos_journal]] has {_listed(tills)}"
    ports = [device.serial_port for device in (*scanners, *scales)]
    for port in _repeated((*ports, *other_ports)):
        yield f"serial_port = {shown(port)}: is given to two devices; each needs its own"
    for host, number in _repeated((printer.host, printer.port) for printer in printers):
        address = shown(f"{host}:{number}")
        yield f"receipt_printer: {address}: is given to two devices; each needs its own"


def _scanner_problems(at: str, scanner: BarcodeScannerSettings, scales: list[str]) -> Iterator[str]:
    if scanner.scale is None:
        return
    value = f"{at}.scale = {shown(scanner.scale)}"
    if scanner.mode == "till":
        yield f'{value}: a till weighs for itself; only mode = "count" or "receive" has a scale'
    elif scanner.scale not in scales:
        yield f"{value}: no such scale; [[counter_scale]] has {_listed(scales)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names)) or "none"


def _repeated(values: Iterable[T]) -> list[T]:
    return [value for value, times in Counter(values).items() if times > 1]
