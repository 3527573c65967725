"""Zones that overlap: a tag flaps less than it would by the last level, and moves no later."""

import math
from collections.abc import Callable
from random import Random

import pytest

from edge.sensing.location import (
    PROFILES,
    SPIKE_RATIO,
    UNKNOWN_DBM,
    MotionProfile,
    Whereabouts,
    ZonePower,
)
from edge.sensing.readings import TagReading
from protocol.facts import Zone
from protocol.ids import parse_gtin, sgtin_tag

EPC = sgtin_tag(parse_gtin("00614141123452"), 1)
ASSET, GARMENT = PROFILES["asset"], PROFILES["garment"]
GRACE_MS = 1_500
HERE: Zone = "backroom"
THERE: Zone = "sales_floor"
STEP_MS = 100
FLAP_SEEDS = 8
SHADOW_DB, SHADOW_MS = 3.0, 8_000.0
SENSITIVITY_DBM = -66.0

Read = tuple[int, Zone, float]
Levels = Callable[[int], tuple[float, float]]


def overlapping(seed: int, levels: Levels, duration_ms: int) -> list[Read]:
    """Return what two zones read of a tag: mean levels, slow shadows, Rician fades, lost reads."""
    rng = Random(seed)
    shadows = [0.0, 0.0]
    kept = math.exp(-STEP_MS / SHADOW_MS)
    reads: list[Read] = []
    for at_ms in range(STEP_MS, duration_ms, STEP_MS):
        for index, zone in enumerate((HERE, THERE)):
            noise = math.sqrt(1 - kept * kept) * SHADOW_DB * rng.gauss(0, 1)
            shadows[index] = kept * shadows[index] + noise
            mean_dbm = levels(at_ms)[index] + shadows[index]
            if rng.random() < 0.8 / (1 + math.exp((SENSITIVITY_DBM - mean_dbm) / 3)):
                fade = (0.89 + 0.32 * rng.gauss(0, 1)) ** 2 + (0.32 * rng.gauss(0, 1)) ** 2
                reads.append((at_ms, zone, round(mean_dbm + 10 * math.log10(max(1e-3, fade)))))
    return reads


def by_last_level(reads: list[Read], hysteresis_db: float = 6.0) -> list[int]:
    """Return when the rule before this one moves: the last level in 3 s leads without a break."""
    seen: dict[Zone, tuple[int, float]] = {}
    present, rival, since_ms = HERE, HERE, 0
    moves = []
    for at_ms, zone, level_dbm in reads:
        seen[zone] = (at_ms, level_dbm)
        levels = {
            zone: level + (hysteresis_db if zone == present else 0)
            for zone, (seen_ms, level) in seen.items()
            if at_ms - seen_ms <= 3_000
        }
        leader = max(levels, key=lambda zone: levels[zone])
        if leader == present:
            rival = present
        elif leader != rival:
            rival, since_ms = leader, at_ms
        elif at_ms - since_ms >= GRACE_MS:
            present = rival = leader
            moves.append(at_ms)
    return moves


def by_power(reads: list[Read], profile: MotionProfile = ASSET) -> list[int]:
    """Return when `Whereabouts` moves."""
    where, present = Whereabouts(), HERE
    moves = []
    for at_ms, zone, level_dbm in reads:
        where.read(zone, TagReading("r", 1, EPC, level_dbm, at_ms, at_ms, 1), profile)
        moved_to = where.moved_to(present, at_ms, profile, GRACE_MS)
        if moved_to is not None:
            present = moved_to
            where.settle()
            moves.append(at_ms)
    return moves


def still(less_db: float) -> Levels:
    return lambda _: (-56.0, -56.0 - less_db)


def moving(gap_db: float) -> Levels:
    near, far = -52.0, -52.0 - gap_db
    return lambda at_ms: (near, far) if at_ms < 30_000 else (far, near)


def flaps(decide: Callable[[list[Read]], list[int]]) -> int:
    return sum(
        len(decide(overlapping(seed, still(less_db), 600_000)))
        for less_db in (0.0, 3.0)
        for seed in range(FLAP_SEEDS)
    )


def delay_ms(decide: Callable[[list[Read]], list[int]], gap_db: float) -> float:
    """Return the mean time from a move to its decision; a minute when there is none."""
    delays = []
    for seed in range(20):
        moves = decide(overlapping(100 + seed, moving(gap_db), 90_000))
        after = [at_ms - 30_000 for at_ms in moves if at_ms >= 30_000]
        delays.append(after[0] if after else 60_000)
    return sum(delays) / len(delays)


def test_a_tag_in_overlapping_zones_flaps_less_and_moves_sooner_than_by_the_last_level() -> None:
    assert flaps(by_power) < flaps(by_last_level)
    assert delay_ms(by_power, 10.0) < 1.1 * delay_ms(by_last_level, 10.0)
    assert delay_ms(by_power, 40.0) < 0.75 * delay_ms(by_last_level, 40.0)


def test_garments_flap_less_than_assets_and_move_later() -> None:
    assert flaps(lambda reads: by_power(reads, GARMENT)) <= flaps(by_power)
    assert delay_ms(lambda reads: by_power(reads, GARMENT), 40.0) > delay_ms(by_power, 40.0)


def test_the_present_zone_is_helped_less_the_longer_it_does_not_read() -> None:
    assert ASSET.offset_db(0) == ASSET.offset_db(500) == 6.0
    assert ASSET.offset_db(1_250) == pytest.approx(0.0)
    assert GARMENT.offset_db(1_250) == pytest.approx(5.625)
    assert ASSET.offset_db(5_000) < 0.0


def test_power_is_averaged_in_milliwatts_and_a_spike_counts_for_a_few_reads_only() -> None:
    spiked, plain = ZonePower(0, 500.0), ZonePower(0, 500.0)
    for at_ms in range(0, 5_000, 100):
        spiked.read(at_ms, -60.0, 1, 500.0)
        plain.read(at_ms, -60.0, 1, 500.0)
    spiked.read(5_000, -20.0, 1, 500.0)
    plain.read(5_000, -60.0 + 10 * math.log10(SPIKE_RATIO), 1, 500.0)
    assert spiked.level_dbm(5_000) == pytest.approx(plain.level_dbm(5_000), abs=0.1)


def test_a_zone_that_reads_more_often_is_nearer_than_one_as_strong() -> None:
    often, seldom = ZonePower(0, 500.0), ZonePower(0, 500.0)
    for at_ms in range(0, 20_000, 100):
        often.read(at_ms, -60.0, 1, 500.0)
        if at_ms % 1_000 == 0:
            seldom.read(at_ms, -60.0, 1, 500.0)
    assert often.level_dbm(20_000) > seldom.level_dbm(20_000) + 6


def test_zones_that_are_read_once_in_many_seconds_do_not_lose_a_tag_between_their_reads() -> None:
    slow: list[Read] = []
    for at_ms in range(0, 3_600_000, 20_000):
        slow += [(at_ms + 5_000, HERE, -55.0), (at_ms + 15_000, THERE, -60.0)]
    assert not by_power(slow)


def test_readers_that_tell_no_level_are_compared_by_how_often_they_read() -> None:
    reads: list[Read] = []
    for at_ms in range(0, 30_000, 100):
        reads.append((at_ms, THERE, UNKNOWN_DBM))
        if at_ms % 2_000 == 0:
            reads.append((at_ms, HERE, UNKNOWN_DBM))
    assert len(by_power(reads)) == 1


def test_what_is_read_late_does_not_lead_over_what_was_read_since() -> None:
    where = Whereabouts()
    for at_ms in range(10_000, 12_000, 100):
        where.read(HERE, TagReading("r", 1, EPC, -60.0, at_ms, at_ms, 1), ASSET)
    for at_ms in range(0, 9_000, 100):
        where.read(THERE, TagReading("r", 2, EPC, -40.0, at_ms, at_ms, 1), ASSET)
        assert where.moved_to(HERE, at_ms, ASSET, GRACE_MS) is None
