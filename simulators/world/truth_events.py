"""What truly happens in a noisy store, for the judge alone. Pure data; lists only grow."""

from typing import Final, Literal, NamedTuple

from protocol.ids import Epc, Gtin

Portal = Literal["dock", "exit"]


class TrueCrossing(NamedTuple):
    """A tag went through a portal; nobody need have read it. `at_ms`: in the doorway."""

    at_ms: int
    portal: Portal
    epc: Epc
    is_inwards: bool


class TrueTheft(NamedTuple):
    """Units, or grams, left unpaid."""

    at_ms: int
    gtin: Gtin
    quantity: int


class TrueMishap(NamedTuple):
    """Something went wrong with an article; `kind` says what."""

    at_ms: int
    gtin: Gtin
    kind: str


class TruthEvents:
    """Everything of one store so far."""

    def __init__(self) -> None:
        self.crossings: Final[list[TrueCrossing]] = []
        self.thefts: Final[list[TrueTheft]] = []
        self.mishaps: Final[list[TrueMishap]] = []

    def crossed(self, at_ms: int, portal: Portal, epc: Epc, *, is_inwards: bool) -> None:
        """Note that a tag went through a portal."""
        self.crossings.append(TrueCrossing(at_ms, portal, epc, is_inwards))

    def stolen(self, at_ms: int, gtin: Gtin, quantity: int) -> None:
        """Note a theft."""
        self.thefts.append(TrueTheft(at_ms, gtin, quantity))

    def mishap(self, at_ms: int, kind: str, *gtins: Gtin) -> None:
        """Note that something went wrong with these articles."""
        self.mishaps.extend(TrueMishap(at_ms, gtin, kind) for gtin in gtins)
