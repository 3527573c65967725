"""A crowd of tags that is read at a steady pace, whatever the machine is doing meanwhile (pure).

The reads of a round are as many as the time since the last one is worth, so that a late round
catches up: a rate that was asked for is a rate that was read. No tag is read twice in a round; if
so many would be due, the rest waits for the next one.
"""

from collections.abc import Callable, Sequence
from itertools import cycle
from math import ceil
from typing import Final

from protocol.ids import sgtin_tag
from simulators.devices.llrp_reader import AntennaDrive, TagInField
from simulators.world.goods import gtin_of

UNITS_PER_ARTICLE: Final = 10
RSSI_DBM: Final = (-48.0, -51.0, -55.0, -50.0, -53.0)
"""What a tag is read with, one round after the other."""

_SERIAL: Final = 1
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000


class Crowd:
    """A `ReadModel` of `tags` tags, spread over antennas: `rate_per_s` reads of all together.

    Reading begins with the first round, and ends `duration_s` later if that is given.
    """

    def __init__(
        self,
        *,
        tags: int,
        antennas: int,
        rate_per_s: int,
        duration_s: float | None,
        round_ms: int,
        clock_ns: Callable[[], int],
    ) -> None:
        self._rate_per_s = rate_per_s
        self._duration_ns = None if duration_s is None else round(duration_s * _NS_PER_S)
        self._clock_ns = clock_ns
        self._round_ns = round_ms * _NS_PER_MS
        self._began_ns: int | None = None
        self._until_ns = 0
        self._antenna = antennas
        epcs = [
            sgtin_tag(gtin_of(each // UNITS_PER_ARTICLE), _SERIAL + each) for each in range(tags)
        ]
        self._places = [
            _Place(epcs[antenna::antennas], antenna, antennas) for antenna in range(antennas)
        ]

    @property
    def reads(self) -> int:
        """How many reads there were."""
        return sum(place.done for place in self._places)

    @property
    def has_begun(self) -> bool:
        """Whether the first round has been."""
        return self._began_ns is not None

    @property
    def is_over(self) -> bool:
        """Whether it was read for as long as it should be, or nobody reads it any more."""
        if self._duration_ns is None or self._began_ns is None:
            return False
        if self._until_ns - self._began_ns >= self._duration_ns:
            return True
        return self._clock_ns() - self._began_ns >= 2 * self._duration_ns + _NS_PER_S

    @property
    def lasted_s(self) -> float:
        """Seconds of reading so far."""
        return 0.0 if self._began_ns is None else (self._until_ns - self._began_ns) / _NS_PER_S

    def __call__(self, drive: AntennaDrive) -> Sequence[TagInField]:
        """Return what is due at an antenna."""
        is_next_round = drive.antenna <= self._antenna
        self._antenna = drive.antenna
        if is_next_round:
            if self.is_over:
                self._antenna = len(self._places)  # The next call begins a round again.
                return ()
            # A round reads until the next one begins.
            now_ns = self._clock_ns()
            self._until_ns = now_ns + self._round_ns
            if self._began_ns is None:
                self._began_ns = now_ns
        began_ns = self._until_ns if self._began_ns is None else self._began_ns
        due = ceil((self._until_ns - began_ns) * self._rate_per_s / _NS_PER_S)
        return self._places[drive.antenna - 1].read(due)


class _Place:
    """The tags at one antenna, read one after the other."""

    def __init__(self, epcs: Sequence[bytes], index: int, of: int) -> None:
        self._size = len(epcs)
        self._index = index
        self._of = of
        self._at = 0
        self.done = 0
        # Twice over, so that each run of at most all tags is one slice.
        self._readings = cycle(
            [[TagInField(epc, rssi_dbm) for epc in (*epcs, *epcs)] for rssi_dbm in RSSI_DBM]
        )

    def read(self, due_of_all: int) -> Sequence[TagInField]:
        """Return the next of its tags: its share of the reads due is `done` afterwards."""
        share = (due_of_all + self._of - 1 - self._index) // self._of
        count = min(share - self.done, self._size)
        start, self._at = self._at, (self._at + count) % self._size
        self.done += count
        return next(self._readings)[start : start + count]
