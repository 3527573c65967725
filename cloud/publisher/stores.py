"""What a store hears: mirror updates, acknowledgements and signals, as MessagePack frames. Pure."""

from collections.abc import Iterator

from cloud.publisher.documents import MEASURE_UNTIL_KNOWN
from cloud.publisher.outgoing import ANSWER, MIRROR, SIGNAL, Outgoing
from cloud.shards.messages import ReorderChange, StoreChange
from cloud.sku_location.state import SkuLocation, reorder_id
from protocol.codec import encode_down
from protocol.ids import StoreId
from protocol.topics import Topics
from protocol.updates import (
    STATES_PER_UPDATE_MAX,
    Ack,
    MirrorState,
    MirrorUpdate,
    ReorderSignal,
    Welcome,
)


def mirror_updates(change: StoreChange, topics: Topics) -> Iterator[Outgoing]:
    """Return a change as frames of a bounded number of states.

    Only the last frame moves the mirror's position. A mirror that is cut off in between keeps its
    old position and asks again from there; what it already has, it knows by version.
    """
    topic = topics.mirror(StoreId(change.store))
    last_start = max(0, (len(change.states) - 1) // STATES_PER_UPDATE_MAX * STATES_PER_UPDATE_MAX)
    for start in range(0, last_start + 1, STATES_PER_UPDATE_MAX):
        is_last = start == last_start
        update = MirrorUpdate(
            store=change.store,
            previous_position=change.previous_position,
            position=change.position if is_last else change.previous_position,
            epoch=change.epoch,
            through_seq=change.through_seq,
            states=[_mirror_state(s) for s in change.states[start : start + STATES_PER_UPDATE_MAX]],
        )
        yield Outgoing(topic, encode_down(update), MIRROR)


def _mirror_state(state: SkuLocation) -> MirrorState:
    return MirrorState(
        gtin=state.gtin,
        version=state.version,
        measure=state.measure or MEASURE_UNTIL_KNOWN,
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
