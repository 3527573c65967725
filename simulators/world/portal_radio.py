"""The radio of one portal: which tag is read by which antenna, and how strongly.

Pure; randomness is passed in. Fault model: free-space loss both ways, antennas with a pattern, slow
shadowing by bodies and goods (log-normal, correlated over half a metre), small-scale fading by
reflections (Rician, changing within half a wavelength), tags that lie at odd angles, and a reader
that can only read so many tags a second. Sources: D. Dobkin, "The RF in RFID", 2nd ed., chapters 3
and 7 (link budget, fading, tag sensitivity); GS1 Gen2 air interface for the rates of a round.

Coordinates in metres: y is 0 in the doorway, negative outside and positive inside.
"""

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.ids import Epc

if TYPE_CHECKING:
    from random import Random

DWELL_MS: Final = 50
"""An antenna has the field to itself for so long, then the next one."""
READS_PER_DWELL: Final = 18
"""What an inventory round in that time can read, with all its slots (about 360 reads a second)."""
REPORT_MS: Final = 250
EIRP_DBM: Final = 36.0
ANTENNA_GAIN_DBI: Final = 6.0
PATTERN_EXPONENT: Final = 2.6
"""A patch antenna of 70 degrees half-power beamwidth: gain falls with cos(angle) to this power."""
BACK_LOBE_DB: Final = -18.0
TAG_SENSITIVITY_DBM: Final = -16.0
SENSITIVITY_SPREAD_DB: Final = 1.2
MARGIN_MIN_DB: Final = -5.0
"""A tag that gets less is never read."""
LOSS_AT_1M_DB: Final = 31.4
"""Free space at 890 MHz, the middle of the European and American bands."""
BACKSCATTER_LOSS_DB: Final = 8.0
SHADOW_DB: Final = 3.5
SHADOW_LENGTH_M: Final = 0.5
RICIAN_K_DB: Final = 6.0
FADE_LENGTH_M: Final = 0.08
NOISE_DB: Final = 1.0


class PortalAntennaAt(NamedTuple):
    """An antenna: where it hangs, and along which way of y it looks (+1 inwards)."""

    number: int
    x: float
    y: float
    z: float
    looks_y: float


ANTENNAS: Final = (
    PortalAntennaAt(1, -1.0, -0.5, 1.4, -1.0),
    PortalAntennaAt(2, 1.0, -0.5, 1.4, -1.0),
    PortalAntennaAt(3, -1.0, 0.5, 1.4, 1.0),
    PortalAntennaAt(4, 1.0, 0.5, 1.4, 1.0),
)
"""Two a side, back to back on both jambs: 1 and 2 look outwards, 3 and 4 inwards."""


class Position(NamedTuple):
    """Where a tag is, in metres."""

    x: float
    y: float
    z: float


class RadioTag:
    """A tag in front of a portal, with the state of its way to each antenna."""

    __slots__ = ("_extra_db", "_fades", "_moved_m", "_shadows", "epc", "position")

    def __init__(self, epc: Epc, position: Position, extra_db: float, rng: "Random") -> None:
        """`extra_db`: what its angle, its make and the goods around it change, mostly a loss."""
        self.epc = epc
        self.position = position
        self._extra_db = extra_db
        self._moved_m = 0.0
        self._shadows = [rng.gauss(0.0, SHADOW_DB) for _ in ANTENNAS]
        self._fades = [_rician_db(rng) for _ in ANTENNAS]

    def move_to(self, position: Position, rng: "Random", stir_m: float = 0.0) -> None:
        """Put the tag elsewhere; `stir_m` is how far the world around it moved meanwhile.

        Reflections change when it has moved by `FADE_LENGTH_M` in all.
        """
        self._moved_m += math.dist(self.position, position) + stir_m
        self.position = position
        if self._moved_m < FADE_LENGTH_M:
            return
        kept = math.exp(-self._moved_m / SHADOW_LENGTH_M)
        fresh = math.sqrt(1.0 - kept * kept) * SHADOW_DB
        self._shadows = [kept * level + fresh * rng.gauss(0.0, 1.0) for level in self._shadows]
        self._fades = [_rician_db(rng) for _ in ANTENNAS]
        self._moved_m = 0.0

    def way_db(self, index: int) -> float:
        """Return what is left of the power on the way to or from an antenna, negative."""
        antenna = ANTENNAS[index]
        dx = self.position.x - antenna.x
        dy = self.position.y - antenna.y
        dz = self.position.z - antenna.z
        distance_m = max(0.3, math.sqrt(dx * dx + dy * dy + dz * dz))
        # Antennas are turned 20 degrees towards the middle of the doorway.
        look_x, look_y = (-0.34 if antenna.x > 0 else 0.34), 0.94 * antenna.looks_y
        cosine = (dx * look_x + dy * look_y) / distance_m
        pattern_db = BACK_LOBE_DB
        if cosine > 0.0:
            pattern_db = max(BACK_LOBE_DB, 10.0 * PATTERN_EXPONENT * math.log10(cosine))
        loss_db = LOSS_AT_1M_DB + 20.0 * math.log10(distance_m)
        return pattern_db - loss_db + self._shadows[index] + self._fades[index] + self._extra_db


class Report(NamedTuple):
    """What one antenna read of one tag since the last report."""

    antenna: int
    epc: Epc
    rssi_dbm: float
    first_ms: int
    last_ms: int
    reads: int


class PortalReader:
    """The reader of a portal: antennas by turns, reports every `REPORT_MS`."""

    def __init__(self, rng: "Random", now_ms: int) -> None:
        self._rng = rng
        self._turn = 0
        self._next_report_ms = now_ms + REPORT_MS
        self._seen: dict[tuple[int, Epc], list[float]] = {}

    def dwell(self, tags: list[RadioTag], now_ms: int) -> list[Report]:
        """Let the next antenna read for `DWELL_MS`; return the report if one is due."""
        rng, index = self._rng, self._turn
        self._turn = (index + 1) % len(ANTENNAS)
        heard = []
        for tag in tags:
            way_db = tag.way_db(index)
            margin_db = EIRP_DBM + way_db - TAG_SENSITIVITY_DBM
            if margin_db < MARGIN_MIN_DB:
                continue
            if rng.random() < 1.0 / (1.0 + math.exp(-margin_db / SENSITIVITY_SPREAD_DB)):
                level_dbm = EIRP_DBM + 2.0 * way_db + ANTENNA_GAIN_DBI - BACKSCATTER_LOSS_DB
                heard.append((tag.epc, level_dbm + rng.gauss(0.0, NOISE_DB)))
        if len(heard) > READS_PER_DWELL:
            heard = rng.sample(heard, READS_PER_DWELL)
        for epc, level_dbm in heard:
            self._remember(ANTENNAS[index].number, epc, level_dbm, now_ms + rng.randrange(DWELL_MS))
        if now_ms + DWELL_MS < self._next_report_ms:
            return []
        self._next_report_ms += REPORT_MS
        return self._report()

    def _remember(self, antenna: int, epc: Epc, level_dbm: float, at_ms: int) -> None:
        known = self._seen.get((antenna, epc))
        if known is None:
            self._seen[antenna, epc] = [level_dbm, at_ms, at_ms, 1]
        else:
            known[0] = max(known[0], level_dbm)
            known[2] = at_ms
            known[3] += 1

    def _report(self) -> list[Report]:
        reports = [
            Report(antenna, epc, float(round(level)), int(first), int(last), int(count))
            for (antenna, epc), (level, first, last, count) in self._seen.items()
        ]
        self._seen.clear()
        return reports


def _rician_db(rng: "Random") -> float:
    """Return one small-scale fade in dB: a direct way and many reflected ones."""
    k = 10.0 ** (RICIAN_K_DB / 10.0)
    direct = math.sqrt(k / (k + 1.0))
    spread = math.sqrt(0.5 / (k + 1.0))
    real, imaginary = direct + spread * rng.gauss(0.0, 1.0), spread * rng.gauss(0.0, 1.0)
    return 10.0 * math.log10(max(1e-4, real * real + imaginary * imaginary))
