"""A crowd of tags is read at the pace that was asked for."""

from collections import Counter

from simulators.devices.llrp_reader import AntennaDrive
from simulators.throughput.crowd import Crowd

ROUND_MS = 50


class Rounds:
    """Inventory rounds over a crowd, in virtual time."""

    def __init__(self, *, tags: int, antennas: int, rate: int, duration_s: float | None) -> None:
        self.now_ns = 1_000_000
        self.antennas = antennas
        self.crowd = Crowd(
            tags=tags,
            antennas=antennas,
            rate_per_s=rate,
            duration_s=duration_s,
            round_ms=ROUND_MS,
            clock_ns=lambda: self.now_ns,
        )
        self.read: list[Counter[bytes]] = []

    def round(self, after_ms: int = ROUND_MS) -> int:
        found: Counter[bytes] = Counter()
        for antenna in range(1, self.antennas + 1):
            self.now_ns += 1_000  # Reading takes time too.
            drive = AntennaDrive(antenna, 30.0, 0, 1, 4, 0, 915_250, 0)
            found.update(tag.epc for tag in self.crowd(drive))
        self.now_ns += after_ms * 1_000_000
        self.read.append(found)
        return found.total()


def test_each_round_reads_what_its_time_is_worth() -> None:
    rounds = Rounds(tags=2_000, antennas=4, rate=20_000, duration_s=None)
    assert [round(rounds.round(), -1) for _ in range(3)] == [1_000, 1_000, 1_000]
    assert round(rounds.round(after_ms=75), -1) == 1_000
    assert round(rounds.round(), -1) == 1_500


def test_no_tag_is_read_twice_in_a_round() -> None:
    rounds = Rounds(tags=100, antennas=3, rate=10_000, duration_s=None)
    for _ in range(10):
        rounds.round()
    assert max(max(each.values()) for each in rounds.read) == 1
    assert all(each.total() == 100 for each in rounds.read)


def test_all_tags_get_their_turn() -> None:
    rounds = Rounds(tags=2_000, antennas=4, rate=20_000, duration_s=None)
    for _ in range(4):
        rounds.round()
    counts = sum(rounds.read, Counter[bytes]())
    assert len(counts) == 2_000
    assert set(counts.values()) <= {1, 2, 3}


def test_reading_ends_after_its_time_at_its_rate() -> None:
    rounds = Rounds(tags=2_000, antennas=4, rate=20_000, duration_s=1.0)
    while not rounds.crowd.is_over:
        rounds.round()
    assert rounds.round() == 0
    assert rounds.crowd.reads == sum(each.total() for each in rounds.read)
    assert 20_000 <= rounds.crowd.reads / rounds.crowd.lasted_s < 20_001
    assert 1.0 <= rounds.crowd.lasted_s < 1.1
