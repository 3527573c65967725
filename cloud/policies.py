"""The policy file against the journal: which policies are new, changed or withdrawn. Pure.

The file is the authority; the shard journals a command only where it changes something.
Policies set through the API are checked by the same rules.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, get_args

from cloud.journal.rows import StateRow, decode_state
from cloud.shards.messages import SetPolicy
from cloud.sku_location.state import Policy

LEAD_TIME_H_MAX: Final = 8_760

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)
"""By their number in a `Policy`."""


def withdrawn(rows: Iterable[StateRow], commands: Iterable[SetPolicy]) -> Iterator[SetPolicy]:
    """Return a command for every SKU-location with a policy that the file no longer has."""
    kept = {(command.store, command.gtin) for command in commands}
    for row in rows:
        if (row.store, row.gtin) not in kept and decode_state(row.data).policy is not None:
            yield SetPolicy(store=row.store, gtin=row.gtin, policy=None)


def policy_problems(policy: Policy) -> Iterator[str]:
    """Return what of a policy does not go together, as `field = value: what is expected`."""
    if policy.order_up_to <= policy.reorder_point:
        yield (
            f"order_up_to = {policy.order_up_to}: expected more than"
            f" the reorder_point, {policy.reorder_point}"
        )
    days = policy.review_weekdays
    if len(set(days)) < len(days):
        named = ", ".join(WEEKDAYS[day] for day in days)
        yield f"review_weekdays = {named}: expected each weekday at most once"
