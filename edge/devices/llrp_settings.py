"""Settings of an LLRP reader. Importing them loads no LLRP client."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.facts import Name, Zone


class AntennaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one antenna looks at: a zone, or one side of a portal."""

    id: Annotated[int, Meta(ge=1, le=64)]
    zone: Zone | None = None
    portal: Name | None = None
    side: Literal["outside", "inside"] | None = None


class LlrpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reader that speaks LLRP 1.0.1.

    `report_every_tags` and `report_interval_ms` bound how long a read waits in the reader.
    `tx_power_index` is an index into the reader's own power table, 0 for its highest power.
    A reader that sends nothing for `silence_timeout_ms` is taken for half-open; it must be well
    above `keepalive_ms`.
    """

    name: Name
    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Annotated[int, Meta(ge=1, le=65_535)] = 5084
    antennas: Annotated[list[AntennaSettings], Meta(min_length=1, max_length=64)]
    keepalive_ms: Annotated[int, Meta(ge=100, le=600_000)] = 2_000
    silence_timeout_ms: Annotated[int, Meta(ge=500, le=3_600_000)] = 7_000
    connect_timeout_ms: Annotated[int, Meta(ge=100, le=60_000)] = 5_000
    report_every_tags: Annotated[int, Meta(ge=1, le=2_000)] = 200
    report_interval_ms: Annotated[int, Meta(ge=20, le=60_000)] = 250
    tx_power_index: Annotated[int, Meta(ge=0, le=255)] = 0
    session: Annotated[int, Meta(ge=0, le=3)] = 1
