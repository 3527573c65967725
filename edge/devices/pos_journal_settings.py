"""Settings of a `pos_journal` device; apart from its driver, so that they load no parser."""

from datetime import UTC, tzinfo
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from protocol.facts import Zone

FILE_BYTES_MAX_DEFAULT: Final = 4 * 1024 * 1024


class PosJournalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One till's spool directory.

    `quarantine` defaults to the directory of that name beside the spool; `archive`, if set, keeps
    documents that were taken, which are deleted otherwise. Both must be on the spool's file
    system. `receiving_zone` is where goods go that a till receives. `time_zone` is the IANA name
    of the zone of times that the till writes without an offset.
    """

    name: Annotated[str, Meta(pattern="^[^/]+$", max_length=64)]
    spool: Annotated[str, Meta(min_length=1)]
    quarantine: Annotated[str, Meta(min_length=1)] | None = None
    archive: Annotated[str, Meta(min_length=1)] | None = None
    receiving_zone: Zone = "backroom"
    time_zone: str = "UTC"
    file_bytes_max: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = FILE_BYTES_MAX_DEFAULT

    def __post_init__(self) -> None:
        """Refuse a time zone that this machine does not know."""
        self.zone()

    def zone(self) -> tzinfo:
        """Return the zone of times without an offset."""
        if self.time_zone == "UTC":
            return UTC  # Known without a time zone database, which small gateways may lack.
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"time_zone {self.time_zone!r} is not known here; use an IANA name, such as "
                "'Europe/Berlin', or 'UTC'"
            ) from error
