"""The agent's settings: `store.toml`, decoded into types and checked as a whole.

Relative paths are relative to the file. Every problem raises `ConfigInvalid`, whose lines name
path, value and what is allowed. Nothing here imports a driver, so that a gateway without readers
never loads the LLRP client.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

from edge.devices.llrp_settings import AntennaSettings, LlrpSettings
from edge.devices.pos_journal_settings import PosJournalSettings
from edge.devices.shelf_scale_settings import ShelfScaleSettings
from edge.errors import ConfigInvalid
from edge.sensing.tags import PortalSettings, TagSettings
from edge.strict_toml import read_toml, shown
from edge.uplink.settings import UplinkSettings
from protocol.errors import InvalidIdentifier, InvalidTopic
from protocol.ids import StoreId, parse_store_id
from protocol.topics import DEFAULT_ROOT, Topics

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
DISK_BUDGET_BYTES_MIN: Final = 1_048_576

Url = Annotated[
    str,
    Meta(
        pattern=r"^mqtts?://[^/@?#\s]+/?$",
        description="mqtt://HOST[:PORT] or mqtts://HOST[:PORT]",
    ),
]
FilePath = Annotated[str, Meta(min_length=1, description="a path")]


class BrokerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the broker is. The files are PEM, and for `mqtts` only."""

    url: Url
    root: str = DEFAULT_ROOT
    ca_file: FilePath | None = None
    certificate_file: FilePath | None = None
    key_file: FilePath | None = None

    @property
    def host(self) -> str:
        """Host name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Port, or the usual one of the scheme."""
        parts = urlsplit(self.url)
        return parts.port or PORTS[parts.scheme]

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"


class OutboxSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much disk the outbox may take before it sheds telemetry, then stock facts."""

    disk_budget_bytes: Annotated[
        int,
        Meta(
            ge=DISK_BUDGET_BYTES_MIN,
            le=2**40,
            description=f"at least {DISK_BUDGET_BYTES_MIN} bytes",
        ),
    ] = 268_435_456


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`store.toml`."""

    store: str
    data_dir: FilePath
    broker: BrokerSettings
    outbox: OutboxSettings = OutboxSettings()
    uplink: UplinkSettings = UplinkSettings()
    tags: TagSettings = TagSettings()
    portals: list[PortalSettings] = []
    llrp: list[LlrpSettings] = []
    shelf_scale: list[ShelfScaleSettings] = []
    pos_journal: list[PosJournalSettings] = []

    @property
    def store_id(self) -> StoreId:
        """The store, as topics name it."""
        return parse_store_id(self.store)

    @property
    def outbox_path(self) -> Path:
        """The outbox's database."""
        return Path(self.data_dir) / "outbox.db"

    @property
    def mirror_path(self) -> Path:
        """The mirror's database."""
        return Path(self.data_dir) / "mirror.db"


def load_settings(path: Path) -> Settings:
    """Return the settings in `store.toml`, with absolute paths, or raise `ConfigInvalid`."""
    settings = read_toml(path, Settings)
    problems = list(_problems(settings))
    if problems:
        raise ConfigInvalid("\n".join(f"{path}: {problem}" for problem in problems))
    folder = path.parent.resolve()
    return replace(
        settings,
        data_dir=str(folder / settings.data_dir),
        broker=replace(
            settings.broker,
            ca_file=_absolute(folder, settings.broker.ca_file),
            certificate_file=_absolute(folder, settings.broker.certificate_file),
            key_file=_absolute(folder, settings.broker.key_file),
        ),
        pos_journal=[_absolute_spool(folder, till) for till in settings.pos_journal],
    )


def _absolute(folder: Path, path: str | None) -> str | None:
    return None if path is None else str(folder / path)


def _absolute_spool(folder: Path, till: PosJournalSettings) -> PosJournalSettings:
    return replace(
        till,
        spool=str(folder / till.spool),
        quarantine=_absolute(folder, till.quarantine),
        archive=_absolute(folder, till.archive),
    )


def _problems(settings: Settings) -> Iterator[str]:
    try:
        parse_store_id(settings.store)
    except InvalidIdentifier as error:
        yield f"store = {shown(settings.store)}: {error.detail}"
    yield from _broker_problems(settings.broker)
    yield from _name_problems(settings)
    portals = {portal.name for portal in settings.portals}
    for index, reader in enumerate(settings.llrp):
        for number, antenna in enumerate(reader.antennas):
            yield from _antenna_problems(antenna, portals, f"llrp[{index}].antennas[{number}]")
        if reader.silence_timeout_ms <= 2 * reader.keepalive_ms:
            value = reader.silence_timeout_ms
            at = f"llrp[{index}].silence_timeout_ms = {value}"
            yield f"{at}: expected more than twice keepalive_ms ({reader.keepalive_ms})"


def _broker_problems(broker: BrokerSettings) -> Iterator[str]:
    try:
        reachable = broker.port > 0 and bool(broker.host)
    except ValueError:
        reachable = False
    if not reachable:
        yield f"broker.url = {shown(broker.url)}: expected a host, and a port from 1 to 65535"
    try:
        Topics(broker.root)
    except InvalidTopic as error:
        yield f"broker.root = {shown(broker.root)}: {error.detail}"
    if (broker.certificate_file is None) != (broker.key_file is None):
        yield "broker.certificate_file and broker.key_file: give both or neither"


def _name_problems(settings: Settings) -> Iterator[str]:
    names = [reader.name for reader in settings.llrp]
    names += [scale.name for scale in settings.shelf_scale]
    names += [till.name for till in settings.pos_journal]
    for name, times in Counter(names).items():
        if times > 1:
            yield f"name = {shown(name)}: {times} devices have it; each needs its own"
    for name, times in Counter(portal.name for portal in settings.portals).items():
        if times > 1:
            yield f"portals: name = {shown(name)}: {times} portals have it; each needs its own"
    for spool, times in Counter(till.spool for till in settings.pos_journal).items():
        if times > 1:
            yield f"pos_journal: spool = {shown(spool)}: {times} tills have it; each needs its own"


def _antenna_problems(antenna: AntennaSettings, portals: set[str], at: str) -> Iterator[str]:
    if (antenna.zone is None) == (antenna.portal is None):
        yield f"{at}: expected either zone, or portal and side"
    elif antenna.portal is not None:
        if antenna.portal not in portals:
            known = ", ".join(sorted(portals)) or "none"
            yield f"{at}.portal = {shown(antenna.portal)}: not among [[portals]]: {known}"
        if antenna.side is None:
            yield f"{at}.side: is missing; expected outside or inside"
