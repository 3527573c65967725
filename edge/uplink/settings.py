"""The limits of an uplink, with bounds and defaults: `[uplink]` in store.toml."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol.codec import FRAME_BYTES_MAX
from protocol.envelope import FACTS_PER_BATCH_MAX

ENVELOPE_BYTES_MAX: Final = 1_024
"""What a frame adds to its facts: store, numbers, array headers."""


class UplinkSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an uplink may have under way, and how long it waits."""

    window_batches: Annotated[int, Meta(ge=1, le=64)] = 8
    """Batches sent and not yet acknowledged."""
    batch_facts_max: Annotated[int, Meta(ge=1, le=FACTS_PER_BATCH_MAX)] = 2_000
    batch_bytes_max: Annotated[int, Meta(ge=1_024, le=FRAME_BYTES_MAX - ENVELOPE_BYTES_MAX)] = (
        262_144
    )
    linger_ms: Annotated[int, Meta(ge=0, le=1_000)] = 10
    """How long a batch that is not full waits for company while others are in flight."""
    hello_timeout_ms: Annotated[int, Meta(ge=50, le=60_000)] = 500
    ack_timeout_ms: Annotated[int, Meta(ge=50, le=60_000)] = 1_500
    timeout_max_ms: Annotated[int, Meta(ge=50, le=600_000)] = 10_000
    """What hello and acknowledgement time-outs grow to while the cloud stays silent."""
    refusal_hold_ms: Annotated[int, Meta(ge=50, le=3_600_000)] = 60_000
    """Pause after the cloud refused our facts; it doubles with each refusal in a row."""
    refusal_hold_max_ms: Annotated[int, Meta(ge=50, le=86_400_000)] = 900_000
    drain_timeout_ms: Annotated[int, Meta(ge=0, le=60_000)] = 3_000
    """How long a stopping agent tries to get rid of what is pending."""
    keepalive_s: Annotated[int, Meta(ge=5, le=600)] = 15
