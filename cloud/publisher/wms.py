"""What a WMS or a channel hears: arrays at full rate, and one retained document per GTIN. Pure.

A state is encoded once; the array and the retained message share its bytes.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from cloud.publisher.documents import (
    Estimating,
    is_open,
    notice_document,
    reorder_document,
    stock_document,
)
from cloud.publisher.outgoing import (
    NOTICES,
    REORDER,
    REORDER_CLOSED,
    STOCK,
    STOCK_ARRAY,
    Form,
    Outgoing,
)
from cloud.publisher.retained import Retained
from cloud.records.notice import Notice
from cloud.shards.messages import ReorderChange
from cloud.sku_location.belief import estimate
from cloud.sku_location.state import SkuLocation
from protocol.documents import encode_document
from protocol.ids import StoreId
from protocol.topics import Topics

ARRAY_BYTES_MAX: Final = 262_144
"""Our arrays stay well below the 1 MiB that brokers are configured to let pass."""


def retained_stock(
    state: SkuLocation, after: int, topics: Topics, estimating: Estimating = estimate
) -> Retained:
    """Return the retained message of a state whose commit came next after position `after`."""
    topic = topics.stock_of(StoreId(state.store), state.gtin)
    message = Outgoing(
        topic, encode_document(stock_document(state, estimating)), STOCK, retain=True
    )
    return Retained(key=topic, version=state.version, after=after, messages=(message,))


def stock_arrays(store: str, documents: Iterable[bytes], topics: Topics) -> Iterator[Outgoing]:
    """Return encoded stock documents of one store as JSON arrays of bounded size."""
    return json_arrays(topics.stock(StoreId(store)), documents, STOCK_ARRAY)


def json_arrays(topic: str, documents: Iterable[bytes], form: Form) -> Iterator[Outgoing]:
    """Return encoded documents as JSON arrays of bounded size."""
    array: list[bytes] = []
    size_bytes = 0
    for document in documents:
        if array and size_bytes + len(document) > ARRAY_BYTES_MAX:
            yield Outgoing(topic, _json_array(array), form)
            array, size_bytes = [], 0
        array.append(document)
        size_bytes += len(document) + 1
    if array:
        yield Outgoing(topic, _json_array(array), form)


def notice_arrays(notices: Iterable[Notice], topics: Topics) -> Iterator[Outgoing]:
    """Return notices as one JSON array a store, oldest first; a commit has few of them."""
    by_store: dict[str, list[bytes]] = {}
    for notice in notices:
        by_store.setdefault(notice.store, []).append(encode_document(notice_document(notice)))
    for store, documents in by_store.items():
        yield from json_arrays(topics.notices(StoreId(store)), documents, NOTICES)


def _json_array(documents: list[bytes]) -> bytes:
    return b"[" + b",".join(documents) + b"]"


def retained_reorder(change: ReorderChange, after: int, topics: Topics) -> Retained:
    """Return how a reorder is told: retained while open, told a last time and removed when closed.

    Who listens hears how it ended; who comes later finds open reorders only.
    """
    document = reorder_document(change)
    topic = topics.reorder(StoreId(change.store), document.reorder_id)
    payload = encode_document(document)
    if is_open(change.reorder):
        messages: tuple[Outgoing, ...] = (Outgoing(topic, payload, REORDER, retain=True),)
    else:
        last_word = Outgoing(topic, payload, REORDER_CLOSED)
        removal = Outgoing(topic, b"", REORDER, retain=True)
        messages = (last_word, removal)
    return Retained(key=topic, version=document.revision, after=after, messages=messages)
