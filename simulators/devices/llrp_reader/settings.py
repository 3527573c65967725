"""What a simulated LLRP reader is told when it is built, and what it counts."""

from typing import Final, NamedTuple

from msgspec import Struct

EXAMPLE_MANUFACTURER: Final = 32_473
"""The private enterprise number that RFC 5612 reserves for examples."""

IMPINJ: Final = 25_882
"""Impinj's private enterprise number; llrpkit asks only such readers for Impinj's extensions."""


class TagInField(NamedTuple):
    """One tag that an antenna reads now. An EPC is a whole number of 16-bit words.

    Phase (degrees) and Doppler shift are told to clients that use Impinj's extensions.
    """

    epc: bytes
    rssi_dbm: float
    phase_deg: float = 0.0
    doppler_hz: float = 0.0


class ReaderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The make of a reader: its pace, its limits and what it does at each of them."""

    manufacturer: int = EXAMPLE_MANUFACTURER
    """Private enterprise number in its capabilities."""

    has_utc_clock: bool = True
    """Without a calendar a reader stamps microseconds since it was switched on."""

    keeps_specs: bool = False
    """Specifications and configuration outlive a power cycle; enabled ROSpecs are armed again."""

    reboot_ms: int = 2_000
    """How long a reboot by fault takes."""

    round_ms: int = 100
    """One inventory round over all antennas; a round reads every tag in every field once."""

    report_hold_max_ms: int = 1_000
    """Tags short of the client's N are reported when the oldest has waited for so long."""

    report_tags_max: int = 200
    """Most tags in one RO_ACCESS_REPORT when the client sets no N."""

    buffer_tags_max: int = 20_000
    """Tags kept while they cannot be delivered; beyond it the oldest are dropped and counted."""

    buffer_tags_max_at_overflow: int = 10
    """The same while the fault `buffer_overflow` lasts."""

    late_ms: int = 3_000
    """How late a late report is."""

    late_reports_max: int = 256
    """Late reports on their way; beyond it the oldest is sent at once."""

    tag_memories_max: int = 10_000
    """Tags whose written memory is kept; beyond it the one written first is as it was made."""

    temperature_c: int = 38
    """What the reader's thermometer shows; told by Impinj's extensions."""

    send_buffer_bytes_max: int = 262_144
    """Bytes queued to a slow client; beyond it reports stay in the tag buffer."""

    frame_bytes_max: int = 262_144
    """A longer message is refused and its connection closed."""

    errors_in_a_row_max: int = 8
    """A client that sends so many unusable messages in a row is disconnected."""

    keepalives_unanswered_max: int = 3
    """A client that leaves so many keepalives unanswered is disconnected."""

    ro_specs_max: int = 8
    access_specs_max: int = 8
    gpi_ports: int = 4
    gpo_ports: int = 4


class ReaderStats(Struct, kw_only=True):
    """Counters of one reader since it was built; power cycles do not reset them.

    `tag_reads` are singulations, `reads_reported` those in reports that were sent, `tags_reported`
    the entries of these reports. What was lost is told apart: out of a full buffer
    (`reads_overflowed`), by a fault (`reads_dropped`) or by a power cycle (`reads_forgotten`).
    """

    connections: int = 0
    connections_refused: int = 0
    reboots: int = 0
    messages_received: int = 0
    errors_sent: int = 0
    rounds: int = 0
    tag_reads: int = 0
    tags_reported: int = 0
    reads_reported: int = 0
    reports_sent: int = 0
    tags_lost: int = 0
    reads_overflowed: int = 0
    reads_dropped: int = 0
    reads_forgotten: int = 0
    access_operations: int = 0
    events_undelivered: int = 0
    keepalives_sent: int = 0
    keepalives_answered: int = 0
