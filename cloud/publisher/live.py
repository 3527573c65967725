"""What one commit says at once, and to whom, in the order in which it leaves. Pure."""

from collections.abc import Iterator

from cloud.publisher.outgoing import Outgoing
from cloud.publisher.retained import Retained
from cloud.publisher.stores import answer, mirror_update, signal, task
from cloud.publisher.wms import (
    notice_arrays,
    retained_reorder,
    retained_stock,
    stock_in_arrays,
)
from cloud.shards.messages import Committed
from protocol.topics import Topics
from protocol.updates import Ack, Welcome


def to_stores(committed: Committed, topics: Topics) -> Iterator[Outgoing]:
    """Return mirror updates, then answers, then signals.

    A mirror is updated before its facts are acknowledged, or a count would lack for a moment what
    is pending no longer and not yet authoritative.
    """
    for change in (*committed.changes, *committed.mirrors):
        yield mirror_update(change, topics)
    for message in newest_answers(committed.answers):
        yield answer(message, topics)
    for reorder in committed.reorders:
        yield signal(reorder, topics)
    for notice in committed.notices:
        message_of_task = task(notice, topics)
        if message_of_task is not None:
            yield message_of_task


def newest_answers(answers: list[Ack | Welcome]) -> list[Ack | Welcome]:
    """Return the answers without acknowledgements that a later one of the same epoch includes."""
    newest: list[Ack | Welcome] = []
    acknowledged: set[tuple[str, int]] = set()
    for message in reversed(answers):
        if isinstance(message, Ack) and message.problem is None:
            key = (message.store, message.epoch)
            if key in acknowledged:
                continue
            acknowledged.add(key)
        newest.append(message)
    newest.reverse()
    return newest


def to_third_parties(
    committed: Committed, after: int, topics: Topics
) -> tuple[list[Outgoing], list[Retained]]:
    """Return the arrays to send now, and what the broker should retain.

    `after` is the position of the commit before.
    """
    arrays: list[Outgoing] = []
    retained: list[Retained] = []
    for change in committed.changes:
        arrays.extend(stock_in_arrays(change.store, change.states, topics))
        retained.extend(retained_stock(state, after, topics) for state in change.states)
    arrays.extend(notice_arrays(committed.notices, topics))
    retained.extend(retained_reorder(change, after, topics) for change in committed.reorders)
    return arrays, retained
