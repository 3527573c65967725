"""What of the stock, the orders and the notices a caller sees. Pure.

Lists, single resources and the live stream ask the same questions here, so that they agree. A
token that has locations is limited to them, whatever its role; a sales channel is limited to its
channels. Only availability is seen everywhere by stores, which send customers to each other.
"""

from collections.abc import Iterable

from cloud.api.access import Caller
from cloud.api.problems import forbidden
from cloud.records.notice import Notice
from cloud.records.order import Order
from cloud.records.reservation import Reservation


def sees_notice(caller: Caller, notice: Notice) -> bool:
    """Say whether a notice concerns a caller: to a channel, only what names its channel."""
    if caller.is_channel_only and not notice.channel:
        return False
    is_here = caller.may_see_location(notice.store)
    return is_here and (not notice.channel or caller.may_see_channel(notice.channel))


def sees_reservation(caller: Caller, reservation: Reservation) -> bool:
    """Say whether a reservation is the caller's."""
    is_ours = "channel" not in caller.roles or caller.may_see_channel(reservation.channel)
    return is_ours and caller.may_see_location(reservation.store)


def require_reservation(caller: Caller, reservation: Reservation) -> None:
    """Raise a problem when a reservation is not the caller's."""
    caller.require_location(reservation.store)
    if "channel" in caller.roles:
        caller.require_channel(reservation.channel)


def places_of(order: Order) -> set[str]:
    """Return where an order is collected and all locations that were ever asked for a part."""
    asked = {parcel.location for parcel in order.parcels}
    return asked | {order.collect_at} if order.collect_at else asked


def sees_order(caller: Caller, order: Order) -> bool:
    """Say whether an order is the caller's: its channel, and every one of its locations."""
    is_here = all(caller.may_see_location(place) for place in places_of(order))
    return is_here and caller.may_see_channel(order.channel)


def require_order(caller: Caller, order: Order) -> None:
    """Raise a problem when an order is not the caller's."""
    caller.require_channel(order.channel)
    if not all(caller.may_see_location(place) for place in places_of(order)):
        raise forbidden("this order is, or was, with locations that this token is not for")


def require_placing(caller: Caller, channel: str, collect_at: str) -> None:
    """Raise a problem when a caller may not place such an order.

    An order that ships may be sent from anywhere, so that it takes a token without locations.
    """
    caller.require_channel(channel)
    if collect_at:
        caller.require_location(collect_at)
    elif caller.locations:
        raise forbidden("a token with locations places only orders collected at one of them")


def may_sell_at(caller: Caller, location: str) -> bool:
    """Say whether a caller may hear what can be sold at a location."""
    return not caller.is_channel_only or caller.may_see_location(location)


def require_sellable_at(caller: Caller, locations: Iterable[str]) -> None:
    """Raise a problem for a location of which the caller may not hear."""
    if caller.is_channel_only:
        caller.require_location(*locations)
