"""What a rule set answers: how much is hidden, and why."""

from typing import Final, Literal

from msgspec import Struct

from protocol.facts import QUANTITY_MAX

HIDDEN_ALL: Final = QUANTITY_MAX
"""The quantity of a buffer that hides everything: more than any location can have. It is not the
stock of the moment, so that what arrives between this answer and a reservation stays hidden too."""

Outcome = Literal["matched", "unmet", "failed", "upcoming", "expired"]


class Buffer(Struct, frozen=True, kw_only=True, gc=False):
    """How many units are hidden from the channel, and by which rule (`None`: nothing is hidden).

    `quantity` is at least 0, in steps of the SKU's measure; `hides_all` says that it stands for
    everything. `matched` names all rules that match, the deciding one first, and `failed` those
    that could not be evaluated.
    """

    quantity: int
    rule: str | None = None
    hides_all: bool = False
    matched: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class Verdict(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one rule in scope.

    `matched`: all conditions hold. `unmet`: `condition` does not hold, or reads what is not known
    (`reason`). `failed`: `condition`, which is the rule's `hide` or one of its conditions, could
    not be evaluated (`reason`), so the rule counts as matching and hides everything. `upcoming` and
    `expired`: not in force at this time. `outranked_by` names the rule that decided instead of this
    one, which matched or failed as well. `hides` is told for those that matched or failed, only.
    """

    rule: str
    outcome: Outcome
    hides: int | None = None
    hides_all: bool = False
    condition: str | None = None
    reason: str | None = None
    outranked_by: str | None = None


class Explanation(Struct, frozen=True, kw_only=True, gc=False):
    """The buffer and how it came about: every rule in scope, in order of precedence."""

    version: int
    buffer: Buffer
    rules: tuple[Verdict, ...]
