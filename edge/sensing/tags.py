"""Tags: readings of all readers of a store in, facts and register entries out.

Pure. Theory of operation (decision 3): the register says where each known tag is; a reading only
moves it towards what is seen, and a fact is the difference.

- Until the *baseline* is done, tags in zones are collected. It is done when every zone antenna has
  read something (or `baseline_max_ms` have passed), at least `baseline_min_ms` have passed, and no
  new tag has come for `baseline_quiet_ms`. Then each GTIN is counted once, by sweep.
- An unknown tag that crosses a portal inwards is received there. An unknown tag that is read in a
  zone is received by presence after `presence_grace_ms`, unless a portal decides first.
- A known tag is where a portal last sent it or where a zone reads it. Zones overlap: while its
  present zone still reads it, another zone must read it stronger by `zone_hysteresis_db`.
- Appearing again and leaving are telemetry and change nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from edge.sensing.portal import Passage, Side
from edge.sensing.readings import TagReading
from edge.sensing.register import (
    BASELINE,
    BASELINE_DONE,
    Entry,
    checkpoint_name,
    checkpoint_value,
)
from protocol.facts import (
    EPCS_PER_FACT_MAX,
    AnyFact,
    Evidence,
    GoodsReceived,
    StockCounted,
    TagsAppeared,
    TagsLeft,
    TagsMoved,
    Zone,
)
from protocol.ids import Epc, Gtin, gtin_of_tag

SOURCE: Final = "tags"
_IN_STORE: Final = ("sales_floor", "backroom")


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


class Decisions(NamedTuple):
    """Facts, and the checkpoints that must commit with them."""

    facts: list[AnyFact]
    checkpoints: dict[str, bytes | None]


class _Track:
    """What is seen of one tag at present. Soft: a restart forgets it and sees again."""

    __slots__ = ("gtin", "heard_at_ms", "is_present", "passages", "seen")

    def __init__(self, gtin: Gtin) -> None:
        self.gtin = gtin
        self.seen: dict[Zone, tuple[int, float]] = {}
        self.passages: dict[str, tuple[PortalSettings, Passage]] = {}
        self.heard_at_ms: int | None = None
        self.is_present = False


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
        self._started_ms = now_ms
        self._new_tag_ms = now_ms
        self._tracks: dict[Epc, _Track] = {}
        self._in_portal: set[Epc] = set()
        self._unknown: set[Epc] = set()
        self._zone_read_ms: dict[Zone, int] = {}
        self._zones_quiet = {a.zone for a in layout.values() if isinstance(a, ZoneAntenna)}
        self._baseline_done = baseline_done or not self._zones_quiet
        self._next_leave_scan_ms = now_ms
        self.foreign_tags = 0
        """Readings of tags that carry no GTIN."""

    @property
    def known_tags(self) -> int:
        """How many tags the register holds."""
        return len(self._register)

    def observe(self, readings: Iterable[TagReading], now_ms: int) -> Decisions:
        """Take readings in, in any order, and return what follows from them now."""
        changed: set[Epc] = set()
        for reading in readings:
            place = self._layout.get((reading.reader, reading.antenna))
            if place is None:
                continue
            track = self._track(reading.epc)
            if track is None:
                self.foreign_tags += 1
            elif isinstance(place, ZoneAntenna):
                self._read_in_zone(track, place.zone, reading, now_ms)
                changed.add(reading.epc)
            else:
                self._read_in_portal(track, place, reading)
        return self._decide(changed, now_ms)

    def tick(self, now_ms: int) -> Decisions:
        """Return what follows from the passage of time."""
        return self._decide((), now_ms)

    def _track(self, epc: Epc) -> _Track | None:
        track = self._tracks.get(epc)
        if track is None:
            gtin = gtin_of_tag(epc)
            if gtin is None:
                return None
            track = self._tracks[epc] = _Track(gtin)
        return track

    def _read_in_zone(self, track: _Track, zone: Zone, reading: TagReading, now_ms: int) -> None:
        self._zones_quiet.discard(zone)
        self._zone_read_ms[zone] = now_ms
        before = track.seen.get(zone)
        if before is None or reading.last_seen_ms >= before[0]:
            track.seen[zone] = (reading.last_seen_ms, reading.rssi_dbm)
        if reading.epc not in self._register and reading.epc not in self._unknown:
            self._unknown.add(reading.epc)
            track.heard_at_ms = self._new_tag_ms = now_ms

    def _read_in_portal(self, track: _Track, place: PortalAntenna, reading: TagReading) -> None:
        portal, side = place
        known = track.passages.get(portal.name)
        if known is None:
            known = track.passages[portal.name] = (portal, Passage())
        known[1].read(side, reading.first_seen_ms, reading.last_seen_ms)
        self._in_portal.add(reading.epc)

    def _decide(self, changed: Iterable[Epc], now_ms: int) -> Decisions:
        outcome = _Outcome(now_ms)
        if not self._baseline_done:
            self._finish_baseline(outcome, now_ms)
            return outcome.decisions(self._tracks)
        for epc in tuple(self._in_portal):
            self._decide_portal(epc, outcome, now_ms)
        for epc in changed:
            if epc in self._register:
                self._decide_zone(epc, outcome)
        for epc in tuple(self._unknown):
            self._decide_unknown(epc, outcome, now_ms)
        if now_ms >= self._next_leave_scan_ms:
            self._next_leave_scan_ms = now_ms + self._settings.leave_after_ms // 4
            self._decide_left(outcome, now_ms)
        return outcome.decisions(self._tracks)

    def _finish_baseline(self, outcome: "_Outcome", now_ms: int) -> None:
        waited_ms = now_ms - self._started_ms
        if self._zones_quiet and (waited_ms < self._settings.baseline_max_ms or not self._unknown):
            return
        if waited_ms < self._settings.baseline_min_ms:
            return
        if now_ms - self._new_tag_ms < self._settings.baseline_quiet_ms:
            return
        for epc in self._unknown:
            zone = self._strongest_zone(self._tracks[epc], None)
            self._set(epc, zone, outcome)
            outcome.swept.append(epc)
            self._tracks[epc].is_present = True
        self._unknown.clear()
        self._baseline_done = True
        outcome.checkpoints[BASELINE] = BASELINE_DONE

    def _decide_portal(self, epc: Epc, outcome: "_Outcome", now_ms: int) -> None:
        track = self._tracks[epc]
        for name, (portal, passage) in tuple(track.passages.items()):
            is_over = now_ms - passage.last_ms > self._settings.portal_window_ms
            side = passage.crossed_to(self._settings.portal_settle_ms, is_over=is_over)
            if side is not None:
                zone = portal.inside if side == "inside" else portal.outside
                self._cross(epc, zone, outcome)
            if is_over:
                del track.passages[name]
        if not track.passages:
            self._in_portal.discard(epc)

    def _cross(self, epc: Epc, zone: Zone, outcome: "_Outcome") -> None:
        entry = self._register.get(epc)
        if entry is not None:
            if entry.zone != zone:
                outcome.moved.setdefault((entry.zone, zone), []).append(epc)
                self._set(epc, zone, outcome)
        elif zone in _IN_STORE:
            outcome.received.setdefault((zone, "portal"), []).append(epc)
            self._set(epc, zone, outcome)
        # What the zones saw before the crossing must not pull the tag back.
        self._tracks[epc].seen.clear()

    def _decide_zone(self, epc: Epc, outcome: "_Outcome") -> None:
        track = self._tracks[epc]
        entry = self._register[epc]
        if not track.seen:
            return
        zone = self._strongest_zone(track, entry.zone)
        if zone != entry.zone and track.seen[zone][0] >= entry.since_ms:
            outcome.moved.setdefault((entry.zone, zone), []).append(epc)
            self._set(epc, zone, outcome)
        elif zone == entry.zone and not track.is_present:
            outcome.appeared.setdefault(zone, []).append(epc)
        track.is_present = True

    def _decide_unknown(self, epc: Epc, outcome: "_Outcome", now_ms: int) -> None:
        track = self._tracks[epc]
        if epc in self._register:
            self._unknown.discard(epc)
        elif (
            track.heard_at_ms is not None
            and now_ms - track.heard_at_ms >= self._settings.presence_grace_ms
            and track.seen
        ):
            zone = self._strongest_zone(track, None)
            outcome.received.setdefault((zone, "presence"), []).append(epc)
            self._set(epc, zone, outcome)
            track.is_present = True
            self._unknown.discard(epc)

    def _decide_left(self, outcome: "_Outcome", now_ms: int) -> None:
        settings = self._settings
        for epc, track in self._tracks.items():
            entry = self._register.get(epc)
            if entry is None or not track.is_present:
                continue
            # A zone that reads nothing at all has lost its reader, not its goods.
            if now_ms - self._zone_read_ms.get(entry.zone, 0) > settings.leave_after_ms:
                continue
            last_ms = max((seen_ms for seen_ms, _ in track.seen.values()), default=0)
            if now_ms - last_ms > settings.leave_after_ms:
                track.is_present = False
                outcome.left.setdefault(entry.zone, []).append(epc)

    def _strongest_zone(self, track: _Track, present: Zone | None) -> Zone:
        latest_ms = max(seen_ms for seen_ms, _ in track.seen.values())
        levels = {
            zone: rssi_dbm + (self._settings.zone_hysteresis_db if zone == present else 0.0)
            for zone, (seen_ms, rssi_dbm) in track.seen.items()
            if latest_ms - seen_ms <= self._settings.zone_window_ms
        }
        return max(levels, key=lambda zone: levels[zone])

    def _set(self, epc: Epc, zone: Zone, outcome: "_Outcome") -> None:
        entry = Entry(zone, outcome.now_ms)
        self._register[epc] = entry
        outcome.checkpoints[checkpoint_name(epc)] = checkpoint_value(entry)


class _Outcome:
    """Collects decisions about single tags and groups them into facts per GTIN."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.swept: list[Epc] = []
        self.received: dict[tuple[Zone, Evidence], list[Epc]] = {}
        self.moved: dict[tuple[Zone, Zone], list[Epc]] = {}
        self.appeared: dict[Zone, list[Epc]] = {}
        self.left: dict[Zone, list[Epc]] = {}
        self.checkpoints: dict[str, bytes | None] = {}

    def decisions(self, tracks: Mapping[Epc, _Track]) -> Decisions:
        """Return the facts, those that change counts first."""
        facts: list[AnyFact] = []
        at_ms = self.now_ms
        for gtin, epcs in _by_gtin(self.swept, tracks).items():
            facts.append(
                StockCounted(
                    occurred_at_ms=at_ms,
                    source=SOURCE,
                    gtin=gtin,
                    quantity=len(epcs),
                    measure="units",
                    evidence="sweep",
                )
            )
        for (zone, evidence), tags in self.received.items():
            for gtin, epcs in _pieces(tags, tracks):
                facts.append(
                    GoodsReceived(
                        occurred_at_ms=at_ms,
                        source=SOURCE,
                        gtin=gtin,
                        quantity=len(epcs),
                        measure="units",
                        zone=zone,
                        evidence=evidence,
                        epcs=epcs,
                    )
                )
        for (from_zone, to_zone), tags in self.moved.items():
            for gtin, epcs in _pieces(tags, tracks):
                facts.append(
                    TagsMoved(
                        occurred_at_ms=at_ms,
                        source=SOURCE,
                        gtin=gtin,
                        from_zone=from_zone,
                        to_zone=to_zone,
                        epcs=epcs,
                    )
                )
        for kind, by_zone in ((TagsAppeared, self.appeared), (TagsLeft, self.left)):
            for zone, tags in by_zone.items():
                facts.extend(
                    kind(occurred_at_ms=at_ms, source=SOURCE, gtin=gtin, zone=zone, epcs=epcs)
                    for gtin, epcs in _pieces(tags, tracks)
                )
        return Decisions(facts, self.checkpoints)


def _by_gtin(epcs: Sequence[Epc], tracks: Mapping[Epc, _Track]) -> dict[Gtin, list[bytes]]:
    grouped: dict[Gtin, list[bytes]] = {}
    for epc in epcs:
        grouped.setdefault(tracks[epc].gtin, []).append(epc)
    return grouped


def _pieces(
    epcs: Sequence[Epc], tracks: Mapping[Epc, _Track]
) -> Iterable[tuple[Gtin, list[bytes]]]:
    for gtin, tags in _by_gtin(epcs, tracks).items():
        for start in range(0, len(tags), EPCS_PER_FACT_MAX):
            yield gtin, tags[start : start + EPCS_PER_FACT_MAX]
