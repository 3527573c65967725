"""Settings of a `shelf_scale` device; apart from its driver, so that they load no Modbus."""

from typing import Annotated

from msgspec import Meta, Struct

from protocol.facts import Name
from protocol.ids import parse_gtin


class ShelfSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shelf of a scale: `index` is its number there, `gtin` the only item that lies on it.

    `tolerance` is how far, as a part of one item's weight, a weight may be from a whole number of
    items and still be counted.
    """

    shelf: Name
    index: Annotated[int, Meta(ge=0, le=16_383)]
    gtin: str
    item_weight_g: Annotated[float, Meta(ge=1, le=1_000_000)]
    tolerance: Annotated[float, Meta(gt=0, lt=0.5)] = 0.25

    def __post_init__(self) -> None:
        """Refuse a GTIN with a wrong check digit."""
        parse_gtin(self.gtin)


class ShelfScaleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scale on Modbus TCP. Reading all its shelves is repeated every `poll_ms`.

    `timeout_ms` bounds one exchange; it may be waited for twice, within one poll of the device.
    """

    name: Name
    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    unit_id: Annotated[int, Meta(ge=0, le=255)] = 1
    poll_ms: Annotated[int, Meta(ge=50, le=3_600_000)] = 500
    timeout_ms: Annotated[int, Meta(ge=20, le=125)] = 125
    shelves: Annotated[list[ShelfSettings], Meta(min_length=1, max_length=1_000)]

    def __post_init__(self) -> None:
        """Refuse two shelves of one name or one index."""
        for what in ("shelf", "index"):
            values = [getattr(shelf, what) for shelf in self.shelves]
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise ValueError(f"shelves: {what} {twice.pop()!r} is given twice")
