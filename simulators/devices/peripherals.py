"""The till's own peripherals of one simulated store, as a scenario lists them.

What happens at a till moves them: its scanner sees the goods, its scale bears what is weighed, its
printer prints the receipt and kicks the drawer. Runs in its caller's event loop.
"""

from collections.abc import Iterator, Sequence
from json import dumps
from pathlib import Path
from random import Random
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from simulators.devices.barcode_scanner import BarcodeScanner, ScannerSettings
from simulators.devices.counter_scale import CounterScale, CounterScaleModel
from simulators.devices.faults import FaultyDevice
from simulators.devices.receipt_printer import PrinterModel, ReceiptPrinter
from simulators.devices.till import TillItem

PERIPHERALS_MAX: Final = 64
CASH_SHARE: Final = 0.4
"""Part of the sales that are paid in cash, which opens the drawer."""

Till = Annotated[str, Meta(min_length=1, max_length=64)]


class PeripheralScanner(ScannerSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scanner and what the agent uses it for."""

    mode: Literal["till", "count", "receive"] = "till"
    """What the agent is told it is for."""
    till: Till = "till-1"
    """The till whose goods it sees, in mode `till`."""


class PeripheralScale(CounterScaleModel, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A counter scale at a till."""

    till: Till = "till-1"
    """The till whose weighed goods lie on it."""


class PeripheralPrinter(PrinterModel, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A printer with a drawer at a till."""

    till: Till = "till-1"
    """The till whose receipts it prints."""
    prints_tasks: bool = False
    """Whether the agent prints tasks on it."""


class PeripheralSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The peripherals of a store; none by default."""

    scanners: Annotated[list[PeripheralScanner], Meta(max_length=PERIPHERALS_MAX)] = []
    """Hand scanners on serial lines."""
    scales: Annotated[list[PeripheralScale], Meta(max_length=PERIPHERALS_MAX)] = []
    """Counter scales on serial lines."""
    printers: Annotated[list[PeripheralPrinter], Meta(max_length=PERIPHERALS_MAX)] = []
    """Receipt printers with cash drawers, on TCP."""


class Peripherals:
    """All peripherals of one store. Serial lines get links in `folder`."""

    def __init__(self, settings: PeripheralSettings, folder: Path, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self.loads_g: dict[str, float] = {each.name: 0.0 for each in settings.scales}
        """What lies on each scale, in grams."""
        self.scanners = {
            each.name: BarcodeScanner(each, rng, folder / each.name) for each in settings.scanners
        }
        self.scales = {
            each.name: CounterScale(each, self._load_of(each.name), rng, folder / each.name)
            for each in settings.scales
        }
        self.printers = {each.name: ReceiptPrinter(each) for each in settings.printers}

    @property
    def devices(self) -> dict[str, FaultyDevice]:
        """Every peripheral that can be broken, by name."""
        return {**self.scanners, **self.scales, **self.printers}

    async def start(self) -> None:
        """Plug everything in. Raises `OSError`."""
        for device in self._all():
            await device.start()

    async def stop(self) -> None:
        """Pull every plug."""
        for device in self._all():
            await device.stop()

    def sold(self, till: str, items: Sequence[TillItem]) -> None:
        """Let a till's peripherals do what they do at a sale."""
        for item in items:
            self._ring_up(till, item)
        for each in self._settings.printers:
            if each.till == till:
                self._receipt(self.printers[each.name], items)

    def edge_config(self) -> Iterator[str]:
        """Yield the lines of the agent's `store.toml` for these peripherals, once started."""
        scales = {each.till: each.name for each in self._settings.scales}
        for scanner in self._settings.scanners:
            yield "[[barcode_scanner]]"
            yield f"name = {dumps(scanner.name)}"
            yield f"mode = {dumps(scanner.mode)}"
            yield f"serial_port = {dumps(self.scanners[scanner.name].path)}"
            if scanner.mode != "till" and scanner.till in scales:
                yield f"scale = {dumps(scales[scanner.till])}"
        for scale in self._settings.scales:
            yield "[[counter_scale]]"
            yield f"name = {dumps(scale.name)}"
            yield f"dialect = {dumps(scale.dialect)}"
            yield f"unit = {dumps(scale.unit)}"
            # A pseudo-terminal has eight data bits and no parity, whatever it is asked for.
            yield "data_bits = 8"
            yield 'parity = "none"'
            yield f"serial_port = {dumps(self.scales[scale.name].path)}"
        for printer in self._settings.printers:
            yield "[[receipt_printer]]"
            yield f"name = {dumps(printer.name)}"
            yield f"host = {dumps(printer.host)}"
            yield f"port = {self.printers[printer.name].port}"
            yield 'drawer = "open_is_high"'
            yield f"till = {dumps(printer.till)}"
            yield f"prints_tasks = {dumps(printer.prints_tasks)}"

    def _all(self) -> Iterator[BarcodeScanner | CounterScale | ReceiptPrinter]:
        yield from self.scanners.values()
        yield from self.scales.values()
        yield from self.printers.values()

    def _load_of(self, scale: str) -> "_Load":
        return _Load(self.loads_g, scale)

    def _ring_up(self, till: str, item: TillItem) -> None:
        is_weighed = item.measure == "grams"
        for scale in self._settings.scales:
            if scale.till == till and is_weighed:
                self.loads_g[scale.name] = float(item.quantity)
        for each in self._settings.scanners:
            if each.till == till and each.mode == "till":
                for _ in range(1 if is_weighed else item.quantity):
                    self.scanners[each.name].scan_item(item.gtin)

    def _receipt(self, printer: ReceiptPrinter, items: Sequence[TillItem]) -> None:
        printer.print_here([f"{item.quantity:>6} {item.measure} {item.gtin}" for item in items])
        printer.shut_drawer()
        if self._rng.random() < CASH_SHARE:
            printer.kick()


class _Load:
    """What lies on one scale now."""

    def __init__(self, loads_g: dict[str, float], scale: str) -> None:
        self._loads_g = loads_g
        self._scale = scale

    def __call__(self) -> float:
        return self._loads_g[self._scale]
