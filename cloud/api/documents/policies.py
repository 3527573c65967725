"""Reorder policies as the API takes and shows them."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from cloud.api.fields import Gtin, Level, Location
from cloud.api.problems import Problem, invalid
from cloud.policies import LEAD_TIME_H_MAX, WEEKDAYS, Weekday, policy_problems
from cloud.sku_location.state import Policy, SkuLocation
from protocol.facts import QUANTITY_MAX, GtinText

BULK_MAX: Final = 1_000
Amount = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]
AtLeastOne = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]


class PolicyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reorder at `reorder_point` or below, up to `order_up_to`, which is more.

    Rounded up to whole packs, at least `minimum_order`. Reorders open on `review_days` only (UTC;
    empty: on any). `replenish_at`: ask for goods from the backroom when the sales floor has this
    much or less. `confidence_min`: while the count is less sure than this, ask for a recount and
    order nothing.
    """

    reorder_point: Amount
    order_up_to: AtLeastOne
    pack_size: AtLeastOne = 1
    minimum_order: AtLeastOne = 1
    lead_time_h: Annotated[int, Meta(ge=0, le=LEAD_TIME_H_MAX)] = 0
    review_days: Annotated[list[Weekday], Meta(max_length=7)] = []
    source: Annotated[str, Meta(max_length=64, description="supplier or source warehouse")] = ""
    is_on: bool = True
    replenish_at: Amount | None = None
    confidence_min: Annotated[float, Meta(ge=0, le=1)] = 0.0


class PolicyDocument(Struct, frozen=True, kw_only=True):
    """The policy of a SKU-location; `version` is that of its stock."""

    location: str
    gtin: GtinText
    version: int
    position: Level
    policy: PolicyBody


class PolicyPage(Struct, frozen=True, kw_only=True):
    """The policies of a location, by GTIN."""

    items: list[PolicyDocument]
    next_cursor: str | None


class PolicyItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy for a SKU-location; null removes it."""

    location: Location
    gtin: Gtin
    policy: PolicyBody | None


class PoliciesRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many policies, each for itself."""

    items: Annotated[list[PolicyItem], Meta(min_length=1, max_length=BULK_MAX)]


class PolicyResult(Struct, frozen=True, kw_only=True):
    """What became of one item."""

    outcome: Literal["set", "refused"]
    problem: Problem | None = None


class PoliciesResponse(Struct, frozen=True, kw_only=True):
    """What became of each item, in the order of the request."""

    results: list[PolicyResult]


def policy_of(body: PolicyBody) -> Policy:
    """Return the policy, or raise `ApiProblem`."""
    policy = Policy(
        reorder_point=body.reorder_point,
        order_up_to=body.order_up_to,
        pack_size=body.pack_size,
        minimum_order=body.minimum_order,
        lead_time_h=body.lead_time_h,
        review_weekdays=tuple(sorted({WEEKDAYS.index(day) for day in body.review_days})),
        source=body.source,
        is_on=body.is_on,
        replenish_at=body.replenish_at,
        confidence_min=body.confidence_min,
    )
    for problem in policy_problems(policy):
        raise invalid("policy", problem)
    return policy


def policy_document(state: SkuLocation, policy: Policy) -> PolicyDocument:
    """Return the document of a state's policy."""
    days: list[Weekday] = [WEEKDAYS[day] for day in policy.review_weekdays]
    body = PolicyBody(
        reorder_point=policy.reorder_point,
        order_up_to=policy.order_up_to,
        pack_size=policy.pack_size,
        minimum_order=policy.minimum_order,
        lead_time_h=policy.lead_time_h,
        review_days=days,
        source=policy.source,
        is_on=policy.is_on,
        replenish_at=policy.replenish_at,
        confidence_min=policy.confidence_min,
    )
    return PolicyDocument(
        location=state.store,
        gtin=state.gtin,
        version=state.version,
        position=state.position,
        policy=body,
    )
