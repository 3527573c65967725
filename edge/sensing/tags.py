"""Tags: readings of all readers of a store in, facts and register entries out.

Pure. Theory of operation (decision 3): the register says where each known tag is; a reading only
moves it towards what is seen, and a fact is the difference.

- Until the *baseline* is done, tags in zones are collected. It is done when every zone antenna has
  read something (or `baseline_max_ms` have passed), at least `baseline_min_ms` have passed, and no
  new tag has come for `baseline_quiet_ms`. Then each GTIN is counted once, by sweep. A store
  without zone antennas has nothing to sweep.
- An unknown tag that crosses a portal into the store is received there; what comes in by the exit
  is a customer's. An unknown tag that zones have read for `presence_grace_ms` is received by
  presence, unless a portal decides first.
- A known tag is where a portal last sent it or where a zone reads it; zones overlap and compete
  (`location`).
- Each entry bears the time of the reading that led to it. What was read up to then is history,
  whenever it arrives: buffered, late, or once more.
- Appearing again and leaving are telemetry and change nothing.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from edge.sensing.decisions import Decisions, Outcome
from edge.sensing.layout import (
    Layout,
    PortalAntenna,
    PortalSettings,
    SweepAntenna,
    ZoneAntenna,
)
from edge.sensing.location import PROFILES, Whereabouts
from edge.sensing.portal import Crossing, Passage
from edge.sensing.readings import TagReading
from edge.sensing.register import (
    BASELINE,
    BASELINE_DONE,
    IN_STORE,
    Entry,
    long_gone,
)
from edge.sensing.sweeps import Sweeps
from edge.sensing.tag_settings import TagSettings
from protocol.facts import Zone
from protocol.ids import Epc, Gtin, gtin_of_tag

__all__ = ["Layout", "PortalAntenna", "PortalSettings", "SweepAntenna", "TagSensing"]
__all__ += ["TagSettings", "ZoneAntenna"]

SURE_FROM: Final = 0.9
"""A crossing of this confidence is believed before the register."""
CLOCK_STEP_MS: Final = 1_000
"""A clock that goes back by more was set; by less, it is only being slowed down."""

STRANGER_MEMORY_MS: Final = 60_000
"""So long is a tag remembered that zones have read too seldom to say that it is in the store."""
AGEING_PERIOD_MS: Final = 3_600_000
"""How often the register is searched for tags that left long ago."""

_BY_TIME: Final = attrgetter("last_seen_ms")


class _Track:
    """What is seen of one tag at present. Soft: a restart forgets it and sees again."""

    __slots__ = ("gtin", "left_ms", "passages", "where")

    def __init__(self, gtin: Gtin) -> None:
        self.gtin = gtin
        self.where = Whereabouts()
        self.passages: dict[str, tuple[PortalSettings, Passage]] = {}
        self.left_ms: int | None = None


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
        swept_through_ms: int = 0,
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._profile = PROFILES[settings.motion]._replace(threshold_db=settings.zone_hysteresis_db)
        self._register = register
        self._zones = {a.zone for a in layout.values() if isinstance(a, ZoneAntenna)}
        # Whoever knows a tag has had its baseline, with or without zones.
        self._baseline_done = baseline_done or bool(register)
        self.foreign_tags = 0
        """Readings of tags that carry no GTIN."""
        self._now_ms = now_ms
        # A sweep that ended in the clock's future would make every later one history.
        through_ms = swept_through_ms if swept_through_ms <= now_ms else 0
        self._sweeps = Sweeps(settings, register, through_ms)
        self._start_over(now_ms)

    @property
    def known_tags(self) -> int:
        """How many tags the register holds."""
        return len(self._register)

    def sweep_started(self, name: str, at_ms: int) -> None:
        """Somebody begins to walk through the store with a handheld."""
        self._sweeps.started(name, at_ms, self._now_ms)

    def sweep_ended(self, at_ms: int) -> None:
        """The walk is over; the next `observe` tells what it read, and takes late readings in."""
        self._sweeps.ended(at_ms)

    def finish(self) -> Decisions:
        """Return what is decided of tags that are in a portal when sensing ends."""
        outcome = Outcome()
        if self._baseline_done:
            for epc in tuple(self._in_portal):
                self._decide_portal(epc, outcome, is_last=True)
        return outcome.decisions()

    def observe(self, readings: Iterable[TagReading], now_ms: int) -> Decisions:
        """Take readings in, in any order, and return what follows from them now.

        What is returned must be durable before the next call, or this object must be thrown away
        and made anew from the register on disk.
        """
        if now_ms < self._now_ms - CLOCK_STEP_MS:
            self._sweeps.forget()
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
            elif isinstance(place, PortalAntenna):
                self._read_in_portal(track, place, reading)
            else:
                self._sweeps.read(reading, now_ms)
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
        self._next_ageing_ms = now_ms
        self._tracks: dict[Epc, _Track] = {}
        self._in_portal: dict[Epc, None] = {}  # In the order of their first reading.
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
        before = track.where.zones.get(zone)
        if before is not None and seen_ms < before.last_ms:
            return
        entry = self._register.get(reading.epc)
        if entry is not None and seen_ms <= entry.since_ms:
            return
        track.where.read(zone, reading, self._profile)
        if entry is not None:
            self._weigh(reading.epc, track, entry, zone, seen_ms, outcome)
        elif reading.epc not in self._unknown:
            self._unknown[reading.epc] = self._new_tag_ms = self._now_ms

    def _weigh(
        self, epc: Epc, track: _Track, entry: Entry, zone: Zone, seen_ms: int, outcome: Outcome
    ) -> None:
        """Decide where a known tag is, now that a zone has read it at `seen_ms`."""
        grace_ms = self._settings.presence_grace_ms
        moved_to = track.where.moved_to(entry.zone, seen_ms, self._profile, grace_ms)
        if moved_to is not None:
            self._move(epc, track, entry, moved_to, seen_ms, outcome)
        elif zone == entry.zone and track.left_ms is not None and seen_ms > track.left_ms:
            track.left_ms = None
            outcome.appeared(track.gtin, epc, zone, seen_ms)

    def _read_in_portal(self, track: _Track, place: PortalAntenna, reading: TagReading) -> None:
        portal, side = place
        known = track.passages.get(portal.name)
        if known is None:
            known = track.passages[portal.name] = (portal, Passage())
        known[1].read(
            side,
            reading.first_seen_ms,
            reading.last_seen_ms,
            reading.rssi_dbm,
            reading.seen_count,
        )
        self._in_portal[reading.epc] = None

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
        if self._now_ms >= self._next_ageing_ms:
            self._next_ageing_ms = self._now_ms + AGEING_PERIOD_MS
            for epc in long_gone(self._register, self._now_ms):
                del self._register[epc]
                outcome.forgotten(epc)
        self._sweeps.decide(self._now_ms, outcome, self._read_in_zone_since)

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
            seen_ms = track.where.last_ms
            outcome.swept(track.gtin, epc, seen_ms)
            self._set(epc, track.where.strongest(), seen_ms, outcome)
        self._unknown.clear()
        self._baseline_done = True
        outcome.checkpoints[BASELINE] = BASELINE_DONE

    def _decide_portal(self, epc: Epc, outcome: Outcome, *, is_last: bool = False) -> None:
        track = self._tracks[epc]
        for name, (portal, passage) in tuple(track.passages.items()):
            is_over = is_last or self._now_ms - passage.last_ms > self._settings.portal_window_ms
            crossing = passage.crossing(
                self._now_ms,
                self._settings.portal_settle_ms,
                self._settings.portal_confidence_min,
                is_over=is_over,
            )
            if crossing is not None:
                inwards = crossing.to_side == "inside"
                zones = (portal.outside, portal.inside)
                from_zone, to_zone = zones if inwards else reversed(zones)
                self._cross(epc, track, from_zone, to_zone, crossing, outcome)
            if is_over:
                del track.passages[name]
        if not track.passages:
            self._in_portal.pop(epc, None)

    def _cross(
        self,
        epc: Epc,
        track: _Track,
        from_zone: Zone,
        to_zone: Zone,
        crossing: Crossing,
        outcome: Outcome,
    ) -> None:
        at_ms = crossing.at_ms
        entry = self._register.get(epc)
        if entry is not None and at_ms <= entry.since_ms:
            return
        # What the zones saw before the crossing must not pull the tag back.
        track.where.forget_through(at_ms)
        if entry is not None:
            # Who passes the exit for sure was on its other side, whatever was thought: a tag may
            # have left unread and come back.
            is_sure = "exit" in (from_zone, to_zone) and crossing.confidence >= SURE_FROM
            if is_sure and (from_zone == "exit" or entry.zone == to_zone):
                self._move(
                    epc, track, Entry(from_zone, entry.since_ms), to_zone, at_ms, outcome, crossing
                )
            elif entry.zone != to_zone:
                self._move(epc, track, entry, to_zone, at_ms, outcome, crossing)
        elif to_zone in IN_STORE and from_zone != "exit":
            sure = crossing.confidence
            outcome.received(track.gtin, epc, to_zone, "portal", at_ms, sure, crossing.basis)
            self._set(epc, to_zone, at_ms, outcome)
        elif to_zone not in IN_STORE:
            self._sweeps.left(epc, at_ms)

    def _decide_unknown(self, epc: Epc, outcome: Outcome) -> None:
        track, first_ms = self._tracks[epc], self._unknown[epc]
        where = track.where
        if epc in self._register or not where.zones:
            del self._unknown[epc]
            return
        # While the tag is in a portal, that has time to say how it came.
        grace_ms = self._settings.presence_grace_ms
        patience_ms = self._settings.portal_window_ms if epc in self._in_portal else grace_ms
        last_ms = where.last_ms
        since_ms = last_ms if where.first_ms is None else where.first_ms
        if self._now_ms - first_ms >= patience_ms and last_ms - since_ms >= grace_ms:
            zone = where.strongest()
            outcome.received(track.gtin, epc, zone, "presence", last_ms)
            self._set(epc, zone, last_ms, outcome)
            del self._unknown[epc]
        elif self._now_ms - max(first_ms, last_ms) > STRANGER_MEMORY_MS:
            track.where = Whereabouts()
            del self._unknown[epc]

    def _decide_left(self, outcome: Outcome) -> None:
        for epc, track in self._tracks.items():
            entry = self._register.get(epc)
            if entry is None or track.left_ms is not None or not track.where.zones:
                continue
            # A zone that reads nothing at all has lost its reader, not its goods.
            attention = self._attention.get(entry.zone)
            if attention is None or self._was_interrupted(attention):
                continue
            last_ms = track.where.last_ms
            missing_ms = self._now_ms - max(last_ms, attention.since_ms)
            if missing_ms > self._settings.leave_after_ms:
                track.left_ms = last_ms
                outcome.left(track.gtin, epc, entry.zone, last_ms)

    def _read_in_zone_since(self, epc: Epc, since_ms: int) -> bool:
        track = self._tracks.get(epc)
        return track is not None and bool(track.where.zones) and track.where.last_ms >= since_ms

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
        crossing: Crossing | None = None,
    ) -> None:
        sure, basis = (1.0, "") if crossing is None else (crossing.confidence, crossing.basis)
        outcome.moved(track.gtin, epc, entry.zone, zone, at_ms, sure, basis)
        self._set(epc, zone, at_ms, outcome)
        track.where.settle()
        track.left_ms = None

    def _set(self, epc: Epc, zone: Zone, at_ms: int, outcome: Outcome) -> None:
        entry = self._register[epc] = Entry(zone, at_ms)
        outcome.register(epc, entry)
