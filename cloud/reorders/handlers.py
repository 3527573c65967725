"""Commands about reorders. Pure."""

from cloud.commands.reorders import Escalate, Review, SetReorderStatus
from cloud.reorders.ids import ReorderName, parse_reorder_id
from cloud.shards.desk import Desk
from cloud.sku_location.messages import EscalateReorder, MarkReorder, ReviewReorder
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import SkuLocation


def set_reorder_status(desk: Desk, command: SetReorderStatus) -> Refused | None:
    """Let the supplier say where a reorder stands."""
    name = _named(command.store, command.reorder_id)
    if isinstance(name, Refused):
        return name
    told = desk.tell(
        MarkReorder(
            store=name.store,
            gtin=name.gtin,
            number=name.number,
            status=command.status,
            reference=command.reference,
            expected_at_ms=command.expected_at_ms,
            quantity=command.quantity,
        )
    )
    return told if isinstance(told, Refused) else None


def escalate(desk: Desk, command: Escalate) -> Refused | None:
    """Let somebody know that nobody has acknowledged a reorder in time."""
    name = _named(command.store, command.reorder_id)
    if isinstance(name, Refused):
        return name
    state = desk.state(name.store, name.gtin)
    if isinstance(state, Refused):
        return state
    if not _is_as_found(state, name, command.if_escalations):
        return None
    told = desk.tell(EscalateReorder(store=name.store, gtin=name.gtin, number=name.number))
    if isinstance(told, Refused):
        return told
    if told:
        _tell_of_escalation(desk, command.reorder_id, name)
    return None


def _is_as_found(state: SkuLocation, name: ReorderName, escalations: int | None) -> bool:
    reorder = state.reorder
    if reorder is None or reorder.number != name.number:
        return False
    return escalations in (None, reorder.escalations)


def _tell_of_escalation(desk: Desk, reorder_id: str, name: ReorderName) -> None:
    state = desk.state(name.store, name.gtin)
    if isinstance(state, Refused) or state.reorder is None:
        raise AssertionError(f"{reorder_id} was escalated and is not there")
    reorder = state.reorder
    waits_h = (desk.now_ms - reorder.opened_at_ms) // 3_600_000
    source = f" by {reorder.source}" if reorder.source else ""
    desk.notify(
        "reorder_escalated",
        name.store,
        reorder_id,
        gtin=name.gtin,
        quantity=reorder.quantity,
        measure=state.measure,
        detail=f"not acknowledged{source} for {waits_h} h; escalation {reorder.escalations}",
    )


def review(desk: Desk, command: Review) -> Refused | None:
    """Look at the position of a SKU-location now."""
    told = desk.tell(ReviewReorder(store=command.store, gtin=command.gtin))
    return told if isinstance(told, Refused) else None


def _named(store: str, reorder_id: str) -> ReorderName | Refused:
    name = parse_reorder_id(reorder_id)
    if name is None:
        return Refused(Refusal.INVALID, f"{reorder_id!r} is no reorder: STORE-GTIN-NUMBER")
    if name.store != store:
        return Refused(Refusal.INVALID, f"reorder {reorder_id} is not one of {store}")
    return name
