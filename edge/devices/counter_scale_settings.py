"""Settings of a `counter_scale` device; apart from its driver."""

from typing import Annotated, Literal

from msgspec import Meta

from edge.devices.serial_settings import Parity, SerialSettings
from protocol.facts import Name

WeightUnit = Literal["kg", "g", "lb", "oz"]


class CounterScaleSettings(SerialSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A weighing scale on a serial line that is asked for its weight every `poll_ms`.

    `dialect`: `toledo_8217` or `nci`. Toledo's answer does not say its `unit`; NCI's does. A scale
    that leaves a question unanswered for `timeout_ms` is asked again, a few times.
    """

    name: Name
    dialect: Literal["toledo_8217", "nci"]
    unit: WeightUnit = "kg"
    data_bits: Literal[7, 8] = 7
    parity: Parity = "even"
    poll_ms: Annotated[int, Meta(ge=100, le=1_500)] = 400
    timeout_ms: Annotated[int, Meta(ge=100, le=10_000)] = 1_000
