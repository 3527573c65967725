"""The cloud's settings: `cloud.toml` and the policies it names, decoded into types.

Relative paths are relative to the file that names them. Every problem raises `ConfigInvalid`,
whose lines name path, value and what is allowed.
"""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from cloud.errors import ConfigInvalid
from cloud.policies import LEAD_TIME_H_MAX, WEEKDAYS, Weekday, policy_problems
from cloud.shards.inbox import INBOX_BYTES_MAX, INBOX_INPUTS_MAX
from cloud.shards.messages import SetPolicy
from cloud.sku_location.state import Policy
from cloud.strict_toml import read_toml, shown
from protocol.broker_settings import BrokerSettings, FilePath, broker_problems
from protocol.errors import InvalidIdentifier
from protocol.facts import QUANTITY_MAX
from protocol.ids import parse_gtin, parse_store_id

POSTGRES_SCHEMES: Final = ("postgresql://", "postgres://")
POSTGRES_URL: Final = "postgresql://USER@HOST:PORT/DATABASE"


class JournalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the journal is: in a file, or in a PostgreSQL database.

    A URL may hold a password, so no message ever shows it.
    """

    path: FilePath | None = None
    url: Annotated[str, Meta(description=POSTGRES_URL)] | None = None


class ShardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many shards share the stores, and how stock is reordered."""

    count: Annotated[int, Meta(ge=1, le=1, description="1: one journal has one owner")] = 1
    inbox_inputs_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="1 to 1000000 inputs that wait for a shard")
    ] = INBOX_INPUTS_MAX
    inbox_bytes_max: Annotated[
        int, Meta(ge=1_048_576, le=2**40, description="at least 1048576 bytes (one frame)")
    ] = INBOX_BYTES_MAX
    policy_file: FilePath | None = None
    escalate_reorders_after_h: Annotated[
        int, Meta(ge=1, le=LEAD_TIME_H_MAX, description=f"1 to {LEAD_TIME_H_MAX} hours")
    ] = 24


class IngestSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ingest holds of what the broker sends; more is dropped, and sent again by the edge."""

    queue_messages_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="1 to 1000000 messages")
    ] = 2_000
    queue_bytes_max: Annotated[
        int, Meta(ge=1_048_576, le=2**40, description="at least 1048576 bytes (one frame)")
    ] = 64 * 1_048_576


class PublisherSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the publisher has in flight and holds back.

    Where the two windows, and two places more, exceed what the broker takes from one client
    (`Receive Maximum`), they share that in proportion.
    """

    live_window: Annotated[
        int, Meta(ge=1, le=1_000, description="1 to 1000 unconfirmed live messages")
    ] = 48
    retained_window: Annotated[
        int, Meta(ge=1, le=1_000, description="1 to 1000 unconfirmed retained documents")
    ] = 96
    press: bool = True
    """Make documents in a process of its own; on one core, or in little memory, better not."""
    backlog_topics_max: Annotated[
        int, Meta(ge=1_000, le=10_000_000, description="1000 to 10000000 topics")
    ] = 50_000
    marker_interval_ms: Annotated[
        int, Meta(ge=10, le=3_600_000, description="10 to 3600000 milliseconds")
    ] = 1_000
    confirm_timeout_ms: Annotated[
        int, Meta(ge=100, le=3_600_000, description="100 to 3600000 milliseconds")
    ] = 30_000


class ApiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the HTTP API listens, who may use it, and how much of it at most."""

    tokens_file: FilePath
    host: Annotated[
        str, Meta(min_length=1, max_length=255, description="an address of this machine")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="0 to 65535; 0: any that is free")] = (
        8080
    )
    body_bytes_max: Annotated[
        int, Meta(ge=1_024, le=67_108_864, description="1024 to 67108864 bytes")
    ] = 1_048_576
    requests_per_minute: Annotated[
        int, Meta(ge=1, le=10_000_000, description="1 to 10000000 requests of one token")
    ] = 6_000
    reader_threads: Annotated[int, Meta(ge=1, le=64, description="1 to 64 threads")] = 4


class CountSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The day's look at counts: how many recounts a store can do, and when it is asked (UTC)."""

    recounts_per_day: Annotated[int, Meta(ge=0, le=10_000, description="0 to 10000")] = 20
    at_hour: Annotated[int, Meta(ge=0, le=23, description="0 to 23, UTC")] = 4


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`cloud.toml`. Without `[api]`, no HTTP is served."""

    broker: BrokerSettings
    journal: JournalSettings
    shards: ShardSettings = ShardSettings()
    ingest: IngestSettings = IngestSettings()
    publisher: PublisherSettings = PublisherSettings()
    counts: CountSettings = CountSettings()
    api: ApiSettings | None = None


class PolicySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one SKU-location is reordered: at `reorder_point` or below, up to `order_up_to`.

    In whole packs, at least `minimum_order`, opened on `review_weekdays` (empty: on any day, UTC).
    `replenish_at`: ask for goods from the backroom when the sales floor has this much or less.
    `confidence_min`: while the count is less sure than this, ask for a recount and order nothing.
    """

    store: str
    gtin: str
    reorder_point: Annotated[
        int, Meta(ge=0, le=QUANTITY_MAX, description=f"0 to {QUANTITY_MAX} units or grams")
    ]
    order_up_to: Annotated[
        int, Meta(ge=1, le=QUANTITY_MAX, description=f"1 to {QUANTITY_MAX} units or grams")
    ]
    pack_size: Annotated[
        int, Meta(ge=1, le=QUANTITY_MAX, description=f"1 to {QUANTITY_MAX} units or grams")
    ] = 1
    minimum_order: Annotated[
        int, Meta(ge=1, le=QUANTITY_MAX, description=f"1 to {QUANTITY_MAX} units or grams")
    ] = 1
    lead_time_h: Annotated[
        int, Meta(ge=0, le=LEAD_TIME_H_MAX, description=f"0 to {LEAD_TIME_H_MAX} hours")
    ] = 0
    review_weekdays: list[Weekday] = []
    source: Annotated[str, Meta(max_length=64, description="at most 64 characters")] = ""
    is_on: bool = True
    replenish_at: (
        Annotated[
            int, Meta(ge=0, le=QUANTITY_MAX, description=f"0 to {QUANTITY_MAX} units or grams")
        ]
        | None
    ) = None
    confidence_min: Annotated[float, Meta(ge=0, le=1, description="0 to 1")] = 0.0


class PolicyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`policies.toml`."""

    policies: list[PolicySettings] = []


def load_settings(path: Path) -> Settings:
    """Return the settings in `cloud.toml`, with absolute paths, or raise `ConfigInvalid`."""
    settings = read_toml(path, Settings)
    problems = [*broker_problems(settings.broker), *_journal_problems(settings.journal)]
    if problems:
        raise ConfigInvalid("\n".join(f"{path}: {problem}" for problem in problems))
    folder = path.parent.resolve()
    return replace(
        settings,
        broker=replace(
            settings.broker,
            ca_file=_absolute(folder, settings.broker.ca_file),
            certificate_file=_absolute(folder, settings.broker.certificate_file),
            key_file=_absolute(folder, settings.broker.key_file),
        ),
        journal=replace(settings.journal, path=_absolute(folder, settings.journal.path)),
        shards=replace(settings.shards, policy_file=_absolute(folder, settings.shards.policy_file)),
        api=_absolute_api(folder, settings.api),
    )


def _journal_problems(journal: JournalSettings) -> list[str]:
    if journal.path is None and journal.url is None:
        return ["journal.path: is missing; expected a path, or journal.url of PostgreSQL"]
    if journal.path is not None and journal.url is not None:
        return ["journal: path and url: expected one of them, not both"]
    if journal.url is not None and not journal.url.startswith(POSTGRES_SCHEMES):
        return [f"journal.url: expected {POSTGRES_URL}"]
    return []


def _absolute_api(folder: Path, api: ApiSettings | None) -> ApiSettings | None:
    return None if api is None else replace(api, tokens_file=str(folder / api.tokens_file))


def _absolute(folder: Path, path: str | None) -> str | None:
    return None if path is None else str(folder / path)


def load_policies(path: Path) -> list[SetPolicy]:
    """Return the commands in `policies.toml`, or raise `ConfigInvalid`."""
    entries = read_toml(path, PolicyFile).policies
    problems: list[str] = []
    commands: dict[tuple[str, str], SetPolicy] = {}
    for index, entry in enumerate(entries):
        at = f"{path}: policies[{index}]"
        command = _command_of(entry, at, problems)
        if command is None:
            continue
        key = (command.store, command.gtin)
        if key in commands:
            problems.append(f"{at}: {command.gtin} at {command.store} has a policy further up")
        commands[key] = command
    if problems:
        raise ConfigInvalid("\n".join(problems))
    return list(commands.values())


def _command_of(entry: PolicySettings, at: str, problems: list[str]) -> SetPolicy | None:
    policy = _policy_of(entry)
    problems += (f"{at}.{problem}" for problem in policy_problems(policy))
    try:
        store = parse_store_id(entry.store)
    except InvalidIdentifier as error:
        problems.append(f"{at}.store = {shown(entry.store)}: {error.detail}")
        return None
    try:
        gtin = parse_gtin(entry.gtin)
    except InvalidIdentifier as error:
        problems.append(f"{at}.gtin = {shown(entry.gtin)}: {error.detail}")
        return None
    return SetPolicy(store=store, gtin=gtin, policy=policy)


def _policy_of(entry: PolicySettings) -> Policy:
    return Policy(
        reorder_point=entry.reorder_point,
        order_up_to=entry.order_up_to,
        pack_size=entry.pack_size,
        minimum_order=entry.minimum_order,
        lead_time_h=entry.lead_time_h,
        review_weekdays=tuple(WEEKDAYS.index(day) for day in entry.review_weekdays),
        source=entry.source,
        is_on=entry.is_on,
        replenish_at=entry.replenish_at,
        confidence_min=entry.confidence_min,
    )
