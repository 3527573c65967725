"""Sweeps: somebody walks through the store with a handheld reader, and each GTIN is told once.

Pure. Theory of operation:

- A sweep begins when its start is told, or with the first reading after `sweep_quiet_ms` without
  any. It ends when its end is told, or after as long a silence. Until then nothing is decided.
- At the end `TagsSwept` is told of each GTIN of which a tag was read or is known in the store. It
  is evidence, not a count: unread tags stay known.
- A sweep is *complete* when, in each zone of which more than a few tags are expected, it read
  at least `sweep_coverage_min` of them. Expected are tags that were in the store when it began and
  that the last complete sweep did not miss: most tags that it missed were sold without anybody
  seeing them leave, and would make every later sweep look incomplete.
- Tags that nobody knew enter the register, and tags that were taken for gone come back, without a
  fact of their own. A tag that so many complete sweeps in a row have missed is forgotten.
- What was read before a decision about the tag is history (decision 3), and so is what was read
  before the last sweep ended, whenever it arrives.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from edge.sensing.decisions import Outcome
from edge.sensing.readings import TagReading
from edge.sensing.register import IN_STORE, SWEPT_THROUGH, Entry, swept_through_value
from edge.sensing.tag_settings import TagSettings
from protocol.facts import Zone
from protocol.ids import Epc, Gtin, gtin_of_tag

MISSED_SWEEPS_MAX: Final = 4
"""A weak tag that is read six times in ten is missed so often in a row once in forty."""
ZONE_TAGS_MIN: Final = 20
"""The share that was read of fewer tags says little about where somebody has been."""

ReadInZone = Callable[[Epc, int], bool]
"""Whether a fixed antenna has read a tag in its zone since a time."""


class _Sweep:
    """One walk: which tags it read, and when last."""

    __slots__ = ("ended_ms", "heard_ms", "last_ms", "name", "seen", "started_ms")

    def __init__(self, name: str, started_ms: int, now_ms: int) -> None:
        self.name = name
        self.started_ms = self.last_ms = started_ms
        self.heard_ms = now_ms
        self.ended_ms: int | None = None
        self.seen: dict[Epc, int] = {}


class Sweeps:
    """The sweeps of one store, one at a time, over the register that it shares with its owner."""

    def __init__(self, settings: TagSettings, register: dict[Epc, Entry], through_ms: int) -> None:
        self._settings = settings
        self._register = register
        self._through_ms = through_ms
        self._heard_ms: int | None = None
        self._sweep: _Sweep | None = None
        self._ended: list[_Sweep] = []

    def started(self, name: str, at_ms: int, now_ms: int) -> None:
        """Begin a sweep of this name; one that is under way ends."""
        self.ended(at_ms)
        self._sweep = _Sweep(name, at_ms, now_ms)

    def ended(self, at_ms: int) -> None:
        """End the sweep that is under way, if any, as of `at_ms`; `decide` tells what it read."""
        if self._sweep is not None:
            self._sweep.ended_ms = max(at_ms, self._sweep.started_ms)
            self._ended.append(self._sweep)
            self._sweep = None

    def read(self, reading: TagReading, now_ms: int) -> None:
        """Take a handheld's reading in."""
        seen_ms = reading.last_seen_ms
        if seen_ms <= self._through_ms:
            return
        sweep = self._sweep_at(seen_ms, now_ms)
        self._heard_ms = now_ms
        if sweep is not None:
            sweep.heard_ms = now_ms
            sweep.last_ms = max(sweep.last_ms, seen_ms)
            sweep.seen[reading.epc] = max(seen_ms, sweep.seen.get(reading.epc, 0))

    def left(self, epc: Epc, at_ms: int) -> None:
        """An unknown tag went out of the store: what was read of it before counts no more."""
        for sweep in (self._sweep, *self._ended):
            if sweep is not None and sweep.seen.get(epc, at_ms + 1) <= at_ms:
                del sweep.seen[epc]

    def forget(self) -> None:
        """Drop what is under way: the clock that timed it was set."""
        self._sweep = self._heard_ms = None
        self._ended.clear()
        self._through_ms = 0

    def decide(self, now_ms: int, outcome: Outcome, read_in_zone: ReadInZone) -> None:
        """Tell what each sweep has read that is over."""
        sweep = self._sweep
        if sweep is not None and now_ms - sweep.heard_ms >= self._settings.sweep_quiet_ms:
            self.ended(sweep.last_ms)
        for over in self._ended:
            self._tell(over, outcome, read_in_zone)
        self._ended.clear()

    def _sweep_at(self, seen_ms: int, now_ms: int) -> _Sweep | None:
        """Return the sweep that a reading belongs to, which it may begin."""
        for over in self._ended:
            if over.ended_ms is not None and over.started_ms <= seen_ms <= over.ended_ms:
                return over
        if self._sweep is None and self._was_silent(now_ms):
            at = datetime.fromtimestamp(seen_ms // 1_000, UTC)
            self._sweep = _Sweep(f"{at:%Y-%m-%dT%H:%M:%SZ}", seen_ms, now_ms)
        return self._sweep

    def _was_silent(self, now_ms: int) -> bool:
        return self._heard_ms is None or now_ms - self._heard_ms >= self._settings.sweep_quiet_ms

    def _tell(self, sweep: _Sweep, outcome: Outcome, read_in_zone: ReadInZone) -> None:
        known = {
            epc: entry
            for epc, entry in self._register.items()
            if entry.zone in IN_STORE and entry.since_ms <= sweep.started_ms
        }
        is_complete, basis = self._coverage(sweep, known)
        read: dict[Gtin, dict[Epc, int]] = defaultdict(dict)
        for epc, seen_ms in sweep.seen.items():
            gtin = gtin_of_tag(epc)
            if gtin is not None and self._is_here(epc, seen_ms, outcome):
                read[gtin][epc] = seen_ms
        for epc, entry in known.items() if is_complete else ():
            gtin = gtin_of_tag(epc)
            if gtin is None or epc in read[gtin] or read_in_zone(epc, sweep.started_ms):
                continue
            self._miss(epc, entry, outcome)
        for gtin, seen in read.items():
            at_ms = max(seen.values(), default=sweep.last_ms)
            outcome.tags_swept(gtin, sweep.name, list(seen), at_ms, basis, is_complete=is_complete)
        ended_ms = sweep.last_ms if sweep.ended_ms is None else sweep.ended_ms
        self._through_ms = max(self._through_ms, ended_ms)
        outcome.checkpoints[SWEPT_THROUGH] = swept_through_value(self._through_ms)

    def _coverage(self, sweep: _Sweep, known: dict[Epc, Entry]) -> tuple[bool, str]:
        """Return whether it was a sweep of the whole store, and how we know."""
        expected: Counter[Zone] = Counter()
        met: Counter[Zone] = Counter()
        for epc, entry in known.items():
            if not entry.missed:
                expected[entry.zone] += 1
                met[entry.zone] += epc in sweep.seen
        basis = f"read {met.total()} of {expected.total()} tags expected, {len(sweep.seen)} in all"
        least = self._settings.sweep_coverage_min
        zones = [zone for zone, tags in expected.items() if tags >= ZONE_TAGS_MIN]
        is_covered = all(met[zone] >= least * expected[zone] for zone in zones)
        return bool(expected) and is_covered and met.total() >= least * expected.total(), basis

    def _is_here(self, epc: Epc, seen_ms: int, outcome: Outcome) -> bool:
        """Decide whether a tag that was read is in the store, and let the register say so."""
        entry = self._register.get(epc)
        if entry is not None and seen_ms <= entry.since_ms:
            return entry.zone in IN_STORE
        if entry is None or entry.zone not in IN_STORE:
            self._set(epc, Entry("sales_floor", seen_ms), outcome)
        elif entry.missed:
            self._set(epc, Entry(entry.zone, entry.since_ms), outcome)
        return True

    def _miss(self, epc: Epc, entry: Entry, outcome: Outcome) -> None:
        if entry.missed + 1 < MISSED_SWEEPS_MAX:
            self._set(epc, entry._replace(missed=entry.missed + 1), outcome)
        else:
            del self._register[epc]
            outcome.forgotten(epc)

    def _set(self, epc: Epc, entry: Entry, outcome: Outcome) -> None:
        self._register[epc] = entry
        outcome.register(epc, entry)
