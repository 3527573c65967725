"""Settings of a serial line; apart from the line itself, so that they load no serial library."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Baud = Literal[1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200]
Parity = Literal["none", "even", "odd"]


class SerialSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a peripheral is plugged in, and how it talks.

    Best named by a path that stays, such as `/dev/serial/by-id/…`.
    """

    serial_port: Annotated[str, Meta(min_length=1, max_length=255)]
    baud: Baud = 9_600
    data_bits: Literal[7, 8] = 8
    parity: Parity = "none"
    stop_bits: Literal[1, 2] = 1
