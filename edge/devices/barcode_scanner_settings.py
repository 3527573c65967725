"""Settings of a `barcode_scanner` device; apart from its driver."""

from typing import Annotated, Literal

from msgspec import Meta, field

from edge.devices.serial_settings import SerialSettings
from protocol.facts import Name, Zone

WeightPrefix = Annotated[str, Meta(pattern="^(02|2[0-9])$")]


class BarcodeScannerSettings(SerialSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scanner on a serial line, and what it is used for.

    `mode`: `till` only watches, since the till's own journal tells what was sold; `count` makes
    counts and `receive` makes receipts of what is scanned between a start and an end code, the
    latter into `zone`. `scale` names a counter scale for goods that are counted in grams; they are
    waited for `weighing_timeout_ms`. `weight_prefixes` are numbers of restricted circulation that
    hold a weight. With `beep_on_refusal` the scanner is sent a BEL for what it should not have
    scanned, which many of them answer with a sound. `repeats_told` is how many scans of one item in
    a row a till's scanner tells of.
    """

    name: Name
    mode: Literal["till", "count", "receive"]
    zone: Zone = "backroom"
    scale: Name | None = None
    weighing_timeout_ms: Annotated[int, Meta(ge=1_000, le=120_000)] = 15_000
    weight_prefixes: Annotated[list[WeightPrefix], Meta(max_length=11)] = field(
        default_factory=list
    )
    beep_on_refusal: bool = False
    repeats_told: Annotated[int, Meta(ge=2, le=1_000)] = 3
