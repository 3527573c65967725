"""How patient tag sensing is: the `[tags]` of `store.toml`."""

from typing import Annotated

from msgspec import Meta, Struct

from edge.sensing.location import Motion


class TagSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times in milliseconds, levels in decibels, shares and probabilities from 0 to 1.

    A tag enters the store when zones have read it for `presence_grace_ms`, and has left its zone
    after `leave_after_ms` without. `motion` says how goods move between zones: `asset` for what is
    wheeled about, `garment` for what hangs for days; `zone_hysteresis_db` helps the zone in which
    a tag is while that still reads it (`location`).
    A portal decides while the tag is still there when it is nearly certain and the side that the
    tag came from has been quiet for `portal_settle_ms`; otherwise after `portal_window_ms` without
    a reading, and only when it is `portal_confidence_min` sure.
    A sweep with a handheld ends after `sweep_quiet_ms` without a reading. It is one of the whole
    store when it read `sweep_coverage_min` of the tags that it should meet.
    """

    baseline_min_ms: int = 2_000
    baseline_quiet_ms: int = 1_500
    baseline_max_ms: int = 10_000
    presence_grace_ms: int = 1_500
    portal_settle_ms: int = 300
    portal_window_ms: int = 10_000
    portal_confidence_min: Annotated[float, Meta(ge=0, le=1)] = 0.6
    motion: Motion = "asset"
    zone_hysteresis_db: float = 6.0
    leave_after_ms: int = 10_000
    sweep_quiet_ms: Annotated[int, Meta(ge=1_000, le=86_400_000)] = 120_000
    sweep_coverage_min: Annotated[float, Meta(gt=0, le=1)] = 0.7
