"""What a warehouse system knows that only listens to the published topics. Pure.

It decodes JSON by the published types, keeps the newest state per SKU-location, and notes whatever
breaks a promise: a version that goes backwards or says two things, a ledger that does not close, a
document that is none.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec import DecodeError
from msgspec.structs import replace

from protocol.documents import AgentDocument, ReorderDocument, StockDocument
from protocol.ids import CLOUD_STORE_ID
from protocol.topics import Topics
from simulators.demo.truth import SkuLocationKey, columns_of

VIOLATIONS_KEPT_MAX: Final = 20
REORDERS_KEPT_MAX: Final = 5

Channel = Literal["array", "retained"]

_array_decoder: Final = msgspec.json.Decoder(list[StockDocument])
_state_decoder: Final = msgspec.json.Decoder(StockDocument)
_reorder_decoder: Final = msgspec.json.Decoder(ReorderDocument)
_agent_decoder: Final = msgspec.json.Decoder(AgentDocument)


class Heard:
    """Everything heard so far. `on_state` and `on_reorder` are told of each news."""

    def __init__(
        self,
        topics: Topics,
        on_state: Callable[[SkuLocationKey, StockDocument, int], None],
        on_reorder: Callable[[ReorderDocument], None],
    ) -> None:
        self._prefix = f"{topics.root}/"
        self._on_state = on_state
        self._on_reorder = on_reorder
        self._last: dict[tuple[Channel, SkuLocationKey], int] = {}
        self.states: dict[SkuLocationKey, StockDocument] = {}
        self.agents: dict[str, AgentDocument] = {}
        self.reorders: deque[ReorderDocument] = deque(maxlen=REORDERS_KEPT_MAX)
        self.messages = 0
        self.violations: list[str] = []
        self.violations_total = 0

    def take(self, topic: str, payload: bytes, at_ns: int) -> None:
        """Take one message in, heard at a time of a monotonic clock."""
        self.messages += 1
        store, _, channel = topic.removeprefix(self._prefix).partition("/")
        try:
            self._take(store, channel, payload, at_ns)
        except DecodeError as error:
            self._violated(f"{topic}: not a document of ours: {error}")

    def _take(self, store: str, channel: str, payload: bytes, at_ns: int) -> None:
        if channel == "stock":
            for document in _array_decoder.decode(payload):
                self._state(store, "array", document, at_ns)
        elif channel.startswith("stock/") and payload:
            document = _state_decoder.decode(payload)
            if document.gtin != channel.removeprefix("stock/"):
                self._violated(f"{store}/{channel} is about {document.gtin}")
            self._state(store, "retained", document, at_ns)
        elif channel.startswith("reorders/") and payload:
            self._reorder(_reorder_decoder.decode(payload))
        elif channel == "agent" and payload and store != CLOUD_STORE_ID:
            self.agents[store] = _agent_decoder.decode(payload)

    def _state(self, store: str, channel: Channel, document: StockDocument, at_ns: int) -> None:
        key = SkuLocationKey(document.store, document.gtin)
        if document.store != store:
            self._violated(f"{store}/stock is about {key}")
        if document.version < self._last.get((channel, key), 0):
            before = self._last[channel, key]
            self._violated(f"{key}: version {before}, then {document.version} ({channel})")
        self._last[channel, key] = document.version
        if columns_of(document).on_hand != document.on_hand:
            self._violated(f"{key}: the ledger of version {document.version} does not close")
        known = self.states.get(key)
        if known is None or document.version > known.version:
            self.states[key] = document
            self._on_state(key, document, at_ns)
        elif document.version == known.version:
            self._again(key, known, document)

    def _again(self, key: SkuLocationKey, known: StockDocument, document: StockDocument) -> None:
        """Hear a version a second time: an array says the book, the retained one all of it."""
        if document.belief is not None and known.belief is None:
            self.states[key], known, document = document, document, known
        if document.belief is None:
            known = replace(known, belief=None)
        if document != known:
            self._violated(f"{key}: version {document.version} says two things")

    def _reorder(self, reorder: ReorderDocument) -> None:
        known = next((r for r in self.reorders if r.reorder_id == reorder.reorder_id), None)
        if known is not None:
            self.reorders.remove(known)
        self.reorders.append(reorder)
        self._on_reorder(reorder)

    def _violated(self, text: str) -> None:
        self.violations_total += 1
        if len(self.violations) < VIOLATIONS_KEPT_MAX:
            self.violations.append(text)
