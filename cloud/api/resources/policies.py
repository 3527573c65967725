"""Reorder policies: when which SKU-location is reordered, and how much."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from litestar import Response, delete, get, put
from litestar.params import JSONBody, QueryParameter

from cloud.api.access import Allows
from cloud.api.cursors import LIMIT, TEXT, decode_cursor, encode_cursor, first_of
from cloud.api.documents.policies import (
    PoliciesRequest,
    PoliciesResponse,
    PolicyBody,
    PolicyDocument,
    PolicyItem,
    PolicyPage,
    PolicyResult,
    policy_document,
    policy_of,
)
from cloud.api.fields import (
    LOCATION_PATTERN,
    CursorQuery,
    GtinPath,
    IfNoneMatch,
    LimitQuery,
    LocationPath,
    gtin_of,
    location_of,
)
from cloud.api.idempotency import Asked
from cloud.api.problems import ApiProblem, documented, unknown
from cloud.api.services import AskedHere, CallerHere, Services, ServicesHere, answered, shown
from cloud.journal.port import JournalReader
from cloud.journal.rows import decode_state
from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.state import Policy, SkuLocation

TAGS = ["policies"]
READERS = Allows("store", "wms", "ops")
WRITERS = Allows("ops")
PATH = "/policies/{location:str}/{gtin:str}"


class Known(NamedTuple):
    """A SKU-location with a policy."""

    state: SkuLocation
    policy: Policy


@get(
    "/policies",
    operation_id="list_policies",
    summary="The policies of a location, by GTIN",
    tags=TAGS,
    guards=[READERS],
    responses=documented(),
)
async def list_policies(
    services: ServicesHere,
    caller: CallerHere,
    location: Annotated[
        str, QueryParameter(name="location", pattern=LOCATION_PATTERN, max_length=32)
    ],
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> PolicyPage:
    """Return what is reordered, and when."""
    store = location_of(location)
    caller.require_location(store)
    after = decode_cursor(cursor, TEXT) or ""
    found, more = await services.reads.at_one_moment(
        lambda reader: first_of(_known(reader, store, after), limit)
    )
    return PolicyPage(
        items=[policy_document(*known) for known in found],
        next_cursor=encode_cursor(found[-1].state.gtin) if more else None,
    )


def _known(reader: JournalReader, store: str, after: str) -> Iterator[Known]:
    for row in reader.states(store, after=after):
        state = decode_state(row.data)
        if state.policy is not None:
            yield Known(state, state.policy)


async def _policy_at(services: Services, store: str, gtin: str) -> Known:
    row = await services.reads.at_one_moment(lambda reader: reader.state(store, gtin))
    state = None if row is None else decode_state(row.data)
    if state is None or state.policy is None:
        raise unknown(f"there is no policy for {gtin} at {store}")
    return Known(state, state.policy)


@get(
    PATH,
    operation_id="get_policy",
    summary="The policy of a SKU at a location",
    tags=TAGS,
    guards=[READERS],
    responses=documented(304, 404),
)
async def get_policy(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    gtin: GtinPath,
    if_none_match: IfNoneMatch = None,
) -> Response[PolicyDocument]:
    """Return it, with the version of the stock as the ETag."""
    store, sku = location_of(location), gtin_of(gtin)
    caller.require_location(store)
    known = await _policy_at(services, store, sku)
    return shown(policy_document(*known), known.state.version, if_none_match)


@put(
    PATH,
    operation_id="set_policy",
    summary="Set the policy of a SKU at a location",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(404, 409, 422, 504),
)
async def set_policy(
    services: ServicesHere,
    caller: CallerHere,
    keyed: AskedHere,
    location: LocationPath,
    gtin: GtinPath,
    data: JSONBody[PolicyBody],
) -> Response[PolicyDocument]:
    """Reorder by it from now on. A policy file, where there is one, wins at the next start."""
    store, sku = location_of(location), gtin_of(gtin)
    caller.require_location(store)
    done = await services.carry_out(_command(store, sku, policy_of(data), keyed))
    known = await _policy_at(services, store, sku)
    return answered(policy_document(*known), done, known.state.version)


@delete(
    PATH,
    operation_id="remove_policy",
    summary="Reorder a SKU at a location no more",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 422, 504),
)
async def remove_policy(
    services: ServicesHere,
    caller: CallerHere,
    keyed: AskedHere,
    location: LocationPath,
    gtin: GtinPath,
) -> None:
    """Remove the policy, if there is one."""
    store, sku = location_of(location), gtin_of(gtin)
    caller.require_location(store)
    await services.carry_out(_command(store, sku, None, keyed))


@put(
    "/policies",
    operation_id="set_policies",
    summary="Set or remove many policies, each for itself",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(422),
)
async def set_policies(
    services: ServicesHere, caller: CallerHere, data: JSONBody[PoliciesRequest]
) -> PoliciesResponse:
    """Return what became of each."""
    caller.require_location(*(item.location for item in data.items))
    services.charge_items(caller, len(data.items))
    results = await asyncio.gather(*(_result(services, item) for item in data.items))
    return PoliciesResponse(results=list(results))


async def _result(services: Services, item: PolicyItem) -> PolicyResult:
    try:
        policy = None if item.policy is None else policy_of(item.policy)
        command = _command(location_of(item.location), gtin_of(item.gtin), policy, Asked("", b""))
        await services.carry_out(command)
    except ApiProblem as problem:
        return PolicyResult(outcome="refused", problem=problem.problem())
    return PolicyResult(outcome="set")


def _command(store: str, gtin: str, policy: Policy | None, keyed: Asked) -> SetPolicy:
    return SetPolicy(store=store, gtin=gtin, policy=policy, key=keyed.key, digest=keyed.digest)


ROUTES = [list_policies, get_policy, set_policy, remove_policy, set_policies]
