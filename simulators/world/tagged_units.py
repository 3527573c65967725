"""Units with tags, and the printer that makes tags, some of them bad ones. Pure."""

from typing import TYPE_CHECKING, Final, Literal

from protocol.ids import Epc, Gtin, sgtin_tag
from simulators.world.goods import COMPANY_PREFIX
from simulators.world.planogram import BACKROOM
from simulators.world.reader_settings import TagQualitySettings

if TYPE_CHECKING:
    from random import Random

Quality = Literal["healthy", "weak", "dead"]
FOREIGN_TAGS: Final = (b"\x2f\x00\x00\x00", b"\xe2\x80\x11\x60")
"""What other tags begin with: a GRAI of nobody here, and a tag with its maker's number only."""
SERIALS_PER_STORE: Final = 10_000_000


class TaggedUnit:
    """One unit with its tag, and where it lies: a fixture, the backroom, a fitting room.

    `readability` is how well the tag is read beside others of its quality, in standard deviations.
    A held unit is in somebody's hands.
    """

    __slots__ = (
        "epc",
        "fixture",
        "foreign_epc",
        "gtin",
        "is_held",
        "is_misplaced",
        "quality",
        "readability",
    )

    def __init__(
        self, gtin: Gtin, epc: Epc, quality: Quality, readability: float, foreign_epc: Epc | None
    ) -> None:
        self.gtin = gtin
        self.epc = epc
        self.quality: Quality = quality
        self.readability = readability
        self.foreign_epc = foreign_epc
        self.fixture = BACKROOM
        self.is_held = False
        self.is_misplaced = False


class TagPrinter:
    """Makes tags. `number` keeps serial numbers apart from other stores'."""

    def __init__(self, settings: TagQualitySettings, number: int, rng: "Random") -> None:
        self._settings: Final = settings
        self._rng: Final = rng
        self._serial = number * SERIALS_PER_STORE
        self._of_article: Final[dict[Gtin, float]] = {}
        self._latest: Final[dict[Gtin, Epc]] = {}

    def new_unit(self, gtin: Gtin) -> TaggedUnit:
        """Return a tagged unit that was never here; it is not put anywhere."""
        foreign = None
        if self._rng.random() < self._settings.foreign_share:
            foreign = self._foreign_epc()
        unit = TaggedUnit(gtin, Epc(b""), "healthy", 0.0, foreign)
        self.retag(unit)
        return unit

    def retag(self, unit: TaggedUnit) -> None:
        """Put a new tag on a unit."""
        rng, settings = self._rng, self._settings
        unit.epc = self._new_epc(unit.gtin)
        draw = rng.random()
        unit.quality = "healthy"
        if draw < settings.dead_share:
            unit.quality = "dead"
        elif draw < settings.dead_share + settings.weak_share:
            unit.quality = "weak"
        of_article = self._of_article.get(unit.gtin)
        if of_article is None:
            of_article = self._of_article[unit.gtin] = rng.gauss(0.0, settings.article_spread)
        unit.readability = of_article + rng.gauss(0.0, settings.tag_spread)

    def _new_epc(self, gtin: Gtin) -> Epc:
        settings, draw = self._settings, self._rng.random()
        if draw < settings.not_gs1_share:
            return self._foreign_epc()
        if draw < settings.not_gs1_share + settings.duplicate_share and gtin in self._latest:
            return self._latest[gtin]
        self._serial += 1
        epc = self._latest[gtin] = sgtin_tag(gtin, self._serial, len(COMPANY_PREFIX))
        return epc

    def _foreign_epc(self) -> Epc:
        self._serial += 1
        head = FOREIGN_TAGS[self._serial % len(FOREIGN_TAGS)]
        return Epc(head + self._serial.to_bytes(8))
