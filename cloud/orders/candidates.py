"""Who may fulfil: the read model of stock, as the router's candidates. Reads, and decides nothing.

What a location may promise is what it has, less what is reserved, unavailable, or hidden from the
channel by a rule: the same that its SKU-locations will compare when they are asked to hold it.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from cloud.context_documents import LocationBody
from cloud.geography import distance_km
from cloud.journal.port import JournalReader
from cloud.journal.rows import states_of
from cloud.orders.atlas import Chart
from cloud.orders.ports import Demand, HiddenStock
from cloud.orders.routing import Candidate, OrderLine
from cloud.records import decode_record
from cloud.records.reservation import Reservation
from cloud.sku_location.state import SkuLocation
from protocol.facts import QUANTITY_MAX, Measure

MS_PER_MINUTE: Final = 60_000
MS_PER_HOUR: Final = 3_600_000
WORKLOAD_RESERVATIONS_MAX: Final = 1_000
"""So many open reservations of a location are looked at; who has more is busy enough."""


class Field(NamedTuple):
    """The candidates for a demand, its lines with their measures, and when parcels must leave."""

    lines: tuple[OrderLine, ...]
    candidates: tuple[Candidate, ...]
    ship_by_ms: dict[str, int]


class Way(NamedTuple):
    """How far a location is and how long goods take from there."""

    location: str
    document: LocationBody
    distance_km: float
    ready_at_ms: int
    transit_ms: int


def field_of(
    reader: JournalReader, chart: Chart, hidden: HiddenStock, demand: Demand, now_ms: int
) -> Field:
    """Return everybody who has any of it, warehouses first, then the nearest."""
    gtins = [line.gtin for line in demand.lines]
    measures: dict[str, Measure] = {}
    candidates: list[Candidate] = []
    ship_by_ms: dict[str, int] = {}
    for way in _ways(reader, chart, demand, now_ms):
        states = states_of(reader.states_of(way.location, gtins))
        measures.update({s.gtin: s.measure for s in states if s.measure is not None})
        leave_by_ms = _ship_by(demand, way)
        available = _available(states, hidden, demand.channel, leave_by_ms, now_ms)
        if not any(available.values()):
            continue
        ship_by_ms[way.location] = leave_by_ms
        candidates.append(_candidate(reader, way, states, available))
        if len(candidates) >= chart.routing.candidates_max:
            break
    lines = tuple(
        OrderLine(gtin=line.gtin, quantity=line.quantity, measure=measures.get(line.gtin, "units"))
        for line in demand.lines
    )
    return Field(lines, tuple(candidates), ship_by_ms)


def lacking(
    reader: JournalReader,
    hidden: HiddenStock,
    demand: Demand,
    location: str,
    ship_by_ms: int,
    now_ms: int,
) -> tuple[str, ...]:
    """Return the GTINs of which a location has less than demanded."""
    states = states_of(reader.states_of(location, [line.gtin for line in demand.lines]))
    available = _available(states, hidden, demand.channel, ship_by_ms, now_ms)
    return tuple(line.gtin for line in demand.lines if available.get(line.gtin, 0) < line.quantity)


def _available(
    states: list[SkuLocation], hidden: HiddenStock, channel: str, ship_by_ms: int, now_ms: int
) -> dict[str, int]:
    explained = hidden.explained(states, channel, ship_by_ms, now_ms)
    return {
        state.gtin: min(max(0, state.sellable - explanation.buffer.quantity), QUANTITY_MAX)
        for state, explanation in zip(states, explained, strict=True)
    }


def _ways(reader: JournalReader, chart: Chart, demand: Demand, now_ms: int) -> Iterator[Way]:
    if demand.method == "collect":
        document = chart.locations.get(demand.collect_at, LocationBody())
        if document.collects:
            yield _way(demand.collect_at, document, chart, demand, now_ms)
        return
    # Before anybody has described a location, all that are known of may ship.
    known = chart.locations or {row.store: LocationBody() for row in reader.stores()}
    ways = [
        _way(location, document, chart, demand, now_ms)
        for location, document in known.items()
        if document.ships
    ]
    yield from sorted(ways, key=_nearness)


def _nearness(way: Way) -> tuple[bool, float, str]:
    return (way.document.kind == "store", way.distance_km, way.location)


def _way(location: str, document: LocationBody, chart: Chart, demand: Demand, now_ms: int) -> Way:
    routing = chart.routing
    far_km = _distance_km(document, demand, routing.unknown_distance_km)
    transit_ms = document.transit_hours * MS_PER_HOUR + int(
        far_km / routing.km_per_hour * MS_PER_HOUR
    )
    if demand.method == "collect":
        transit_ms = 0
    return Way(
        location, document, far_km, now_ms + document.ready_minutes * MS_PER_MINUTE, transit_ms
    )


def _distance_km(document: LocationBody, demand: Demand, unknown_km: float) -> float:
    if demand.method == "collect" or demand.latitude is None or demand.longitude is None:
        return 0.0
    if document.latitude is None or document.longitude is None:
        return unknown_km
    return distance_km(document.latitude, document.longitude, demand.latitude, demand.longitude)


def _ship_by(demand: Demand, way: Way) -> int:
    return max(1, demand.promise_by_ms - way.transit_ms) if demand.promise_by_ms else 0


def _candidate(
    reader: JournalReader, way: Way, states: list[SkuLocation], available: dict[str, int]
) -> Candidate:
    work = _workload(reader, way.location)
    return Candidate(
        location=way.location,
        kind=way.document.kind,
        available=available,
        need={state.gtin: _need(state) for state in states},
        distance_km=way.distance_km,
        ready_at_ms=way.ready_at_ms,
        transit_ms=way.transit_ms,
        parcels_today=work.parcels,
        units_today=work.units,
        grams_today=work.grams,
    )


def _need(state: SkuLocation) -> int:
    """What it will sell itself until it is replenished: that is what its reorder point is for."""
    policy = state.policy
    if policy is None or not policy.is_on:
        return 0
    return min(max(0, policy.reorder_point), QUANTITY_MAX)


class _Workload(NamedTuple):
    parcels: int
    units: int
    grams: int


def _workload(reader: JournalReader, location: str) -> _Workload:
    """Return the work that is promised and not done yet: it takes the day's capacity."""
    rows = list(islice(reader.records_open(Reservation.KIND, location), WORKLOAD_RESERVATIONS_MAX))
    held: dict[str, int] = {}
    for row in rows:
        for line in decode_record(Reservation, row.data).lines:
            held[line.gtin] = held.get(line.gtin, 0) + line.held
    grams = 0
    if held:
        weighed = [s.gtin for s in states_of(reader.states_of(location, held)) if _is_weighed(s)]
        grams = sum(held[gtin] for gtin in weighed)
    return _Workload(len(rows), sum(held.values()) - grams, grams)


def _is_weighed(state: SkuLocation) -> bool:
    return state.measure == "grams"
