"""A read model for readers on their own: UHF links in free space, and Gen2 sessions (pure, seeded).

A tag answers when enough power reaches it, and is read when enough of its answer comes back
(Dobkin, "The RF in RFID", 2nd edition 2012, §3.6): received at the tag `P - L`, back at the reader
`P - 2 L - M`, with one way's loss L and the loss M of modulated backscatter. Slow modes hear better
and read less. A tag that was read keeps quiet as its session's flag persists (GS1 Gen2 §6.3.2.2),
if the client's search mode reads one target only.
"""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

from llrpkit.protocol.impinj import ImpinjInventorySearchType

from simulators.devices.llrp_reader.drive import AntennaDrive
from simulators.devices.llrp_reader.settings import TagInField

TAG_SENSITIVITY_DBM: Final = -18.0
FADING_DB: Final = 1.5
"""Standard deviation of the loss from one round to the next."""

MODULATION_LOSS_DB: Final = 6.0
LIGHT_KM_PER_S: Final = 299_792.458
QUIET_TAGS_MAX: Final = 65_536
"""Flags remembered; at that number all are forgotten, as if the tags had lost power."""

_PERSISTENCE_US: Final = (0, 2_000_000, 2_000_000, 2_000_000)
"""Of each session, at the standard's middle (S1: 0.5 to 5 s) or least (S2, S3: 2 s)."""


class _Mode(NamedTuple):
    sensitivity_dbm: float
    reads_per_s: float


# Miller encoding trades rate for sensitivity. The fast modes are limited by what comes back, the
# slow ones by the power that reaches a tag.
_MODES: Final = {
    0: _Mode(-64.0, 900.0),
    1: _Mode(-69.0, 500.0),
    2: _Mode(-76.0, 220.0),
    3: _Mode(-81.0, 90.0),
}
_SINGLE_TARGET: Final = {
    ImpinjInventorySearchType.Single_Target,
    ImpinjInventorySearchType.Single_Target_With_Suppression,
}


class PlacedTag(NamedTuple):
    """A tag in front of an antenna: the loss of the way there, the gains of both ends included."""

    epc: bytes
    loss_db: float
    distance_m: float = 1.0


class LinkBudget:
    """A `ReadModel` over `tags(antenna)`; `round_ms` is that of the reader's settings."""

    def __init__(
        self, tags: Callable[[int], Sequence[PlacedTag]], round_ms: int, rng: Random
    ) -> None:
        self._tags = tags
        self._round_us = round_ms * 1_000
        self._rng = rng
        self._quiet: dict[tuple[bytes, int], int] = {}

    def __call__(self, drive: AntennaDrive) -> list[TagInField]:
        """Return what an antenna reads in one round."""
        mode = _MODES[drive.mode]
        found: list[TagInField] = []
        for tag in self._tags(drive.antenna):
            loss_db = tag.loss_db + self._rng.gauss(0.0, FADING_DB)
            if drive.power_dbm - loss_db < TAG_SENSITIVITY_DBM:
                continue
            rssi_dbm = drive.power_dbm - 2 * loss_db - MODULATION_LOSS_DB
            if rssi_dbm >= mode.sensitivity_dbm and not self._is_quiet(tag.epc, drive):
                found.append(TagInField(tag.epc, rssi_dbm, _phase_deg(tag, drive)))
        reads = self._capacity(mode, len(found), drive.population)
        if len(found) > reads:
            found = self._rng.sample(found, reads)
        self._silence(found, drive)
        return found

    def _capacity(self, mode: _Mode, tags: int, population: int) -> int:
        """Reads of one round: a wrong guess at the population wastes slots or collides.

        Framed ALOHA with a frame of L slots reads n e^(-n/L) of n tags; the best is L = n, and the
        reader's own Q algorithm makes good for half of a wrong guess.
        """
        ratio = tags / population if population else 1.0
        efficiency = 0.5 + 0.5 * ratio * math.exp(1.0 - ratio)
        return max(1, int(mode.reads_per_s * self._round_us / 1_000_000 * efficiency))

    def _is_quiet(self, epc: bytes, drive: AntennaDrive) -> bool:
        if drive.search_mode not in _SINGLE_TARGET:
            return False
        until_us = self._quiet.get((epc, drive.session))
        if until_us is None or drive.at_us >= until_us:
            return False
        if _is_refreshed(drive):
            self._quiet[epc, drive.session] = drive.at_us + _PERSISTENCE_US[drive.session]
        return True

    def _silence(self, read: list[TagInField], drive: AntennaDrive) -> None:
        persists_us = _PERSISTENCE_US[drive.session]
        if len(self._quiet) > QUIET_TAGS_MAX:
            self._quiet.clear()
        if drive.search_mode in _SINGLE_TARGET and persists_us:
            until_us = drive.at_us + persists_us
            self._quiet.update({(tag.epc, drive.session): until_us for tag in read})


def _is_refreshed(drive: AntennaDrive) -> bool:
    """The flags of S2 and S3 persist while a tag has power; TagFocus refreshes that of S1."""
    suppresses = ImpinjInventorySearchType.Single_Target_With_Suppression
    return drive.session >= 2 or drive.search_mode == suppresses


def _phase_deg(tag: PlacedTag, drive: AntennaDrive) -> float:
    """Return the phase after the way to the tag and back."""
    wavelength_m = LIGHT_KM_PER_S / drive.channel_khz
    return (2 * tag.distance_m / wavelength_m * 360.0) % 360.0
