"""What the routes work with: one object for the whole API, and what is known of each request."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import HeaderParameter
from msgspec import Struct

from cloud.api.access import Caller
from cloud.api.fields import etag
from cloud.api.idempotency import HEADER, KEY_PATTERN, REPLAYED_HEADER, Asked, asked
from cloud.api.limits import Limits
from cloud.api.problems import refused, unknown
from cloud.api.reading import Reads
from cloud.api.streaming import Hub
from cloud.api.submitting import Submitter
from cloud.commands import AnyCommand
from cloud.orders.desk import OrderDesk
from cloud.records import Record, decode_record
from cloud.rule_book import RuleBook
from cloud.shards.messages import Done
from cloud.sku_location.refusal import Refused

D = TypeVar("D", bound=Struct)
R = TypeVar("R", bound=Record)

KeyHeader = Annotated[
    str,
    HeaderParameter(
        name=HEADER,
        pattern=KEY_PATTERN,
        max_length=64,
        description="1 to 64 printable characters; the same request again under the same key"
        " gets the first answer",
    ),
]
OptionalKeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name=HEADER,
        pattern=KEY_PATTERN,
        max_length=64,
        description="the same request again under the same key gets the first answer",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the cloud that the API stands on. `now_s` never goes back."""

    submitter: Submitter
    reads: Reads
    rule_book: RuleBook
    hub: Hub
    orders: OrderDesk
    limits: Limits
    now_ms: Callable[[], int]
    now_s: Callable[[], float]

    async def carry_out(self, command: AnyCommand, *, by_precondition: bool = False) -> Done:
        """Return the answer to a command after its commit; a refusal is a problem."""
        answer = await self.submitter.submit(command)
        if isinstance(answer, Refused):
            raise refused(answer, by_precondition=by_precondition)
        return answer

    def charge_items(self, caller: Caller, items: int) -> None:
        """Count a request of many items as so many requests; one is counted at the door."""
        self.limits.charge(caller.name, items - 1, self.now_s())

    async def record(self, kind: type[R], store: str, record_id: str) -> R:
        """Return a record, or raise that there is none."""
        row = await self.reads.at_one_moment(
            lambda reader: reader.record(kind.KIND, store, record_id)
        )
        if row is None:
            raise unknown(f"there is no {kind.KIND.replace('_', ' ')} {record_id} at {store}")
        return decode_record(kind, row.data)


ServicesHere = NamedDependency[Services]
CallerHere = NamedDependency[Caller]
AskedHere = NamedDependency[Asked]
"""What routes are given by name: `services`, `caller`, and `asked` or `keyed`."""


async def provide_caller(request: Request[Caller, Any, Any]) -> Caller:
    """Return who sent the request."""
    return request.user


async def provide_asked(request: Request[Caller, Any, Any], idempotency_key: KeyHeader) -> Asked:
    """Return what makes the request itself."""
    return asked(
        request.user.name,
        idempotency_key,
        request.method,
        request.url.path,
        await request.body(),
        request.headers.get("If-Match", ""),
    )


async def provide_asked_if_keyed(
    request: Request[Caller, Any, Any], idempotency_key: OptionalKeyHeader = None
) -> Asked:
    """Return what makes a PUT or DELETE itself; they are idempotent also without a key."""
    if idempotency_key is None:
        return Asked("", b"")
    return await provide_asked(request, idempotency_key)


def record_in(kind: type[R], done: Done) -> R:
    """Return the record that answers a command."""
    if not isinstance(done.record, kind):
        raise AssertionError(f"a command was answered by {done.record}, not by a {kind.__name__}")
    return done.record


def answered(
    document: D, done: Done, version: int, status: int = HTTPStatus.OK, **headers: str
) -> Response[D]:
    """Return the answer to a command."""
    all_headers = {"ETag": etag(version), **headers}
    if done.is_replayed:
        all_headers[REPLAYED_HEADER] = "true"
    return Response(document, status_code=status, headers=all_headers)


def shown(document: D, version: int, if_none_match: str | None) -> Response[D]:
    """Return a resource, or that the caller has this version already."""
    tag = etag(version)
    known = [] if if_none_match is None else [part.strip() for part in if_none_match.split(",")]
    if "*" in known or any(part.removeprefix("W/") == tag for part in known):
        # The framework has no type for an answer without a body among others that have one.
        return Response(None, status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})  # type: ignore[arg-type]
    return Response(document, headers={"ETag": tag})
