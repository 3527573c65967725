"""All commands: what the journal keeps besides batches of facts."""

from cloud.commands.command import Command as Command
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
from cloud.commands.stock import AdjustStock, ApplyFact
from cloud.sku_location.commands import SetPolicy

AnyCommand = (
    SetPolicy
    | ApplyFact
    | Reserve
    | Extend
    | AwaitPayment
    | Confirm
    | Release
    | Pick
    | Ship
    | HandOver
    | Expire
    | AdjustStock
    | SetDocument
    | AdviseDespatch
    | ReceiveDespatch
    | CloseDespatch
    | ResolveDiscrepancy
    | DespatchTransfer
    | AcceptReturn
    | InspectReturn
    | SetReorderStatus
    | Escalate
    | Review
    | PlaceOrder
    | AmendOrder
    | SettleOrder
    | ReviewCounts
)
