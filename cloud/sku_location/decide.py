"""`decide`: which events follow from a fact or a message. Pure and total.

What it decides must never depend on anything but its arguments, since the journal keeps inputs
and rebuilds states by deciding again (decision 1). A change here, in `evolve` or in how a shard
applies an input that could change any state must raise `LOGIC_ERA`.
"""

from typing import Final, assert_never

from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.events import AnyEvent, PolicySet
from cloud.sku_location.evidence import book_follows, with_evidence
from cloud.sku_location.evolve import evolve
from cloud.sku_location.facts import decide_fact
from cloud.sku_location.holds import decide_hold, decide_on_hold, shorted
from cloud.sku_location.messages import (
    AnyMessage,
    EscalateReorder,
    FollowBelief,
    HoldMessage,
    HoldStock,
    JudgeLine,
    MarkReorder,
    ReviewReorder,
)
from cloud.sku_location.refusal import Refused
from cloud.sku_location.reorders import (
    adjustment,
    answer_to,
    decide_escalation,
    decide_mark,
    is_cancellation,
    may_concern_reorders,
    opening,
)
from cloud.sku_location.state import Cause, SkuLocation
from cloud.sku_location.stock import StockMessage, decide_stock
from protocol.facts import Fact, StockFact

EvidenceMessage = (Fact, HoldMessage, StockMessage, JudgeLine)
"""What may say something of the true count."""

LOGIC_ERA: Final = 3
"""Names this logic in the journal. Another number opens a new era with a snapshot of all states."""


def cause_of(fact: StockFact, epoch: int, seq: int) -> Cause:
    """Return how events name a fact."""
    kind = type(fact).__name__
    return Cause(kind=kind, epoch=epoch, seq=seq, occurred_at_ms=fact.occurred_at_ms)


def cause_of_command(kind: str, now_ms: int) -> Cause:
    """Return how events name a command."""
    return Cause(kind=kind, epoch=0, seq=0, occurred_at_ms=now_ms)


def decide(
    state: SkuLocation, message: StockFact | AnyMessage, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    """Return what happens to `state`, in order; often nothing.

    `cause` names the fact or command in every event, `now_ms` is the time stamped on the input.
    """
    events = _effects_of(state, message, cause, now_ms)
    if isinstance(events, Refused):
        return events
    if isinstance(message, EvidenceMessage):
        events = with_evidence(state, message, events, cause, now_ms)
    if not events and not isinstance(message, ReviewReorder):
        return events
    return _with_consequences(state, events, cause, now_ms)


def _effects_of(
    state: SkuLocation, message: StockFact | AnyMessage, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    # Facts come first: there are a thousand of them to every command.
    if isinstance(message, Fact):
        return decide_fact(state, message, cause, now_ms)
    if isinstance(message, HoldStock):
        return decide_hold(state, message, cause, now_ms)
    if isinstance(message, HoldMessage):
        return decide_on_hold(state, message, cause, now_ms)
    if isinstance(message, StockMessage):
        return decide_stock(state, message, cause, now_ms)
    if isinstance(message, SetPolicy):
        if message.policy == state.policy:
            return []
        return [PolicySet(cause=cause, at_ms=now_ms, policy=message.policy)]
    if isinstance(message, MarkReorder):
        return decide_mark(state, message, cause, now_ms)
    if isinstance(message, EscalateReorder):
        return decide_escalation(state, message, cause, now_ms)
    if isinstance(message, ReviewReorder | FollowBelief | JudgeLine):
        return _on_review(state, message, cause, now_ms)
    assert_never(message)


def _on_review(
    state: SkuLocation,
    message: ReviewReorder | FollowBelief | JudgeLine,
    cause: Cause,
    now_ms: int,
) -> list[AnyEvent]:
    """A look at the position, or at a till line, has only consequences."""
    if not isinstance(message, FollowBelief):
        return []
    return book_follows(state, state.belief, cause, now_ms, now_ms)


def _with_consequences(
    state: SkuLocation, events: list[AnyEvent], cause: Cause, now_ms: int
) -> list[AnyEvent]:
    """Add what follows from events: promises that cannot be kept, and reorders."""
    is_simple = not (state.holds or state.policy or state.reorder)
    if is_simple and not (events and isinstance(events[0], PolicySet)):
        return events
    concerns_reorders = not events
    for event in events:
        concerns_reorders = concerns_reorders or may_concern_reorders(state, event)
        state = evolve(state, event)
    more: list[AnyEvent] = []
    for lost in shorted(state, cause, now_ms):
        more.append(lost)
        state = evolve(state, lost)
    if concerns_reorders:
        more.extend(_reorder_events(state, events, cause, now_ms))
    return events + more


def _reorder_events(
    state: SkuLocation, events: list[AnyEvent], cause: Cause, now_ms: int
) -> list[AnyEvent]:
    more: list[AnyEvent] = []
    for event in events:
        answer = answer_to(state, event, now_ms)
        if answer is not None:
            more.append(answer)
            state = evolve(state, answer)
    adjusted = adjustment(state, cause, now_ms)
    if adjusted is not None:
        return [*more, adjusted]
    # What was cancelled from outside is not ordered again in the same breath.
    if not any(map(is_cancellation, events)):
        opened = opening(state, cause, now_ms)
        if opened is not None:
            more.append(opened)
    return more
