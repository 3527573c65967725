"""What a simulated LLRP reader is told when it is built, and what it counts."""

from typing import NamedTuple

from msgspec import Struct


class TagInField(NamedTuple):
    """One tag that an antenna can energise now. An EPC is a whole number of 16-bit words."""

    epc: bytes
    rssi_dbm: float


class ReaderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The make of a reader: its pace, its limits and what it does at each of them."""

    round_ms: int = 100
    """One inventory round over all antennas; a round reads every tag in every field once."""

    report_hold_max_ms: int = 1_000
    """Tags short of the client's N are reported when the oldest has waited for so long."""

    report_tags_max: int = 200
    """Most tags in one RO_ACCESS_REPORT when the client sets no N."""

    buffer_tags_max: int = 20_000
    """Tags kept while they cannot be delivered; beyond it the oldest are dropped and counted."""

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
    """Counters of one reader since it was built; power cycles do not reset them."""

    connections: int = 0
    connections_refused: int = 0
    messages_received: int = 0
    errors_sent: int = 0
    rounds: int = 0
    tag_reads: int = 0
    tags_reported: int = 0
    reports_sent: int = 0
    tags_lost: int = 0
    events_undelivered: int = 0
    keepalives_sent: int = 0
    keepalives_answered: int = 0
