"""Where all locations are, kept up to date from their documents; shared by reading threads."""

from threading import Lock
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from cloud.context_documents import LocationBody
from cloud.journal.port import JournalReader
from cloud.orders.documents import RoutingDocument, location_of, overrides_of, routing_of
from cloud.records import decode_record
from cloud.records.document import Document

ROUTING_DOCUMENT: Final = "routing/default"


class Chart(NamedTuple):
    """All locations at one moment, and how orders are routed among them.

    `problems` names documents that cannot be read; their locations are not used.
    """

    locations: dict[str, LocationBody]
    routing: RoutingDocument
    problems: dict[str, str]


class Atlas:
    """Reads only documents that changed since it looked last."""

    def __init__(self) -> None:
        self._lock: Final = Lock()
        self._read_through = 0
        self._locations: Final[dict[str, LocationBody]] = {}
        self._problems: Final[dict[str, str]] = {}
        self._routing = RoutingDocument()
        self._chart: Chart | None = None

    def chart(self, reader: JournalReader) -> Chart:
        """Return the newest chart; it is never changed afterwards."""
        with self._lock:
            for row in reader.records_changed(Document.KIND, self._read_through):
                self._take(decode_record(Document, row.data))
                self._read_through = max(self._read_through, row.position)
                self._chart = None
            if self._chart is None:
                self._chart = self._drawn()
            return self._chart

    def _take(self, document: Document) -> None:
        self._problems.pop(document.id, None)
        try:
            self._set(document)
        except msgspec.DecodeError as error:
            self._problems[document.id] = str(error)

    def _set(self, document: Document) -> None:
        if document.id == ROUTING_DOCUMENT:
            self._routing = routing_of(document.body) if document.body else RoutingDocument()
        elif document.kind == "location":
            location = document.id.partition("/")[2]
            self._locations.pop(location, None)
            if document.body:
                self._locations[location] = location_of(document.body)

    def _drawn(self) -> Chart:
        overrides = {name: overrides_of(body.rates) for name, body in self._locations.items()}
        costs = self._routing.costs
        costs = replace(costs, locations={**costs.locations, **overrides})
        routing = replace(self._routing, costs=costs)
        return Chart(dict(self._locations), routing, dict(self._problems))
