"""Four doorways of a store, and the goods that come through them at a normal day's pace.

Goods arrive at the dock, are carried to the sales floor, and leave by two exits; next to each
doorway stand some that its reader hears now and then. A tag that passes is heard by the outer
antenna, then by the inner one, loudest when it is next to them. Event loop; a look takes
microseconds.
"""

from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from protocol.ids import Epc, sgtin_tag
from simulators.devices.llrp_reader import TagInField
from simulators.world.goods import gtin_of

PASSAGE_S: Final = 3.0
STANDING: Final = 2
"""Tags that stand next to each doorway."""
HEARD_SHARE: Final = 0.3
"""In so many of its rounds does the reader hear a tag that stands there, and a passing one in all
that it is near enough for."""

_OUTER, _INNER = 1, 2
_OUTER_AT, _INNER_AT = 0.25, 0.75
_NEAR_DBM, _FADING_DB, _DEAF_DBM, _FLICKER_DB, _STANDING_DBM = -46.0, 60.0, -70.0, 3.0, -67.0
_FIRST_ARTICLE: Final = 60_000


class Doorway(NamedTuple):
    """Between which zones it is."""

    name: str
    outside: str
    inside: str


DOORWAYS: Final = (
    Doorway("dock", "transit", "backroom"),
    Doorway("shop-door", "backroom", "sales_floor"),
    Doorway("exit-1", "exit", "sales_floor"),
    Doorway("exit-2", "exit", "sales_floor"),
)


class _Passing(NamedTuple):
    epc: Epc
    began_s: float
    inwards: bool


class Traffic:
    """Which tags each antenna hears now. `move` lets the next goods go one doorway on."""

    def __init__(self, rng: Random, box: int) -> None:
        self._rng: Final = rng
        self._box: Final = box
        self._made = 0
        self._backroom: deque[Epc] = deque()
        self._floor: deque[Epc] = deque()
        self._passing: dict[str, list[_Passing]] = {door.name: [] for door in DOORWAYS}
        self._standing = {
            door.name: [self._new_tag() for _ in range(STANDING)] for door in DOORWAYS
        }

    def deliver(self, now_s: float) -> None:
        """Let a box come in by the dock."""
        box = [self._new_tag() for _ in range(self._box)]
        self._pass("dock", box, now_s, inwards=True)
        self._backroom.extend(box)

    def restock(self, now_s: float) -> None:
        """Let as many goods go from the backroom to the sales floor."""
        goods = [self._backroom.popleft() for _ in range(min(self._box, len(self._backroom)))]
        self._pass("shop-door", goods, now_s, inwards=True)
        self._floor.extend(goods)

    def leave(self, now_s: float) -> None:
        """Let one piece leave with a customer."""
        if self._floor:
            exit_name = self._rng.choice(("exit-1", "exit-2"))
            self._pass(exit_name, [self._floor.popleft()], now_s, inwards=False)

    def heard(self, doorway: str, antenna: int, now_s: float) -> Sequence[TagInField]:
        """Return what an antenna of a doorway's reader hears."""
        flicker_db = self._rng.uniform
        heard = [
            TagInField(epc, _STANDING_DBM + flicker_db(-_FLICKER_DB, _FLICKER_DB))
            for epc in self._standing[doorway]
            if self._rng.random() < HEARD_SHARE
        ]
        passing = self._passing[doorway]
        passing[:] = [each for each in passing if now_s - each.began_s < PASSAGE_S]
        for epc, began_s, inwards in passing:
            progress = max(0.0, (now_s - began_s) / PASSAGE_S)
            at = progress if inwards else 1.0 - progress
            away = abs(at - (_OUTER_AT if antenna == _OUTER else _INNER_AT))
            level_dbm = _NEAR_DBM - _FADING_DB * away + flicker_db(-_FLICKER_DB, _FLICKER_DB)
            if level_dbm > _DEAF_DBM:
                heard.append(TagInField(epc, level_dbm))
        return heard

    def _pass(self, doorway: str, epcs: Sequence[Epc], now_s: float, *, inwards: bool) -> None:
        self._passing[doorway] += [_Passing(epc, now_s, inwards) for epc in epcs]

    def _new_tag(self) -> Epc:
        self._made += 1
        return sgtin_tag(gtin_of(_FIRST_ARTICLE + self._made // 10), self._made)
