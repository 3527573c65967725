"""What a reorder's name says: `STORE-GTIN-NUMBER`; a store's own name may hold hyphens. Pure."""

import re
from typing import Final, NamedTuple

from protocol.ids import STORE_ID_PATTERN

_REORDER_ID: Final = re.compile(rf"({STORE_ID_PATTERN})-([0-9]{{14}})-([1-9][0-9]{{0,8}})")


class ReorderName(NamedTuple):
    """The `number`th reorder of a SKU-location."""

    store: str
    gtin: str
    number: int


def parse_reorder_id(text: str) -> ReorderName | None:
    """Return what `cloud.sku_location.state.reorder_id` made this of, `None` if it did not."""
    match = _REORDER_ID.fullmatch(text)
    return None if match is None else ReorderName(match[1], match[2], int(match[3]))


def reorder_number(text: str, store: str, gtin: str) -> int:
    """Return the number of a reorder if it is one of this SKU-location, else 0."""
    name = parse_reorder_id(text)
    return name.number if name is not None and name[:2] == (store, gtin) else 0
