"""What a store hears: mirror updates, acknowledgements and signals, as MessagePack frames. Pure."""

from typing import Final

from cloud.publisher.outgoing import ANSWER, MIRROR, SIGNAL, Outgoing
from cloud.records.notice import Notice
from cloud.shards.messages import ReorderChange, StoreChange
from cloud.sku_location.state import SkuLocation, reorder_id
from protocol.codec import encode_down
from protocol.ids import StoreId
from protocol.topics import Topics
from protocol.updates import (
    Ack,
    MirrorState,
    MirrorUpdate,
    ReorderSignal,
    TaskSignal,
    Welcome,
)

DETAIL_LENGTH_MAX: Final = 256


def mirror_update(change: StoreChange, topics: Topics) -> Outgoing:
    """Return a change as one update; a shard's changes are small enough for that."""
    update = MirrorUpdate(
        store=change.store,
        previous_position=change.previous_position,
        position=change.position,
        epoch=change.epoch,
        through_seq=change.through_seq,
        states=[_mirror_state(state) for state in change.states],
    )
    return Outgoing(topics.mirror(StoreId(change.store)), encode_down(update), MIRROR)


def _mirror_state(state: SkuLocation) -> MirrorState:
    if state.measure is None:
        raise AssertionError(f"nothing can be told of {state.gtin}@{state.store} yet")
    return MirrorState(
        gtin=state.gtin,
        version=state.version,
        measure=state.measure,
        on_hand=state.on_hand,
        reserved=state.reserved,
        unavailable=state.unavailable,
        incoming=state.incoming,
        on_order=state.on_order,
        as_of_ms=state.as_of_ms,
    )


def answer(message: Ack | Welcome, topics: Topics) -> Outgoing:
    """Return an acknowledgement or welcome as a message to its store."""
    return Outgoing(topics.ack(StoreId(message.store)), encode_down(message), ANSWER)


def signal(change: ReorderChange, topics: Topics) -> Outgoing:
    """Return a reorder's new revision as a message to its store."""
    reorder = change.reorder
    message = ReorderSignal(
        store=change.store,
        reorder_id=reorder_id(change.store, change.gtin, reorder.number),
        revision=reorder.revision,
        gtin=change.gtin,
        status=reorder.status,
        quantity=reorder.quantity,
        received=reorder.received,
    )
    return Outgoing(topics.signals(StoreId(change.store)), encode_down(message), SIGNAL)


def task(notice: Notice, topics: Topics) -> Outgoing | None:
    """Return a notice as a message to its store, if somebody there should act on it."""
    kind = notice.kind
    if kind not in ("replenish", "recount", "pick") or notice.measure is None:
        return None
    message = TaskSignal(
        store=notice.store,
        task_id=notice.id,
        kind=kind,
        gtin=notice.gtin,
        measure=notice.measure,
        quantity=notice.quantity,
        created_at_ms=notice.created_at_ms,
        order_id=notice.order_id,
        detail=notice.detail[:DETAIL_LENGTH_MAX],
    )
    return Outgoing(topics.signals(StoreId(notice.store)), encode_down(message), SIGNAL)
