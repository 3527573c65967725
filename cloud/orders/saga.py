"""The saga of an order: from its record and its reservations to the next move. Pure.

The order's status is where it is wanted; the saga makes its reservations follow, one command to
one location at a time. It remembers nothing: every move is chosen from what is durable (and from
refusals just heard), so that whoever comes after a crash makes the same moves. The first rule that
applies decides:

    a parcel noted as refused is held after all        → release it
    ended, and something is still held                 → release it
           and nothing is, but the order is open       → settle: closed
    a hold is past its expiry                          → expire it, so that everybody knows
    unconfirmed and past the order's deadline, or part
      of it was held too long: nothing is picked yet   → settle: refused or released
                               goods are picked        → settle: stays, with a later deadline
    held, awaiting payment, confirmed: holds are behind → extend, await payment, confirm
    somebody else has a parcel's name there            → rename it
    a parcel is asked, nobody has answered             → reserve it
    something is missing, others may still be asked    → re-route it
      nobody has it, or it was asked for too often:
                          while placing                → settle: refused
                          later                        → give it up
    placing, and all of it is held                     → settle: held
    what was re-routed is held (and confirmed)         → settle: stays, and is told of
    nothing is held any more                           → settle: fulfilled, short or released
    otherwise                                          → rest: the customer's or the store's move

A name that somebody else has is no refusal: the location was not asked yet.

It ends: an order may be amended only so often, each parcel is asked once per amendment, and
whatever is held expires, is confirmed (then the store ships it or the customer gives it back), or
is released. Nothing that is held without being confirmed is held for ever.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from cloud.commands.command import Line
from cloud.commands.orders import PARCELS_MAX, ParcelRefusal
from cloud.orders.standing import Reservations, Standing, ended_status, standing
from cloud.records.order import LIVE, UNCONFIRMED, Order, OrderStatus, ParcelRecord
from cloud.records.reservation import Reservation
from cloud.sku_location.refusal import Refused

PLACING_AMENDMENTS_MAX: Final = 4
"""So often other locations are tried before an order is refused: each try is a routing."""
AMENDMENTS_MAX: Final = 12
"""So often in the life of an order; what is lost after that is given up."""

PICKED_GRACE_MS: Final = 24 * 3_600_000
"""An unconfirmed order whose goods somebody has in hand is looked at again after this time."""

HELD_TOO_LONG: Final = "it was held too long"

NO_NAME_LEFT: Final = "its location has reservations of others under all its names"

Act = Literal["reserve", "extend", "await_payment", "confirm", "release", "expire"]


class Tell(NamedTuple):
    """Do the same to several parcels; their order does not matter, and they may go at once."""

    act: Act
    parcels: tuple[ParcelRecord, ...]


class Rename(NamedTuple):
    """Ask for these parcels under other names: somebody else has theirs."""

    parcels: tuple[ParcelRecord, ...]


class Reroute(NamedTuple):
    """Ask the router for `lines` again, without the `excluded` pairs of location and GTIN.

    `refused` are parcels that refused and are noted as such with the answer.
    """

    lines: tuple[Line, ...]
    excluded: frozenset[tuple[str, str]]
    refused: tuple[ParcelRefusal, ...]
    reason: str


class GiveUp(NamedTuple):
    """Nobody has it: note these lines as short."""

    lines: tuple[Line, ...]
    refused: tuple[ParcelRefusal, ...]
    reason: str


class Settle(NamedTuple):
    """Note that the order stands otherwise now."""

    status: OrderStatus
    detail: str = ""
    is_settling: bool = False
    expires_at_ms: int = 0


class Rest(NamedTuple):
    """It is somebody else's move."""


Move = Tell | Rename | Reroute | GiveUp | Settle | Rest


class Situation(NamedTuple):
    """All that a move depends on; `refusals` are answers just heard, by reservation.

    `taken` are names of its parcels that somebody else's reservations have.
    """

    order: Order
    reservations: Reservations
    refusals: Mapping[str, tuple[Refused, tuple[str, ...]]]
    now_ms: int
    taken: frozenset[str] = frozenset()

    def held(self) -> Iterator[tuple[ParcelRecord, Reservation]]:
        """Return parcels that are wanted and hold something."""
        for parcel in self.order.parcels:
            reservation = self.reservations.get(parcel.reservation_id)
            if parcel.status == "asked" and reservation is not None and reservation.is_open:
                yield parcel, reservation

    def unanswered(self) -> Iterator[ParcelRecord]:
        """Return parcels that are asked and of which nobody knows anything."""
        for parcel in self.order.parcels:
            name = parcel.reservation_id
            is_known = name in self.reservations or name in self.refusals
            if parcel.status == "asked" and not is_known:
                yield parcel


def next_move(situation: Situation) -> Move:
    """Return what to do next for an order."""
    for rule in (_undo, _lapse, _follow, _replace_missing):
        move = rule(situation)
        if move is not None:
            return move
    return _conclude(situation)


def _undo(at: Situation) -> Move | None:
    stray = tuple(
        parcel
        for parcel in at.order.parcels
        if parcel.status == "refused" and _is_open(at, parcel.reservation_id)
    )
    if stray:
        return Tell("release", stray)
    if at.order.status in LIVE:
        return None
    held = tuple(parcel for parcel, _ in at.held())
    if held:
        return Tell("release", held)
    if not at.order.is_settling:
        return Rest()
    return Settle(ended_status(at.order.status, standing(at.order, at.reservations).lines))


def _is_open(at: Situation, reservation_id: str) -> bool:
    reservation = at.reservations.get(reservation_id)
    return reservation is not None and reservation.is_open


def _lapse(at: Situation) -> Move | None:
    held = list(at.held())
    late = tuple(parcel for parcel, found in held if has_lapsed(found, at.now_ms))
    if late:
        return Tell("expire", late)
    order = at.order
    if order.status not in UNCONFIRMED:
        return None
    is_due = order.expires_at_ms <= at.now_ms
    if order.status != "placing" and _is_worked_on(at):
        later_ms = at.now_ms + PICKED_GRACE_MS
        return Settle(order.status, HELD_TOO_LONG, expires_at_ms=later_ms) if is_due else None
    if not is_due and not _has_expired(at):
        return None
    status: OrderStatus = "refused" if order.status == "placing" else "released"
    return Settle(status, HELD_TOO_LONG, is_settling=bool(held))


def has_lapsed(reservation: Reservation, now_ms: int) -> bool:
    """Say whether some of it was held too long: not confirmed, not picked, and past its expiry."""
    due_ms = reservation.due_at_ms
    is_late = due_ms is not None and due_ms <= now_ms
    return is_late and any(line.held and not line.picked for line in reservation.lines)


def _is_worked_on(at: Situation) -> bool:
    """Say whether goods were picked or have left: then the order is not dropped by the clock."""
    return any(
        line.fulfilled or line.picked
        for reservation in at.reservations.values()
        for line in reservation.lines
    )


def _has_expired(at: Situation) -> bool:
    return any(line.expired for found in at.reservations.values() for line in found.lines)


def _follow(at: Situation) -> Move | None:
    """Bring reservations to where the order is, then ask for what nobody has been asked for."""
    act = _FOLLOWS.get(at.order.status)
    behind = tuple(parcel for parcel, found in at.held() if _is_behind(found, at.order))
    if act is not None and behind:
        return Tell(act, behind)
    misnamed = tuple(
        parcel
        for parcel in at.order.parcels
        if parcel.status == "asked" and parcel.reservation_id in at.taken
    )
    if misnamed:
        return Rename(misnamed)
    unanswered = tuple(at.unanswered())
    return Tell("reserve", unanswered) if unanswered else None


_FOLLOWS: Final[dict[OrderStatus, Act]] = {
    "held": "extend",
    "awaiting_payment": "await_payment",
    "confirmed": "confirm",
}


def _is_behind(reservation: Reservation, order: Order) -> bool:
    if reservation.status == "confirmed":
        return False
    expires_first = 0 < reservation.expires_at_ms < order.expires_at_ms
    if order.status == "held":
        return expires_first
    return expires_first or reservation.status != order.status


def _replace_missing(at: Situation) -> Move | None:
    refused = tuple(
        ParcelRefusal(reservation_id=name, gtins=list(gtins))
        for name, (_, gtins) in at.refusals.items()
        if name not in at.reservations and _is_asked(at.order, name)
    )
    order = _with_refusals(at.order, refused)
    missing = tuple(_missing(standing(order, at.reservations)))
    if not missing:
        return None
    if at.order.status in UNCONFIRMED and _has_expired(at):
        return GiveUp(missing, refused, HELD_TOO_LONG)
    reason = "; ".join(_reasons(at, refused)) or "a location lost what it had promised"
    excluded = excluded_pairs(order, at.reservations)
    move = Reroute(missing, excluded, refused, reason)
    tries_max = PLACING_AMENDMENTS_MAX if order.status == "placing" else AMENDMENTS_MAX
    if order.amendments >= tries_max or len(order.parcels) >= PARCELS_MAX:
        return without_route(at, move, reason)
    return move


def without_names(at: Situation, move: Rename) -> Move:
    """Return what to do when a location cannot be asked under any name: as if it had refused."""
    refused = tuple(
        ParcelRefusal(
            reservation_id=parcel.reservation_id, gtins=[line.gtin for line in parcel.lines]
        )
        for parcel in move.parcels
    )
    missing = tuple(_missing(standing(_with_refusals(at.order, refused), at.reservations)))
    excluded = frozenset[tuple[str, str]]()
    return without_route(at, Reroute(missing, excluded, refused, NO_NAME_LEFT), NO_NAME_LEFT)


def without_route(at: Situation, move: Reroute, reason: str) -> Move:
    """Return what to do when nobody can be asked for what is missing: all of it or nothing."""
    if at.order.status == "placing":
        return Settle("refused", reason, is_settling=any(True for _ in at.held()))
    return GiveUp(move.lines, move.refused, reason)


def _is_asked(order: Order, reservation_id: str) -> bool:
    return any(
        parcel.reservation_id == reservation_id and parcel.status == "asked"
        for parcel in order.parcels
    )


def _with_refusals(order: Order, refused: tuple[ParcelRefusal, ...]) -> Order:
    gtins = {each.reservation_id: tuple(each.gtins) for each in refused}
    parcels = tuple(
        replace(parcel, status="refused", refused_gtins=gtins[parcel.reservation_id])
        if parcel.reservation_id in gtins
        else parcel
        for parcel in order.parcels
    )
    return replace(order, parcels=parcels)


def _missing(at: Standing) -> Iterator[Line]:
    for line in at.lines:
        if line.missing:
            yield Line(gtin=line.gtin, quantity=line.missing)


def _reasons(at: Situation, refused: tuple[ParcelRefusal, ...]) -> Iterator[str]:
    for each in refused:
        yield at.refusals[each.reservation_id][0].detail


def excluded_pairs(order: Order, reservations: Reservations) -> frozenset[tuple[str, str]]:
    """Return the locations that refused a GTIN of this order, or lost it."""
    pairs: set[tuple[str, str]] = set()
    for parcel in order.parcels:
        pairs.update((parcel.location, gtin) for gtin in parcel.refused_gtins)
        reservation = reservations.get(parcel.reservation_id)
        if reservation is not None:
            lost = (line.gtin for line in reservation.lines if line.short)
            pairs.update((parcel.location, gtin) for gtin in lost)
    return frozenset(pairs)


def _conclude(at: Situation) -> Move:
    order = at.order
    if order.status == "placing":
        return Settle("held")
    if order.rerouting:
        return Settle(order.status)
    if order.is_open and not any(True for _ in at.held()):
        return Settle(ended_status(order.status, standing(order, at.reservations).lines))
    return Rest()
