"""Who passes a portal, lingers near it, or is only read by chance: the truth behind its readings.

Pure; randomness is passed in. Fault model: goods are carried through at walking pace, some with a
stop in the doorway, often several tags at once and both ways at the same time; lingering tags hang
on a rack beside the portal, wander about, or are carried up to the doorway and back again; strays
are metres away and read when a reflection happens to reach them.
"""

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.ids import Epc, parse_gtin, sgtin_tag
from simulators.world.portal_radio import Position, RadioTag

if TYPE_CHECKING:
    from random import Random

STEP_MS: Final = 50
START_M: Final = 5.0
"""How far from the doorway a carried tag appears and vanishes."""
CARRIED_TAGS_MAX: Final = 6
STOP_SHARE: Final = 0.15
BETWEEN_CROSSINGS_S: Final = 4.0
WEAK_SHARE: Final = 0.02
WEAK_DB: Final = -8.0
ANGLE_DB: Final = (-3.0, 3.0)
"""Mean and spread of what angle, make and goods cost a tag."""
AIR_STIR_M: Final = 0.01
"""So much moves around a tag in a step that itself does not: people, trolleys, doors."""

_GTIN: Final = parse_gtin("00614141123452")


class Role(Enum):
    """Why a tag is near the portal."""

    CROSSING = "crossing"
    LINGERING = "lingering"
    STRAY = "stray"


class Truth(NamedTuple):
    """What really happens to a tag."""

    role: Role
    begins_inside: bool
    ends_inside: bool


class _Walk:
    """A way along y, with a stop, and how a tag is carried on it."""

    __slots__ = (
        "_from_m",
        "_offset",
        "_pace_m_s",
        "_start_ms",
        "_stop_at_m",
        "_stop_ms",
        "_to_m",
        "_x",
    )

    def __init__(
        self,
        from_m: float,
        to_m: float,
        start_ms: int,
        rng: "Random",
        stop_m: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        self._from_m, self._to_m, self._start_ms = from_m, to_m, start_ms
        self._pace_m_s = rng.uniform(0.4, 1.7)
        self._x = rng.uniform(-0.5, 0.5)
        self._stop_at_m = rng.uniform(*stop_m)
        self._stop_ms = int(rng.uniform(500, 5_000)) if rng.random() < STOP_SHARE else 0

    @property
    def ends_ms(self) -> int:
        """When the way is over."""
        way_m = abs(self._to_m - self._from_m)
        return self._start_ms + self._stop_ms + int(1_000 * way_m / self._pace_m_s)

    def at(self, now_ms: int) -> tuple[float, float]:
        """Return x and y."""
        sign = 1.0 if self._to_m > self._from_m else -1.0
        walked_ms = now_ms - self._start_ms
        stop_after_ms = 1_000 * abs(self._stop_at_m - self._from_m) / self._pace_m_s
        if walked_ms > stop_after_ms:
            walked_ms = int(max(stop_after_ms, walked_ms - self._stop_ms))
        way_m = min(abs(self._to_m - self._from_m), walked_ms * self._pace_m_s / 1_000)
        return self._x, self._from_m + sign * way_m


class _Actor:
    """A tag and what moves it."""

    __slots__ = ("ends_ms", "offset", "tag", "truth", "walks")

    def __init__(
        self, tag: RadioTag, truth: Truth, walks: list[_Walk], offset: Position, ends_ms: int
    ) -> None:
        self.tag, self.truth, self.walks, self.offset, self.ends_ms = (
            tag,
            truth,
            walks,
            offset,
            ends_ms,
        )

    def move(self, now_ms: int, rng: "Random") -> None:
        """Put the tag where it is now."""
        for walk in self.walks:
            if now_ms < walk.ends_ms or walk is self.walks[-1]:
                x, y = walk.at(now_ms)
                dx, dy, z = self.offset
                self.tag.move_to(Position(x + dx, y + dy, z), rng)
                return
        self.tag.move_to(self.tag.position, rng, AIR_STIR_M)


class Traffic:
    """The tags near a portal: `lingering` and `strays` are kept at their numbers."""

    def __init__(self, rng: "Random", now_ms: int, *, lingering: int, strays: int) -> None:
        self._rng = rng
        self._serial = 0
        self._next_crossing_ms = now_ms
        self._actors: dict[Epc, _Actor] = {}
        self.crossings = 0
        self._wanted = {Role.LINGERING: lingering, Role.STRAY: strays}

    @property
    def tags(self) -> list[RadioTag]:
        """All tags, where they are now."""
        return [actor.tag for actor in self._actors.values()]

    @property
    def is_crossed(self) -> bool:
        """Whether goods are being carried through."""
        return any(actor.truth.role is Role.CROSSING for actor in self._actors.values())

    def advance(self, now_ms: int, *, crossings_max: int) -> tuple[dict[Epc, Truth], list[Epc]]:
        """Move everything to `now_ms`; return the tags that came and those that are over."""
        came: dict[Epc, Truth] = {}
        gone = [epc for epc, actor in self._actors.items() if now_ms >= actor.ends_ms]
        for epc in gone:
            del self._actors[epc]
        for role, wanted in self._wanted.items():
            present = sum(actor.truth.role is role for actor in self._actors.values())
            for _ in range(wanted - present):
                self._add(self._idler(role, now_ms), came)
        if now_ms >= self._next_crossing_ms and self.crossings < crossings_max:
            self.crossings += 1
            pause_ms = 1_000 * self._rng.expovariate(1.0 / BETWEEN_CROSSINGS_S)
            self._next_crossing_ms = now_ms + int(pause_ms)
            for actor in self._carried(now_ms):
                self._add(actor, came)
        for actor in self._actors.values():
            actor.move(now_ms, self._rng)
        return came, gone

    def _add(self, actor: _Actor, came: dict[Epc, Truth]) -> None:
        self._actors[actor.tag.epc] = actor
        came[actor.tag.epc] = actor.truth

    def _carried(self, now_ms: int) -> list[_Actor]:
        rng = self._rng
        inwards = rng.random() < 0.5
        start_m, end_m = (-START_M, START_M) if inwards else (START_M, -START_M)
        walk = _Walk(start_m, end_m, now_ms, rng)
        truth = Truth(Role.CROSSING, not inwards, inwards)
        return [
            self._actor(truth, [walk], _held(rng), Position(0.0, start_m, 1.0), walk.ends_ms)
            for _ in range(rng.randint(1, CARRIED_TAGS_MAX))
        ]

    def _idler(self, role: Role, now_ms: int) -> _Actor:
        rng = self._rng
        inside = rng.random() < 0.5
        side = 1.0 if inside else -1.0
        truth = Truth(role, inside, inside)
        ends_ms = now_ms + int(rng.uniform(15_000, 120_000))
        if role is Role.STRAY:
            far = Position(rng.uniform(-6, 6), side * rng.uniform(3.0, 10.0), rng.uniform(0.2, 2))
            return self._actor(truth, [], far, far, ends_ms)
        kind = rng.random()
        if kind < 0.6:
            across_m = rng.choice((-1.0, 1.0)) * rng.uniform(0.7, 2.5)
            rack = Position(across_m, side * rng.uniform(0.5, 3.0), rng.uniform(0.2, 1.8))
            return self._actor(truth, [], rack, rack, ends_ms)
        nearest_m = (0.6, 2.5) if kind < 0.8 else (0.3, 1.0)
        walks, at_m, at_ms = [], side * rng.uniform(1.5, START_M), now_ms
        while at_ms < ends_ms:
            for to_m in (side * rng.uniform(*nearest_m), side * rng.uniform(2.5, START_M)):
                # Who turns round stops on the side that he came from.
                stop_m = (0.4, 1.0) if inside else (-1.0, -0.4)
                walks.append(_Walk(at_m, to_m, at_ms, rng, stop_m))
                at_m, at_ms = to_m, walks[-1].ends_ms
        return self._actor(truth, walks, _held(rng), Position(0.0, at_m, 1.0), ends_ms)

    def _actor(
        self, truth: Truth, walks: list[_Walk], offset: Position, at: Position, ends_ms: int
    ) -> _Actor:
        rng = self._rng
        self._serial += 1
        extra_db = rng.gauss(*ANGLE_DB) + (WEAK_DB if rng.random() < WEAK_SHARE else 0.0)
        tag = RadioTag(sgtin_tag(_GTIN, self._serial), at, extra_db, rng)
        return _Actor(tag, truth, walks, offset, ends_ms)


def _held(rng: "Random") -> Position:
    """Return where in a load a tag is: offsets across and along, and its height."""
    return Position(rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2), rng.uniform(0.3, 1.5))
