"""Settings of an LLRP reader. Importing them loads no LLRP client."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from protocol.facts import Name, Zone


class AntennaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one antenna looks at: a zone, one side of a portal, or what it is carried past."""

    id: Annotated[int, Meta(ge=1, le=64)]
    zone: Zone | None = None
    portal: Name | None = None
    side: Literal["outside", "inside"] | None = None
    sweep: bool = False


SEARCH_MODES: Final = {"reader": 0, "single": 1, "dual": 2, "tagfocus": 3}
"""Impinj's search modes; a tag is read once in a while, again and again, or once (tagfocus)."""


class LlrpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reader that speaks LLRP 1.0.1.

    `report_every_tags` and `report_interval_ms` bound how long a read waits in the reader.
    `tx_power_index` is an index into the reader's own power table, 0 for its highest power;
    `tx_power_dbm` takes a power of that table that is near, and not above. `mode` is the
    identifier of one of the reader's RF modes, `tag_population` a guess at how many tags an
    antenna sees.
    `search_mode`, `precise_rssi` (1/100 dBm), `phase` and `doppler` need a reader with Impinj's
    extensions. A reader that sends nothing for `silence_timeout_ms` is taken for half-open; it
    must be well above `keepalive_ms`.
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
    tx_power_dbm: Annotated[float, Meta(ge=0, le=40)] | None = None
    mode: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    session: Annotated[int, Meta(ge=0, le=3)] = 1
    tag_population: Annotated[int, Meta(ge=1, le=65_535)] = 4
    search_mode: Literal["reader", "single", "dual", "tagfocus"] | None = None
    precise_rssi: bool = False
    phase: bool = False
    doppler: bool = False

    @property
    def needs_extensions(self) -> bool:
        """Whether the reader has to have Impinj's extensions."""
        return self.search_mode is not None or self.precise_rssi or self.phase or self.doppler
