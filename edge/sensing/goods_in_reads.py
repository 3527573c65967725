"""What one receiving session has read: which tag in which block, how strong, how often.

Pure, and fed read by read. A *block* is `BLOCK_READS` successive reads on one antenna of one
reader, whoever answered. It is the unit of opportunity: to be read in a block means the same
whether the reader is fast or slow, whether it has one beam or two, and whether reports are lost.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from edge.sensing.readings import TagReading
from protocol.ids import Epc

BLOCK_READS: Final = 40
"""About what a reader of 160 reads/s gets on one beam before it turns to the other."""

BLOCKS_MAX: Final = 2_000
"""Some ten minutes at full speed. What comes later is not kept, and counted as ignored."""

TAGS_MAX: Final = 20_000
"""Tags beyond so many are not kept, and their reads counted as ignored."""


class TagTrace:
    """One tag's reads in one session."""

    __slots__ = ("blocks", "epc", "levels", "mask", "reads")

    def __init__(self, epc: Epc) -> None:
        self.epc = epc
        self.reads = 0
        self.mask = 0
        """Bit b is set when block b has read the tag."""
        self.blocks: dict[int, tuple[int, float]] = {}
        """Reads and the sum of their RSSI (dBm) in each block that read the tag."""
        self.levels: dict[int, tuple[int, float, float]] = {}
        """Reads, mean RSSI (dBm) and sum of squared deviations (dB²) on each antenna."""

    def read(self, antenna: int, block: int, rssi_dbm: float) -> None:
        """Take one read in. The running variance is Welford's (Technometrics 4, 1962)."""
        self.reads += 1
        self.mask |= 1 << block
        count, total_dbm = self.blocks.get(block, (0, 0.0))
        self.blocks[block] = (count + 1, total_dbm + rssi_dbm)
        count, mean_dbm, squares = self.levels.get(antenna, (0, 0.0, 0.0))
        away_db = rssi_dbm - mean_dbm
        mean_dbm += away_db / (count + 1)
        self.levels[antenna] = (count + 1, mean_dbm, squares + away_db * (rssi_dbm - mean_dbm))


class _Antenna:
    """The block that is being filled, and those that were, as a mask."""

    __slots__ = ("block", "mask", "reads")

    def __init__(self) -> None:
        self.block = self.mask = 0
        self.reads = BLOCK_READS


class SessionReads:
    """All reads of one session, in the order in which each antenna made them."""

    def __init__(self) -> None:
        self.block_count = 0
        self.ignored_reads = 0
        self._antennas: dict[tuple[str, int], _Antenna] = {}
        self._numbers: dict[tuple[str, int], int] = {}
        self._traces: dict[Epc, TagTrace] = {}

    def observe(self, readings: Iterable[TagReading]) -> None:
        """Take readings in; a report of several reads counts as so many of one level."""
        for reading in readings:
            for _ in range(min(reading.seen_count, BLOCK_READS)):
                self._read(reading)

    def traces(self) -> list[TagTrace]:
        """Return the tags, those that were read most first."""
        return sorted(self._traces.values(), key=lambda trace: (-trace.reads, trace.epc))

    def antenna_masks(self) -> Sequence[int]:
        """Return the blocks of each antenna, as masks."""
        return [antenna.mask for antenna in self._antennas.values()]

    def _read(self, reading: TagReading) -> None:
        key = (reading.reader, reading.antenna)
        block = self._block(key)
        trace = self._traces.get(reading.epc)
        if block is None or (trace is None and len(self._traces) >= TAGS_MAX):
            self.ignored_reads += 1
            return
        if trace is None:
            trace = self._traces[reading.epc] = TagTrace(reading.epc)
        trace.read(self._numbers[key], block, reading.rssi_dbm)

    def _block(self, key: tuple[str, int]) -> int | None:
        antenna = self._antennas.get(key)
        if antenna is None:
            antenna = self._antennas[key] = _Antenna()
            self._numbers[key] = len(self._numbers)
        if antenna.reads >= BLOCK_READS:
            if self.block_count >= BLOCKS_MAX:
                return None
            antenna.block, antenna.reads = self.block_count, 0
            antenna.mask |= 1 << antenna.block
            self.block_count += 1
        antenna.reads += 1
        return antenna.block
