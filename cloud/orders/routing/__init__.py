"""Order routing: choose where to fulfil an order, and say why."""

from cloud.orders.routing.costs import (
    LocationOverrides,
    LocationRates,
    RoutingCosts,
    WarehouseRates,
)
from cloud.orders.routing.errors import RoutingInvalid
from cloud.orders.routing.plan import (
    Alternative,
    LineShortage,
    Parcel,
    ParcelCost,
    ParcelLine,
    Plan,
    Reason,
    Rejection,
    UnfilledLine,
    Unroutable,
    UnroutableReason,
)
from cloud.orders.routing.problem import Candidate, OrderLine, RoutingProblem
from cloud.orders.routing.solve import route

__all__ = [
    "Alternative",
    "Candidate",
    "LineShortage",
    "LocationOverrides",
    "LocationRates",
    "OrderLine",
    "Parcel",
    "ParcelCost",
    "ParcelLine",
    "Plan",
    "Reason",
    "Rejection",
    "RoutingCosts",
    "RoutingInvalid",
    "RoutingProblem",
    "UnfilledLine",
    "Unroutable",
    "UnroutableReason",
    "WarehouseRates",
    "route",
]
