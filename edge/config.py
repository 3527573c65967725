"""The agent's settings: `store.toml`, decoded into types.

Relative paths are relative to the file. Every problem raises `ConfigInvalid`, whose lines name
path, value and what is allowed. Loading it loads no driver: the drivers' settings live apart.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Final, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from edge.devices.barcode_scanner_settings import BarcodeScannerSettings
from edge.devices.counter_scale_settings import CounterScaleSettings
from edge.devices.llrp_settings import AntennaSettings, LlrpSettings
from edge.devices.peripheral_problems import peripheral_problems
from edge.devices.pos_journal_settings import PosJournalSettings
from edge.devices.receipt_printer_settings import ReceiptPrinterSettings
from edge.devices.shelf_scale_settings import ShelfScaleSettings
from edge.errors import ConfigInvalid
from edge.recording.settings import RecordingSettings
from edge.sensing.tags import PortalSettings, TagSettings
from edge.uplink.settings import UplinkSettings
from protocol.broker_settings import BrokerSettings, FilePath, broker_problems
from protocol.errors import InvalidIdentifier, SettingsInvalid
from protocol.ids import StoreId, parse_store_id
from protocol.strict_toml import decode_settings, shown

FILE_BYTES_MAX: Final = 4 * 1_048_576
SILENCE_PER_KEEPALIVE_MIN: Final = 2

T = TypeVar("T")


class OutboxSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of the disk facts may take that the cloud has not acknowledged."""

    disk_budget_bytes: Annotated[
        int, Meta(ge=1_048_576, le=2**40, description="1048576 to 1099511627776 bytes")
    ] = 268_435_456


class EdgeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`store.toml`."""

    store: str
    data_dir: FilePath = "./data"
    broker: BrokerSettings
    outbox: OutboxSettings = OutboxSettings()
    uplink: UplinkSettings = UplinkSettings()
    recording: RecordingSettings = RecordingSettings()
    tags: TagSettings = TagSettings()
    portals: list[PortalSettings] = []
    llrp: list[LlrpSettings] = []
    shelf_scale: list[ShelfScaleSettings] = []
    pos_journal: list[PosJournalSettings] = []
    barcode_scanner: list[BarcodeScannerSettings] = []
    counter_scale: list[CounterScaleSettings] = []
    receipt_printer: list[ReceiptPrinterSettings] = []

    @property
    def store_id(self) -> StoreId:
        """The store, as topics and messages name it."""
        return parse_store_id(self.store)

    @property
    def outbox_path(self) -> Path:
        """The outbox's file."""
        return Path(self.data_dir) / "outbox.db"

    @property
    def mirror_path(self) -> Path:
        """The mirror's file."""
        return Path(self.data_dir) / "mirror.db"


def load_settings(path: Path) -> EdgeSettings:
    """Return the settings in `store.toml`, with absolute paths, or raise `ConfigInvalid`."""
    try:
        settings = decode_settings(_text(path), str(path), EdgeSettings)
    except SettingsInvalid as error:
        raise ConfigInvalid(str(error)) from error
    settings = _with_absolute_paths(settings, path.parent.resolve())
    problems = chain(
        _store_problems(settings.store),
        broker_problems(settings.broker),
        _file_problems(settings.broker),
        _name_problems(settings),
        _portal_problems(settings),
        *(_reader_problems(index, reader, settings) for index, reader in enumerate(settings.llrp)),
        _spool_problems(settings.pos_journal),
        _recording_problems(settings.recording),
        peripheral_problems(
            settings.barcode_scanner,
            settings.counter_scale,
            settings.receipt_printer,
            tills=[till.name for till in settings.pos_journal],
            other_ports=[
                scale.serial_port for scale in settings.shelf_scale if scale.serial_port is not None
            ],
        ),
    )
    lines = [f"{path}: {problem}" for problem in problems]
    if lines:
        raise ConfigInvalid("\n".join(lines))
    return settings


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigInvalid(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigInvalid(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not UTF-8: {error}") from error


def _with_absolute_paths(settings: EdgeSettings, folder: Path) -> EdgeSettings:
    def absolute(path: str | None) -> str | None:
        return None if path is None else str(folder / path)

    broker, recording = settings.broker, settings.recording
    return replace(
        settings,
        recording=replace(recording, path=absolute(recording.path)),
        data_dir=absolute(settings.data_dir),
        broker=replace(
            broker,
            ca_file=absolute(broker.ca_file),
            certificate_file=absolute(broker.certificate_file),
            key_file=absolute(broker.key_file),
        ),
        pos_journal=[
            replace(
                till,
                spool=absolute(till.spool),
                quarantine=absolute(till.quarantine),
                archive=absolute(till.archive),
            )
            for till in settings.pos_journal
        ],
        barcode_scanner=[
            replace(scanner, serial_port=absolute(scanner.serial_port))
            for scanner in settings.barcode_scanner
        ],
        counter_scale=[
            replace(scale, serial_port=absolute(scale.serial_port))
            for scale in settings.counter_scale
        ],
    )


def _store_problems(store: str) -> Iterator[str]:
    try:
        parse_store_id(store)
    except InvalidIdentifier as error:
        yield f"store = {shown(store)}: {error.detail}"


def _file_problems(broker: BrokerSettings) -> Iterator[str]:
    for name, file in broker.tls_files.items() if broker.is_tls else ():
        if not Path(file).is_file():
            yield f"broker.{name} = {shown(file)}: there is no such file"


def _name_problems(settings: EdgeSettings) -> Iterator[str]:
    readers = (reader.name for reader in settings.llrp)
    scales = (scale.name for scale in settings.shelf_scale)
    tills = (till.name for till in settings.pos_journal)
    scanners = (scanner.name for scanner in settings.barcode_scanner)
    counters = (scale.name for scale in settings.counter_scale)
    printers = (printer.name for printer in settings.receipt_printer)
    for name in _repeated(chain(readers, scales, tills, scanners, counters, printers)):
        yield f"name = {shown(name)}: is used by two devices; each needs its own"
    for name in _repeated(portal.name for portal in settings.portals):
        yield f"portals: name = {shown(name)}: is used by two portals; each needs its own"


def _portal_problems(settings: EdgeSettings) -> Iterator[str]:
    antennas = [antenna for reader in settings.llrp for antenna in reader.antennas]
    for index, portal in enumerate(settings.portals):
        if portal.outside == portal.inside:
            value = shown(portal.inside)
            yield f"portals[{index}].inside = {value}: a portal joins two different zones"
        sides = {antenna.side for antenna in antennas if antenna.portal == portal.name}
        if len(sides) == 1:
            detail = "needs an antenna on each side, or no crossing is ever seen"
            yield f"portals[{index}].name = {shown(portal.name)}: {detail}"


def _reader_problems(index: int, reader: LlrpSettings, settings: EdgeSettings) -> Iterator[str]:
    at = f"llrp[{index}]"
    if reader.silence_timeout_ms < SILENCE_PER_KEEPALIVE_MIN * reader.keepalive_ms:
        minimum_ms = SILENCE_PER_KEEPALIVE_MIN * reader.keepalive_ms
        value = f"{at}.silence_timeout_ms = {reader.silence_timeout_ms}"
        yield f"{value}: at least {minimum_ms}, twice its keepalive_ms"
    for number in _repeated(antenna.id for antenna in reader.antennas):
        yield f"{at}.antennas: id = {number}: is given twice"
    known = [portal.name for portal in settings.portals]
    for position, antenna in enumerate(reader.antennas):
        yield from _antenna_problems(f"{at}.antennas[{position}]", antenna, known)


def _antenna_problems(at: str, antenna: AntennaSettings, portals: list[str]) -> Iterator[str]:
    if [antenna.zone is not None, antenna.portal is not None, antenna.sweep].count(True) != 1:
        yield f"{at}: expected either a zone, or a portal with a side, or sweep = true"
    elif (antenna.portal is None) != (antenna.side is None):
        yield f"{at}: portal and side belong together"
    if antenna.portal is not None and antenna.portal not in portals:
        defined = ", ".join(map(shown, portals)) or "none"
        yield f"{at}.portal = {shown(antenna.portal)}: no such portal; [[portals]] has {defined}"


def _spool_problems(tills: list[PosJournalSettings]) -> Iterator[str]:
    for spool in _repeated(till.spool for till in tills):
        yield f"pos_journal: spool = {shown(spool)}: is given to two tills; each needs its own"


def _recording_problems(recording: RecordingSettings) -> Iterator[str]:
    if recording.path is None and recording != RecordingSettings():
        yield "recording.path: is missing; without it nothing is recorded"


def _repeated(values: Iterable[T]) -> list[T]:
    return [value for value, times in Counter(values).items() if times > 1]
