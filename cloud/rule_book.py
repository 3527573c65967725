"""The rules in force and what they read, kept in memory: one book for the shard and for the API.

It is filled from the journal's documents at the start, and changed by `note` on the shard's thread,
so that the commit after a change is stamped by it. Reading is safe from every thread: the shard
and the API have compiled rules of their own, those of the API behind a lock, and what rules read
is replaced, never changed.
"""

import logging
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from cloud.context_documents import LocationBody, ProductBody, PromotionBody, WeatherBody
from cloud.journal.port import JournalReader
from cloud.records import Record, decode_record
from cloud.records.document import Document
from cloud.rules import (
    Contexts,
    Explanation,
    LocationFacts,
    Moment,
    Rule,
    RuleSet,
    RuleSetDocument,
    RulesInvalid,
    SkuFacts,
    compile_rules,
    decode_json,
)
from cloud.rules.facts import PROMOTIONS_MAX
from cloud.rules.precedence import epoch_ms
from cloud.shards.stamping import Hidden
from cloud.sku_location.belief import estimate
from cloud.sku_location.state import SkuLocation
from protocol.ids import parse_gtin

B = TypeVar("B", bound=Struct)

RULES_ID: Final = "current"
BELIEF_VARIABLES: Final = frozenset(("believed", "believed_low", "confidence", "p_out"))
"""Worked out only for rules that read them: they cost as much as all others together."""
NO_RULES: Final = RuleSetDocument(schema="rules/1")
HIDE_EVERYTHING: Final = RuleSetDocument(
    schema="rules/1", rules=[Rule(name="unusable-rules", hide="all")]
)
"""In force instead of rules that this program cannot use: what they would hide, stays hidden."""

log = logging.getLogger(__name__)


class Promotion(Struct, frozen=True):
    """A promotion of one product; no locations means everywhere, and 0 no end."""

    name: str
    locations: frozenset[str]
    starts_at_ms: int
    expires_at_ms: int

    def is_on(self, location: str, now_ms: int) -> bool:
        """Say whether it is on at a location, now."""
        has_ended = self.expires_at_ms and now_ms >= self.expires_at_ms
        is_here = not self.locations or location in self.locations
        return is_here and self.starts_at_ms <= now_ms and not has_ended


class RuleBook:
    """Implements `cloud.shards.stamping.Buffers`, and explains for whoever asks."""

    def __init__(self) -> None:
        self._stamping: RuleSet = compile_rules(NO_RULES, 0)
        self._reading: RuleSet = compile_rules(NO_RULES, 0)
        self._lock: Final = Lock()
        self._locations: dict[str, LocationBody] = {}
        self._weather: dict[str, WeatherBody] = {}
        self._facts: dict[str, LocationFacts] = {}
        self._products: Final[dict[str, ProductBody]] = {}
        self._promoted: dict[str, tuple[Promotion, ...]] = {}
        self._promotions: Final[dict[str, PromotionBody]] = {}

    def load(self, journal: JournalReader) -> None:
        """Read all documents."""
        self.note(decode_record(Document, row.data) for row in journal.records(Document.KIND))

    def note(self, records: Iterable[Record]) -> None:
        """Take over what documents a commit has changed. Called on the shard's thread."""
        for record in records:
            if isinstance(record, Document):
                self._take(record, record.id.partition("/")[2])

    def _take(self, document: Document, name: str) -> None:
        if document.kind == "rules":
            self._take_rules(document)
        elif document.kind == "location":
            self._locations = _with(self._locations, name, _body(LocationBody, document))
            self._refresh_location(name)
        elif document.kind == "weather":
            self._weather = _with(self._weather, name, _body(WeatherBody, document))
            self._refresh_location(name)
        elif document.kind == "product":
            # One entry is set or removed at once; copying a hundred thousand would take a while.
            _set(self._products, name, _body(ProductBody, document))
        elif document.kind == "promotion":
            _set(self._promotions, name, _body(PromotionBody, document))
            self._promoted = _by_gtin(self._promotions)

    def _take_rules(self, document: Document) -> None:
        try:
            rules = decode_json(document.body) if document.body else NO_RULES
            stamping, reading = (compile_rules(rules, document.version) for _ in range(2))
        except RulesInvalid as error:
            # They were good when they were set, by another release of this program.
            log.error(
                "rules: version %d cannot be used, everything is hidden: %s",
                document.version,
                error,
            )
            stamping, reading = (compile_rules(HIDE_EVERYTHING, document.version) for _ in range(2))
        self._stamping = stamping
        with self._lock:
            self._reading = reading

    def _refresh_location(self, name: str) -> None:
        facts = location_facts(name, self._locations.get(name), self._weather.get(name))
        self._facts = _with(self._facts, name, facts)

    @property
    def locations(self) -> dict[str, LocationBody]:
        """What is known of locations, by id. Not to be changed."""
        return self._locations

    @property
    def rules_version(self) -> int:
        """The version of the rules in force; 0 before there were any."""
        return self._stamping.version

    def hidden(self, state: SkuLocation, channel: str, ship_by_ms: int, now_ms: int) -> Hidden:
        """Return what is hidden of a SKU-location from a channel, now. For the shard's thread."""
        contexts = Contexts(_moment(channel, ship_by_ms, now_ms))
        sku = self._sku_facts(state, now_ms, self._stamping)
        context = contexts.of(self._location_facts(state.store), sku)
        buffer = self._stamping.buffer(context)
        return Hidden(buffer.quantity, buffer.rule or "", self._stamping.version)

    def explained(
        self, states: Iterable[SkuLocation], channel: str, ship_by_ms: int, now_ms: int
    ) -> Iterator[Explanation]:
        """Return what is hidden of each, and why. For every other thread."""
        contexts = Contexts(_moment(channel, ship_by_ms, now_ms))
        for state in states:
            sku = self._sku_facts(state, now_ms, self._reading)
            context = contexts.of(self._location_facts(state.store), sku)
            with self._lock:
                explanation = self._reading.explain(context)
            yield explanation

    def _location_facts(self, location: str) -> LocationFacts:
        return self._facts.get(location) or LocationFacts(location=location)

    def _sku_facts(self, state: SkuLocation, now_ms: int, rules: RuleSet) -> SkuFacts:
        product = self._products.get(state.gtin)
        promotions = self._promoted.get(state.gtin, ())
        on = tuple(p.name for p in promotions if p.is_on(state.store, now_ms))
        known = None
        if state.belief and not rules.reads.isdisjoint(BELIEF_VARIABLES):
            known = estimate(state, now_ms)
        return SkuFacts(
            gtin=state.gtin,
            on_hand=state.on_hand,
            reserved=state.reserved,
            unavailable=state.unavailable,
            measure=state.measure or "units",
            demand_class="" if product is None else product.demand_class,
            promotions=on[:PROMOTIONS_MAX],
            counted_at_ms=state.counted_at_ms or None,
            believed=None if known is None else known.best,
            believed_low=None if known is None else known.low,
            confidence=None if known is None else round(known.p_best, 2),
            p_out=None if known is None else round(known.p_out, 2),
        )


def location_facts(
    location: str, body: LocationBody | None, weather: WeatherBody | None
) -> LocationFacts:
    """Return what rules read of a location; raises `ValueError` for a place that cannot be."""
    body, weather = body or LocationBody(), weather or WeatherBody()
    return LocationFacts(
        location=location,
        time_zone=body.time_zone,
        country=body.country,
        subdivision=body.subdivision,
        latitude=body.latitude,
        weather=weather.weather,
        temperature_c=weather.temperature_c,
        accuracy=body.accuracy,
    )


def _moment(channel: str, ship_by_ms: int, now_ms: int) -> Moment:
    return Moment(at_ms=now_ms, channel=channel, deadline_at_ms=ship_by_ms or None)


def _body(kind: type[B], document: Document) -> B | None:
    return msgspec.json.decode(document.body, type=kind) if document.body else None


def _with(known: dict[str, B], name: str, value: B | None) -> dict[str, B]:
    changed = dict(known)
    _set(changed, name, value)
    return changed


def _set(known: dict[str, B], name: str, value: B | None) -> None:
    if value is None:
        known.pop(name, None)
    else:
        known[name] = value


def _by_gtin(promotions: dict[str, PromotionBody]) -> dict[str, tuple[Promotion, ...]]:
    found: dict[str, tuple[Promotion, ...]] = {}
    for name, body in sorted(promotions.items()):
        promotion = Promotion(
            name,
            frozenset(body.locations),
            0 if body.starts_at is None else epoch_ms(body.starts_at),
            0 if body.expires_at is None else epoch_ms(body.expires_at),
        )
        for gtin in body.gtins:
            known = found.setdefault(parse_gtin(gtin), ())
            found[parse_gtin(gtin)] = (*known, promotion)
    return found
