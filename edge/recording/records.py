"""What a recording holds: a header, then records, MessagePack arrays that start with their kind.

Pure types. Kinds and positions are never reused; a new field goes to the end with a default, and
a new kind or a change of meaning raises `FORMAT_VERSION`. docs/record-and-replay.md describes the
same for readers in other languages.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from protocol.facts import Name

FORMAT_VERSION: Final = 1
RECORD_BYTES_MAX: Final = 8 * 1_048_576
"""The longest record; what would be longer (a huge document) is dropped and counted."""
DEVICES_MAX: Final = 1_000
REPORTS_PER_DECISION_MAX: Final = 4_096

MonotonicMs = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Milliseconds on the gateway's monotonic clock: only differences mean something."""


UtcMs = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""Milliseconds since 1970-01-01T00:00:00Z, up to the end of the year 9999."""


class DeviceHeader(Struct, frozen=True, kw_only=True, array_like=True):
    """A device as it was configured; `settings` leaves out addresses, paths and secrets."""

    name: Name
    kind: Name
    settings: dict[str, Any]


class Header(Struct, frozen=True, kw_only=True, array_like=True):
    """The first frame. `settings` is what sensing was set to: the tables `tags` and `portals`."""

    format_version: Annotated[int, Meta(ge=1, le=1_000_000)]
    store: Name
    agent_version: Annotated[str, Meta(max_length=64)]
    started_utc_ms: UtcMs
    started_monotonic_ms: MonotonicMs
    devices: Annotated[list[DeviceHeader], Meta(max_length=DEVICES_MAX)]
    settings: dict[str, Any]


class Stamped(Struct, frozen=True, kw_only=True, array_like=True):
    """When the gateway had it, on both of its clocks."""

    monotonic_ms: MonotonicMs
    utc_ms: UtcMs


class Opened(Stamped, frozen=True, kw_only=True, tag=1):
    """A driver connected to its device: what was known of the device's session begins anew."""

    device: Name


class LlrpMessage(Stamped, frozen=True, kw_only=True, tag=2):
    """One whole LLRP message from a reader. The times are those it was decoded with."""

    device: Name
    data: bytes


class RegistersRead(Stamped, frozen=True, kw_only=True, tag=3):
    """Input registers of a scale, from `address` on."""

    device: Name
    address: Annotated[int, Meta(ge=0, le=65_535)]
    registers: Annotated[list[Annotated[int, Meta(ge=0, le=65_535)]], Meta(max_length=125)]


class DocumentTaken(Stamped, frozen=True, kw_only=True, tag=4):
    """A document that a till wrote, once its facts were durable or it was refused."""

    device: Name
    data: bytes


class DocumentLeftOut(Stamped, frozen=True, kw_only=True, tag=5):
    """A till's document that the recording leaves out for privacy; BLAKE2b-64 of its content."""

    device: Name
    size_bytes: Annotated[int, Meta(ge=0)]
    digest: bytes


class SerialBytes(Stamped, frozen=True, kw_only=True, tag=6):
    """Bytes as they came from a serial line or a socket of a peripheral."""

    device: Name
    data: bytes


class CheckpointsHeld(Stamped, frozen=True, kw_only=True, tag=7):
    """Part of what sensing remembered when the recording began: checkpoints of the outbox."""

    values: dict[str, bytes]


class SensingStarted(Stamped, frozen=True, kw_only=True, tag=8):
    """Tag sensing began, at `utc_ms`."""


class TagsDecided(Stamped, frozen=True, kw_only=True, tag=9):
    """Tag sensing decided at `utc_ms` about these reports: the reader of each, in order."""

    readers: Annotated[list[Name], Meta(max_length=REPORTS_PER_DECISION_MAX)]


class RecordsDropped(Stamped, frozen=True, kw_only=True, tag=10):
    """Here records are missing: the recorder's buffer was full until this moment."""

    records: Annotated[int, Meta(ge=0)]
    size_bytes: Annotated[int, Meta(ge=0)]


class Ended(Stamped, frozen=True, kw_only=True, tag=11):
    """The last record. `full`: the file has reached its size limit and the rest is missing."""

    reason: Literal["stopped", "full"]


Record = (
    Opened
    | LlrpMessage
    | RegistersRead
    | DocumentTaken
    | DocumentLeftOut
    | SerialBytes
    | CheckpointsHeld
    | SensingStarted
    | TagsDecided
    | RecordsDropped
    | Ended
)
