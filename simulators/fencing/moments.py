"""When an owner is suspended, and what happens before it may go on. Pure; drawn from a seed.

The moments, in the order in which a commit passes them:

- `before`: the group is decided, the transaction has not begun;
- `first_input`, `between_tables`, `last_key`: inside the transaction, whose lock the suspended
  process holds: rows are being handed to the storage;
- `after`: the transaction is committed, and nobody has been told;
- `anywhere`: whatever the process is doing when the signal comes, most often a synced write.
"""

from random import Random
from typing import Final, Literal, get_args

from msgspec import Struct

Moment = Literal["before", "first_input", "between_tables", "last_key", "after", "anywhere"]

MOMENTS: Final[tuple[Moment, ...]] = get_args(Moment)
INSIDE: Final[frozenset[Moment]] = frozenset(("first_input", "between_tables", "last_key"))

WARM_UP_MS: Final = (20, 120)
ANYWHERE_MS: Final = (0.0, 30.0)
HOLD_MS: Final = (30, 250)
ALONE_MS: Final = (20, 150)
STUBBORN_SHARE: Final = 0.06
"""So often a lock is held until the newcomer has given up, which takes its whole patience."""


class HandoverPlan(Struct, frozen=True, kw_only=True):
    """One hand-over.

    After `warm_up_ms` of load the owner is suspended at `moment`. When the newcomer cannot take
    the journal within `hold_ms`, the owner goes on, or with `is_stubborn` not before the newcomer
    has given up. Once it has it, the newcomer commits alone for `alone_ms`.
    """

    moment: Moment
    warm_up_ms: int
    anywhere_ms: float
    hold_ms: int
    is_stubborn: bool
    alone_ms: int


def draw_plan(rng: Random) -> HandoverPlan:
    """Return the next hand-over. Half of them happen anywhere, half at a chosen moment."""
    chosen = [moment for moment in MOMENTS if moment != "anywhere"]
    return HandoverPlan(
        moment="anywhere" if rng.random() < 0.5 else rng.choice(chosen),
        warm_up_ms=rng.randint(*WARM_UP_MS),
        anywhere_ms=rng.uniform(*ANYWHERE_MS),
        hold_ms=rng.randint(*HOLD_MS),
        is_stubborn=rng.random() < STUBBORN_SHARE,
        alone_ms=rng.randint(*ALONE_MS),
    )
