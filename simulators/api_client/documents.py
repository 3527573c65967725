"""The documented fields of the API that the simulators read; all others are ignored. Pure."""

from msgspec import Struct


class LineState(Struct, frozen=True, kw_only=True):
    """One line of a reservation."""

    gtin: str
    quantity: int
    held: int = 0
    picked: int = 0
    fulfilled: int = 0
    released: int = 0
    expired: int = 0
    short: int = 0


class ReservationState(Struct, frozen=True, kw_only=True):
    """One reservation."""

    reservation_id: str
    location: str
    order_id: str
    channel: str
    status: str
    version: int
    lines: list[LineState]


class AvailableUnits(Struct, frozen=True, kw_only=True):
    """What a channel may sell of a GTIN at a location."""

    gtin: str
    location: str
    available: int
    buffer: int = 0


class AvailabilityAnswer(Struct, frozen=True, kw_only=True):
    """Availability of some GTINs."""

    items: list[AvailableUnits]


class ProblemDetails(Struct, frozen=True, kw_only=True):
    """Why a request was not carried out (RFC 9457); `reason` is for programs."""

    status: int = 0
    title: str = ""
    detail: str = ""
    reason: str | None = None


class LineAsked(Struct, frozen=True, kw_only=True):
    """A quantity of one GTIN."""

    gtin: str
    quantity: int


class ReserveAsked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reserve all lines at one location, or nothing."""

    location: str
    channel: str
    order_id: str
    lines: list[LineAsked]
    hold_s: int = 900
    expires_at: str | None = None
    ship_by: str | None = None
