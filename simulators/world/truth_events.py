"""What truly happens in a noisy store, for the judge alone. Pure data."""

from typing import Literal, NamedTuple

from protocol.ids import Epc, Gtin

Portal = Literal["dock", "exit"]


class TrueCrossing(NamedTuple):
    """A tag went through a portal; nobody need have read it."""

    at_ms: int
    portal: Portal
    epc: Epc
    is_inwards: bool


class TrueTheft(NamedTuple):
    """Units left unpaid."""

    at_ms: int
    gtin: Gtin
    quantity: int


class TrueMishap(NamedTuple):
    """Something went wrong with an article; `kind` says what."""

    at_ms: int
    gtin: Gtin
    kind: str
