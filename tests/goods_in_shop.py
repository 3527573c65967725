"""A small physical model of a receiving station in a shop, for tests of goods-in.

A reader with two beams waves a little: what lies together fades together. A tag answers when its
faded level is above its threshold, and the more often the higher. Levels are dBm at the reader.
Box and shop wear the same tags, so nothing but where they are tells them apart.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from edge.replay.goods_in_format import GoodsInRecording, RecordingName
from edge.sensing.readings import TagReading
from protocol.ids import Epc

READS_PER_S = 160
BEAM_S = 0.28
THRESHOLD_DBM = -76.0
CHANCE_PER_DB = 0.03
CHANCE_MAX = 0.6
FADING_DB = 6.0
CORRELATED_S = 0.4


def box_epc(box: int, number: int) -> Epc:
    """Return an SGTIN-96 tag of a box."""
    return Epc(bytes.fromhex(f"30347A12301D{box:02X}859682{number:04X}F0"[:24]))


def stray_epc(number: int) -> Epc:
    """Return an SGTIN-96 tag of the shop, of the same kind as those in boxes."""
    return Epc(bytes.fromhex(f"30347A12301DEE859682{number:04X}F0"[:24]))


def recording(
    box: int,
    number: int,
    *,
    goods: int = 10,
    strays: int = 120,
    box_dbm: float = -58.0,
    seconds: float = 30.0,
    gain_db: float = 0.0,
) -> GoodsInRecording:
    """Return one recording of a box among the shop's strays, the same for the same arguments."""
    random = Random(box * 1_000 + number)
    shop = Random(7)  # The same shop in every recording.
    levels = {stray_epc(i): shop.uniform(-94.0, -71.5) for i in range(strays)}
    groups = {stray_epc(i): i // 8 for i in range(strays)}
    levels |= {box_epc(box, i): box_dbm + random.uniform(-4.0, 4.0) for i in range(goods)}
    groups |= {box_epc(box, i): -1 for i in range(goods)}
    readings = _heard(levels, groups, seconds, random)
    moved = (reading._replace(rssi_dbm=reading.rssi_dbm + gain_db) for reading in readings)
    return GoodsInRecording(RecordingName(box, number), tuple(moved))


def epcs_in(box: int, goods: int = 10) -> frozenset[Epc]:
    """Return what is in a box."""
    return frozenset(box_epc(box, i) for i in range(goods))


def write(folder: Path, recordings: Iterable[GoodsInRecording]) -> None:
    """Write recordings as the format has them, one digit of dBm after the point."""
    (folder / "recordings").mkdir(parents=True, exist_ok=True)
    for one in recordings:
        lines = ["time,epc,beam_id,rssi,phase,frequency"]
        lines += [
            f"{reading.last_seen_ms / 1_000},{reading.epc.hex().upper()},{reading.antenna},"
            f"{round(reading.rssi_dbm * 10)},0,866900000"
            for reading in one.readings
        ]
        (folder / "recordings" / f"{one.name}.csv").write_text("\n".join(lines) + "\n")


def write_labels(folder: Path, boxes: Sequence[int]) -> None:
    """Write what is in each box."""
    for box in boxes:
        text = "\n".join(sorted(epc.hex().upper() for epc in epcs_in(box)))
        (folder / f"in_box_set{box}.txt").write_text(text + "\n")


def _chance(dbm: float) -> float:
    """Return how probably a tag answers in a quarter of a beam's turn."""
    return min(max((dbm - THRESHOLD_DBM) * CHANCE_PER_DB, 0.0), CHANCE_MAX)


def _heard(
    levels: dict[Epc, float], groups: dict[Epc, int], seconds: float, random: Random
) -> list[TagReading]:
    """Let each group and each tag fade on (Ornstein-Uhlenbeck), and whoever can answer answer."""
    keep = math.exp(-BEAM_S / 4 / CORRELATED_S)
    stir = FADING_DB / math.sqrt(2) * math.sqrt(1 - keep * keep)
    together = {group: random.gauss(0.0, FADING_DB / math.sqrt(2)) for group in groups.values()}
    alone = {epc: random.gauss(0.0, FADING_DB / math.sqrt(2)) for epc in levels}
    readings: list[TagReading] = []
    for quarter in range(int(seconds / BEAM_S * 4)):
        start_ms, beam = round(quarter * BEAM_S * 250), quarter // 4 % 2
        together = {key: keep * db + random.gauss(0.0, stir) for key, db in together.items()}
        alone = {key: keep * db + random.gauss(0.0, stir) for key, db in alone.items()}
        now = {epc: dbm + together[groups[epc]] + alone[epc] for epc, dbm in levels.items()}
        able = [epc for epc, dbm in now.items() if random.random() < _chance(dbm)]
        random.shuffle(able)
        able = able[: round(READS_PER_S * BEAM_S / 4)]
        readings += [
            TagReading("recording", beam, epc, now[epc], start_ms, start_ms, 1) for epc in able
        ]
    return readings
