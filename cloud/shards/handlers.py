"""Which handler carries out which command. Pure.

A handler reads states and records at the desk, tells SKU-locations their part, and returns the
record that answers the command (or nothing), or why it is refused: then nothing has happened.
"""

from collections.abc import Callable
from typing import Any, Final

from cloud.commands import AnyCommand
from cloud.commands.documents import SetDocument
from cloud.commands.goods import (
    AdviseDespatch,
    CloseDespatch,
    DespatchTransfer,
    ReceiveDespatch,
    ResolveDiscrepancy,
)
from cloud.commands.orders import AmendOrder, PlaceOrder, SettleOrder
from cloud.commands.recounts import ReviewCounts
from cloud.commands.reorders import Escalate, Review, SetReorderStatus
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Expire,
    Extend,
    HandOver,
    Pick,
    Release,
    Reserve,
    Ship,
)
from cloud.commands.returns import AcceptReturn, InspectReturn
from cloud.commands.stock import AdjustStock
from cloud.orders.handlers import amend_order, place_order, settle_order
from cloud.receiving.advising import advise_despatch
from cloud.receiving.closing import close_despatch
from cloud.receiving.receipts import receive_despatch
from cloud.receiving.resolving import resolve_discrepancy
from cloud.receiving.transfers import despatch_transfer
from cloud.records import Record
from cloud.records.document import Document
from cloud.recounts.handlers import review_counts
from cloud.reorders.handlers import escalate, review, set_reorder_status
from cloud.reservations.handlers import change_reservation, reserve
from cloud.returns.handlers import accept_return, inspect_return
from cloud.shards.desk import Desk
from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.messages import AnyMessage, Reinstate, Withhold, WriteOff
from cloud.sku_location.refusal import Refusal, Refused

Handler = Callable[[Desk, Any], Record | Refused | None]


def handle(desk: Desk, command: AnyCommand) -> Record | Refused | None:
    """Carry out a command at a desk."""
    return _HANDLERS[type(command)](desk, command)


def _set_policy(desk: Desk, command: SetPolicy) -> Refused | None:
    told = desk.tell(SetPolicy(store=command.store, gtin=command.gtin, policy=command.policy))
    return told if isinstance(told, Refused) else None


def _adjust_stock(desk: Desk, command: AdjustStock) -> Refused | None:
    told = desk.tell(_adjustment(command))
    return told if isinstance(told, Refused) else None


def _adjustment(command: AdjustStock) -> AnyMessage:
    store, gtin, quantity, reason = command.store, command.gtin, command.quantity, command.reason
    if command.action == "write_off":
        return WriteOff(store=store, gtin=gtin, quantity=quantity, reason=reason)
    message = Withhold if command.action == "withhold" else Reinstate
    return message(store=store, gtin=gtin, quantity=quantity, reason=reason or "damaged")


def _set_document(desk: Desk, command: SetDocument) -> Document | Refused:
    name = f"{command.kind}/{command.id}"
    before = desk.record(Document, command.store, name)
    version = 0 if before is None else before.version
    if command.if_version is not None and command.if_version != version:
        return Refused(Refusal.VERSION_CONFLICT, f"{name} is at version {version}")
    document = Document(store=command.store, id=name, kind=command.kind, body=command.body)
    return desk.put(document)


_HANDLERS: Final[dict[type, Handler]] = {
    SetPolicy: _set_policy,
    AdjustStock: _adjust_stock,
    SetDocument: _set_document,
    Reserve: reserve,
    Extend: change_reservation,
    AwaitPayment: change_reservation,
    Confirm: change_reservation,
    Release: change_reservation,
    Pick: change_reservation,
    Ship: change_reservation,
    HandOver: change_reservation,
    Expire: change_reservation,
    PlaceOrder: place_order,
    AmendOrder: amend_order,
    SettleOrder: settle_order,
    AdviseDespatch: advise_despatch,
    ReceiveDespatch: receive_despatch,
    CloseDespatch: close_despatch,
    ResolveDiscrepancy: resolve_discrepancy,
    DespatchTransfer: despatch_transfer,
    AcceptReturn: accept_return,
    InspectReturn: inspect_return,
    SetReorderStatus: set_reorder_status,
    Escalate: escalate,
    Review: review,
    ReviewCounts: review_counts,
}
