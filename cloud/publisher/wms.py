"""What a WMS or a channel hears: arrays at full rate, and one retained document per GTIN. Pure.

The arrays tell of every commit, so they hold the book alone. What is believed beside it takes ten
times as long to work out; it is in the retained document, of which a busy broker hears only the
newest (decision 13).
"""

from collections.abc import Iterable, Iterator
from typing import Final

from cloud.publisher.documents import (
    Estimating,
    book_document,
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
from cloud.sku_location.state import SkuLocation, reorder_id
from protocol.documents import encode_document
from protocol.ids import StoreId
from protocol.topics import Topics

ARRAY_BYTES_MAX: Final = 262_144
"""Our arrays stay well below the 1 MiB that brokers are configured to let pass."""


def retained_stock(state: SkuLocation, after: int, topics: Topics) -> Retained:
    """Return the entry of a state whose commit came next after position `after`."""
    topic = topics.stock_of(StoreId(state.store), state.gtin)
    return Retained(key=topic, version=state.version, after=after, subject=state)


def retained_reorder(change: ReorderChange, after: int, topics: Topics) -> Retained:
    """Return the entry of a reorder's revision."""
    reorder = change.reorder
    name = reorder_id(change.store, change.gtin, reorder.number)
    topic = topics.reorder(StoreId(change.store), name)
    return Retained(key=topic, version=reorder.revision, after=after, subject=change)


def messages_of(entry: Retained, estimating: Estimating = estimate) -> tuple[Outgoing, ...]:
    """Return what is published of an entry, in this order.

    A reorder is retained while open, told a last time and removed when closed: who listens hears
    how it ended; who comes later finds open reorders only.
    """
    topic, subject = entry.key, entry.subject
    if isinstance(subject, SkuLocation):
        return printed(entry, encode_document(stock_document(subject, estimating)))
    payload = encode_document(reorder_document(subject))
    if is_open(subject.reorder):
        return (Outgoing(topic, payload, REORDER, retain=True),)
    last_word = Outgoing(topic, payload, REORDER_CLOSED)
    removal = Outgoing(topic, b"", REORDER, retain=True)
    return last_word, removal


def printed(entry: Retained, document: bytes) -> tuple[Outgoing, ...]:
    """Return the same of an entry whose document was encoded elsewhere."""
    return (Outgoing(entry.key, document, STOCK, retain=True),)


def stock_in_arrays(
    store: str, states: Iterable[SkuLocation], topics: Topics
) -> Iterator[Outgoing]:
    """Return the books of one store's states as JSON arrays; what is believed is not in them."""
    documents = (encode_document(book_document(state)) for state in states)
    return stock_arrays(store, documents, topics)


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
