"""Tags: readings of all readers of a store in, facts and register entries out.

Pure. Theory of operation (decision 3): the register says where each known tag is; a reading only
moves it towards what is seen, and a fact is the difference.

- Until the *baseline* is done, tags in zones are collected. It is done when every zone antenna has
  read something (or `baseline_max_ms` have passed), at least `baseline_min_ms` have passed, and no
  new tag has come for `baseline_quiet_ms`. Then each GTIN is counted once, by sweep. A store
  without zone antennas has nothing to sweep.
- An unknown tag that crosses a portal into the store is received there; what comes in by the exit
  is a customer's. An unknown tag that is read in a zone is received by presence after
  `presence_grace_ms`, unless a portal decides first.
- A known tag is where a portal last sent it or where a zone reads it. Another zone must lead for
  `presence_grace_ms` without a break; zones overlap, and to lead over the present zone while that
  still reads the tag, it must read it stronger by `zone_hysteresis_db`.
- Each entry bears the time of the reading that led to it. What was read up to then is history,
  whenever it arrives: buffered, late, or once more.
- Appearing again and leaving are telemetry and change nothing.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final, NamedTuple

from msgspec import Struct

from edge.sensing.decisions import Decisions, Outcome
from edge.sensing.portal import Passage, Side
from edge.sensing.readings import TagReading
from edge.sensing.register import BASELINE, BASELINE_DONE, Entry
from protocol.facts import Zone
from protocol.ids import Epc, Gtin, gtin_of_tag

CLOCK_STEP_MS: Final = 1_000
"""A clock that goes back by more was set; by less, it is only being slowed down."""

_IN_STORE: Final = ("sales_floor", "backroom")
_BY_TIME: Final = attrgetter("last_seen_ms")


class TagSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How patient tag sensing is. Times in milliseconds, levels in decibels."""

    baseline_min_ms: int = 2_000
    baseline_quiet_ms: int = 1_500
    baseline_max_ms: int = 10_000
    presence_grace_ms: int = 1_500
    portal_settle_ms: int = 300
    portal_window_ms: int = 3_000
    zone_window_ms: int = 3_000
    zone_hysteresis_db: float = 6.0
    leave_after_ms: int = 10_000


class PortalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A doorway between two zones."""

    name: str
    outside: Zone
    inside: Zone


class ZoneAntenna(NamedTuple):
    """An antenna that reads a zone."""

    zone: Zone


class PortalAntenna(NamedTuple):
    """An antenna that reads one side of a portal."""

    portal: PortalSettings
    side: Side


Layout = Mapping[tuple[str, int], ZoneAntenna | PortalAntenna]
"""What each antenna of each reader looks at."""


class _Track:
    """What is seen of one tag at present. Soft: a restart forgets it and sees again."""

    __slots__ = ("gtin", "left_ms", "passages", "rival", "rival_since_ms", "seen")

    def __init__(self, gtin: Gtin) -> None:
        self.gtin = gtin
        self.seen: dict[Zone, tuple[int, float]] = {}
        self.passages: dict[str, tuple[PortalSettings, Passage]] = {}
        self.rival: Zone | None = None
        self.rival_since_ms = 0
        self.left_ms: int | None = None

    def last_seen_ms(self) -> int:
        """When a zone last read it."""
        return max(seen_ms for seen_ms, _ in self.seen.values())


class _Attention:
    """Since when, without a break of `leave_after_ms`, and until when a zone was read."""

    __slots__ = ("last_ms", "since_ms")

    def __init__(self, now_ms: int) -> None:
        self.since_ms = self.last_ms = now_ms


class TagSensing:
    """The tags of one store. `register` holds what earlier lives of the agent have decided."""

    def __init__(
        self,
        layout: Layout,
        settings: TagSettings,
        register: dict[Epc, Entry],
        *,
        baseline_done: bool,
        now_ms: int,
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._register = register
        self._zones = {a.zone for a in layout.values() if isinstance(a, ZoneAntenna)}
        # Whoever knows a tag has had its baseline, with or without zones.
        self._baseline_done = baseline_done or bool(register)
        self.foreign_tags = 0
        """Readings of tags that carry no GTIN."""
        self._now_ms = now_ms
        self._start_over(now_ms)

    @property
    def known_tags(self) -> int:
        """How many tags the register holds."""
        return len(self._register)

    def observe(self, readings: Iterable[TagReading], now_ms: int) -> Decisions:
        """Take readings in, in any order, and return what follows from them now.

        What is returned must be durable before the next call, or this object must be thrown away
        and made anew from the register on disk.
        """
        if now_ms < self._now_ms - CLOCK_STEP_MS:
            self._start_over(now_ms)
        self._now_ms = now_ms
        outcome = Outcome()
        zones_read: set[Zone] = set()
        for reading in sorted(readings, key=_BY_TIME):
            place = self._layout.get((reading.reader, reading.antenna))
            if place is None:
                continue
            track = self._track(reading.epc)
            if track is None:
                self.foreign_tags += 1
            elif isinstance(place, ZoneAntenna):
                zones_read.add(place.zone)
                self._read_in_zone(track, place.zone, reading, outcome)
            else:
                self._read_in_portal(track, place, reading)
        self._attend(zones_read)
        self._decide(outcome)
        return outcome.decisions()

    def _start_over(self, now_ms: int) -> None:
        """Begin with what the register says alone; the clock may have been set back since.

        An entry from the clock's future would make everything history that is read until then.
        """
        for epc, entry in self._register.items():
            if entry.since_ms > now_ms:
                self._register[epc] = Entry(entry.zone, now_ms)
        self._now_ms = self._started_ms = self._new_tag_ms = self._next_scan_ms = now_ms
        self._tracks: dict[Epc, _Track] = {}
        self._in_portal: set[Epc] = set()
        self._unknown: dict[Epc, int] = {}  # And when each was first heard of in a zone.
        self._attention: dict[Zone, _Attention] = {}

    def _track(self, epc: Epc) -> _Track | None:
        track = self._tracks.get(epc)
        if track is None:
            gtin = gtin_of_tag(epc)
            if gtin is None:
                return None
            track = self._tracks[epc] = _Track(gtin)
        return track

    def _attend(self, zones: set[Zone]) -> None:
        for zone in zones:
            attention = self._attention.get(zone)
            if attention is None or self._was_interrupted(attention):
                self._attention[zone] = _Attention(self._now_ms)
            else:
                attention.last_ms = self._now_ms

    def _was_interrupted(self, attention: _Attention) -> bool:
        return self._now_ms - attention.last_ms > self._settings.leave_after_ms

    def _read_in_zone(
        self, track: _Track, zone: Zone, reading: TagReading, outcome: Outcome
    ) -> None:
        seen_ms = reading.last_seen_ms
        before = track.seen.get(zone)
        if before is not None and seen_ms < before[0]:
            return
        entry = self._register.get(reading.epc)
        if entry is not None and seen_ms <= entry.since_ms:
            return
        track.seen[zone] = (seen_ms, reading.rssi_dbm)
        if entry is not None:
            self._weigh(reading.epc, track, entry, seen_ms, outcome)
        elif reading.epc not in self._unknown:
            self._unknown[reading.epc] = self._new_tag_ms = self._now_ms

    def _weigh(self, epc: Epc, track: _Track, entry: Entry, seen_ms: int, outcome: Outcome) -> None:
        """Decide where a known tag is, now that a zone has read it at `seen_ms`."""
        leader = self._strongest_zone(track, entry.zone)
        if leader == entry.zone:
            track.rival = None
            if track.left_ms is not None and seen_ms > track.left_ms:
                track.left_ms = None
                outcome.appeared(track.gtin, epc, leader, seen_ms)
        elif leader != track.rival:
            track.rival, track.rival_since_ms = leader, seen_ms
        elif seen_ms - track.rival_since_ms >= self._settings.presence_grace_ms:
            self._move(epc, track, entry, leader, seen_ms, outcome)

    def _strongest_zone(self, track: _Track, present: Zone | None) -> Zone:
        if len(track.seen) == 1:
            return next(iter(track.seen))
        latest_ms = track.last_seen_ms()
        levels = {
            zone: rssi_dbm + (self._settings.zone_hysteresis_db if zone == present else 0.0)
            for zone, (seen_ms, rssi_dbm) in track.seen.items()
            if latest_ms - seen_ms <= self._settings.zone_window_ms
        }
        return max(levels, key=lambda zone: levels[zone])

    def _read_in_portal(self, track: _Track, place: PortalAntenna, reading: TagReading) -> None:
        portal, side = place
        known = track.passages.get(portal.name)
        if known is None:
            known = track.passages[portal.name] = (portal, Passage())
        known[1].read(side, reading.first_seen_ms, reading.last_seen_ms)
        self._in_portal.add(reading.epc)

    def _decide(self, outcome: Outcome) -> None:
        if not self._baseline_done:
            self._finish_baseline(outcome)
            return
        for epc in tuple(self._in_portal):
            self._decide_portal(epc, outcome)
        for epc in tuple(self._unknown):
            self._decide_unknown(epc, outcome)
        if self._now_ms >= self._next_scan_ms:
            self._next_scan_ms = self._now_ms + self._settings.leave_after_ms // 4
            self._decide_left(outcome)
            self._forget_strangers()

    def _finish_baseline(self, outcome: Outcome) -> None:
        settings, waited_ms = self._settings, self._now_ms - self._started_ms
        if self._zones:
            all_were_read = self._attention.keys() >= self._zones
            if not all_were_read and (waited_ms < settings.baseline_max_ms or not self._unknown):
                return
            quiet_ms = self._now_ms - self._new_tag_ms
            if waited_ms < settings.baseline_min_ms or quiet_ms < settings.baseline_quiet_ms:
                return
        for epc in self._unknown:
            track = self._tracks[epc]
            seen_ms = track.last_seen_ms()
            outcome.swept(track.gtin, epc, seen_ms)
            self._set(epc, self._strongest_zone(track, None), seen_ms, outcome)
        self._unknown.clear()
        self._baseline_done = True
        outcome.checkpoints[BASELINE] = BASELINE_DONE

    def _decide_portal(self, epc: Epc, outcome: Outcome) -> None:
        track = self._tracks[epc]
        for name, (portal, passage) in tuple(track.passages.items()):
            is_over = self._now_ms - passage.last_ms > self._settings.portal_window_ms
            crossing = passage.crossing(self._settings.portal_settle_ms, is_over=is_over)
            if crossing is not None:
                inwards = crossing.to_side == "inside"
                zones = (portal.outside, portal.inside)
                from_zone, to_zone = zones if inwards else reversed(zones)
                self._cross(epc, track, from_zone, to_zone, crossing.at_ms, outcome)
            if is_over:
                del track.passages[name]
        if not track.passages:
            self._in_portal.discard(epc)

    def _cross(
        self,
        epc: Epc,
        track: _Track,
        from_zone: Zone,
        to_zone: Zone,
        at_ms: int,
        outcome: Outcome,
    ) -> None:
        entry = self._register.get(epc)
        if entry is not None and at_ms <= entry.since_ms:
            return
        # What the zones saw before the crossing must not pull the tag back.
        track.seen = {zone: seen for zone, seen in track.seen.items() if seen[0] > at_ms}
        if entry is not None:
            if entry.zone != to_zone:
                self._move(epc, track, entry, to_zone, at_ms, outcome)
        elif to_zone in _IN_STORE and from_zone != "exit":
            outcome.received(track.gtin, epc, to_zone, "portal", at_ms)
            self._set(epc, to_zone, at_ms, outcome)

    def _decide_unknown(self, epc: Epc, outcome: Outcome) -> None:
        track = self._tracks[epc]
        if epc in self._register or not track.seen:
            del self._unknown[epc]
        elif self._now_ms - self._unknown[epc] >= self._settings.presence_grace_ms:
            zone, seen_ms = self._strongest_zone(track, None), track.last_seen_ms()
            outcome.received(track.gtin, epc, zone, "presence", seen_ms)
            self._set(epc, zone, seen_ms, outcome)
            del self._unknown[epc]

    def _decide_left(self, outcome: Outcome) -> None:
        for epc, track in self._tracks.items():
            entry = self._register.get(epc)
            if entry is None or track.left_ms is not None or not track.seen:
                continue
            # A zone that reads nothing at all has lost its reader, not its goods.
            attention = self._attention.get(entry.zone)
            if attention is None or self._was_interrupted(attention):
                continue
            last_ms = track.last_seen_ms()
            missing_ms = self._now_ms - max(last_ms, attention.since_ms)
            if missing_ms > self._settings.leave_after_ms:
                track.left_ms = last_ms
                outcome.left(track.gtin, epc, entry.zone, last_ms)

    def _forget_strangers(self) -> None:
        """Tags that passed by outside and were never received would fill the memory."""
        strangers = [
            epc
            for epc, track in self._tracks.items()
            if epc not in self._register and epc not in self._unknown and not track.passages
        ]
        for epc in strangers:
            del self._tracks[epc]

    def _move(
        self,
        epc: Epc,
        track: _Track,
        entry: Entry,
        zone: Zone,
        at_ms: int,
        outcome: Outcome,
    ) -> None:
        outcome.moved(track.gtin, epc, entry.zone, zone, at_ms)
        self._set(epc, zone, at_ms, outcome)
        track.rival = track.left_ms = None

    def _set(self, epc: Epc, zone: Zone, at_ms: int, outcome: Outcome) -> None:
        entry = self._register[epc] = Entry(zone, at_ms)
        outcome.register(epc, entry)
