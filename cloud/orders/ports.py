"""What orders need from the rest of the cloud."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.orders import Method
from cloud.journal.port import JournalReader
from cloud.orders.documents import RoutingDocument
from cloud.orders.routing import Plan, Unroutable
from cloud.rules import Explanation
from cloud.shards.messages import Done
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation

T = TypeVar("T")


class Submit(Protocol):
    """Hands a command to the shard that owns its store."""

    async def __call__(self, command: AnyCommand, /) -> Done | Refused:
        """Return the answer when it is durable."""


class Read(Protocol):
    """Asks the journal's read model, on a thread that may wait for the storage."""

    async def __call__(self, question: Callable[[JournalReader], T], /) -> T:
        """Return the answer; everything that was committed before is seen."""


class HiddenStock(Protocol):
    """The rules that hide stock from channels, for threads that read."""

    def explained(
        self, states: Iterable[SkuLocation], channel: str, ship_by_ms: int, now_ms: int
    ) -> Iterator[Explanation]:
        """Return what is hidden of each from a channel, now, and why."""


class Demand(NamedTuple):
    """What has to be fulfilled, and within which limits: a new order, or what is missing of one.

    `excluded` are pairs of location and GTIN not to ask. `promise_by_ms` is 0 without a promise.
    """

    channel: str
    method: Method
    lines: tuple[Line, ...]
    latitude: float | None
    longitude: float | None
    collect_at: str
    promise_by_ms: int
    max_parcels: int
    allow_split: bool
    excluded: frozenset[tuple[str, str]] = frozenset()


class Routed(NamedTuple):
    """An answer of the router.

    `ship_by_ms` says when each location's parcel must leave; `warnings` what could not be read.
    """

    answer: Plan | Unroutable
    ship_by_ms: dict[str, int]
    warnings: tuple[str, ...] = ()


class Router(Protocol):
    """Chooses where to fulfil."""

    async def route(self, demand: Demand, now_ms: int) -> Routed:
        """Return a plan or why there is none. Raises `RoutingInvalid` for what makes no sense."""

    async def lacking(
        self, demand: Demand, location: str, ship_by_ms: int, now_ms: int
    ) -> tuple[str, ...]:
        """Return the GTINs of which a location has not enough by now."""

    async def settings(self) -> RoutingDocument:
        """Return how orders are routed and held at present."""
