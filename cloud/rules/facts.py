"""What is known when a buffer is asked for: about the request, the location and the SKU there.

Whoever asks fills these from the read model. They check themselves, so that an evaluation cannot
meet a time zone or a country that does not exist.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import force_setattr

from cloud.rules.documents import DemandClass
from cloud.rules.local_time import holidays_in, zone_named
from protocol.facts import Measure

TIME_MS_MAX: Final = 253_000_000_000_000
"""In the year 9987: whatever the time zone, the local date still has four digits."""
PROMOTIONS_MAX: Final = 16
PROBE_YEAR: Final = 2000
TEMPERATURE_C_MAX: Final = 200

Hemisphere = Literal["northern", "southern", ""]


class Moment(Struct, frozen=True, kw_only=True):
    """What is the same for every location of one request: when, by which channel, how urgent.

    `deadline_at_ms` is the request's own shipping deadline, where it has one.
    """

    at_ms: int
    channel: str
    deadline_at_ms: int | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a time that no calendar shows."""
        if not 0 <= self.at_ms <= TIME_MS_MAX:
            raise ValueError(f"at_ms = {self.at_ms}: from 0 to {TIME_MS_MAX} is allowed")


class LocationFacts(Struct, frozen=True, kw_only=True):
    """What is known of a location. Build it once and keep it: it changes with the weather.

    `country` and `subdivision` are ISO 3166 codes as the holidays package knows them, empty for no
    holidays. `hemisphere` is for locations without a latitude. `temperature_c` is `None` while
    nobody has told; `accuracy` is the measured share of right counts, 0 while never measured.
    `deadline_at_ms` is when goods must leave here (the carrier's pick-up) and goes before the
    request's own deadline.
    """

    location: str
    time_zone: str = "UTC"
    country: str = ""
    subdivision: str = ""
    latitude: float | None = None
    hemisphere: Hemisphere = ""
    weather: str = ""
    temperature_c: float | None = None
    accuracy: float = 0.0
    deadline_at_ms: int | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a place or a number that cannot be."""
        zone_named(self.time_zone)
        holidays_in(self.country, self.subdivision, PROBE_YEAR)
        if not 0 <= self.accuracy <= 1:
            raise ValueError(f"accuracy = {self.accuracy}: from 0 to 1 is allowed")
        # CEL keeps whole numbers and fractions apart: what is declared a fraction has to be one.
        force_setattr(self, "accuracy", float(self.accuracy))
        if self.temperature_c is not None:
            if not abs(self.temperature_c) <= TEMPERATURE_C_MAX:
                allowed = f"-{TEMPERATURE_C_MAX} to {TEMPERATURE_C_MAX} is allowed"
                raise ValueError(f"temperature_c = {self.temperature_c}: {allowed}")
            force_setattr(self, "temperature_c", float(self.temperature_c) + 0.0)

    @property
    def southern(self) -> bool:
        """Return whether winter is in July here: by the hemisphere if told, else by latitude."""
        if self.hemisphere:
            return self.hemisphere == "southern"
        return self.latitude is not None and self.latitude < 0


class SkuFacts(Struct, frozen=True, kw_only=True):
    """What is known of one SKU at one location; quantities in steps of its measure.

    `unavailable` is the sum over its reasons. `counted_at_ms` is when it was last counted.
    What is believed of the true on hand is `None` where nobody knows anything.
    """

    gtin: str
    on_hand: int
    reserved: int = 0
    unavailable: int = 0
    measure: Measure = "units"
    demand_class: DemandClass = ""
    promotions: tuple[str, ...] = ()
    counted_at_ms: int | None = None
    believed: int | None = None
    believed_low: int | None = None
    confidence: float | None = None
    p_out: float | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for more promotions than a condition may have to look through."""
        if len(self.promotions) > PROMOTIONS_MAX:
            raise ValueError(f"{len(self.promotions)} promotions: {PROMOTIONS_MAX} are allowed")

    @property
    def on_promotion(self) -> bool:
        """Return whether any promotion is on."""
        return bool(self.promotions)
