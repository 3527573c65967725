"""Tasks as slips of paper, and which of them are still to be printed.

Pure. A slip says what to do, of which item and why; a slip that may have come out before says so.
Which were printed stands in a checkpoint: the last one, and the one whose printing began and was
not confirmed. Task ids grow with time, so one id stands for all before it.
"""

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from edge.devices.escpos import printable, slip
from protocol.updates import TaskSignal

SLIP_LINES_MAX: Final = 24

_HEADLINES: Final = {"replenish": "REFILL THE SHELF", "recount": "PLEASE COUNT", "pick": "PICK"}
_GRAMS_PER_KG: Final = 1_000


class Printed(Struct, frozen=True, array_like=True):
    """Every task through `through` is done with; `begun` may have come out, or not."""

    through: str
    begun: str = ""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which tasks are printed: their kinds, and how old they may be."""

    kinds: frozenset[str]
    age_max_ms: int


def next_task(
    tasks: Sequence[TaskSignal], printed: Printed, wanted: Wanted, now_ms: int
) -> TaskSignal | None:
    """Return the oldest task that is still to be printed."""
    waiting = [
        task
        for task in tasks
        if task.task_id > printed.through
        and task.kind in wanted.kinds
        and now_ms - task.created_at_ms <= wanted.age_max_ms
    ]
    return min(waiting, key=lambda task: task.task_id, default=None)


def task_slip(task: TaskSignal, store: str, columns: int, *, is_repeated: bool) -> bytes:
    """Return the bytes that print a task, in lines of at most `columns` characters."""
    lines = [f"GTIN {task.gtin}", _what(task)]
    if task.order_id:
        lines.append(f"for order {task.order_id}")
    if task.detail:
        lines.append(task.detail)
    created = datetime.fromtimestamp(min(task.created_at_ms, _LAST_MS) // 1000, UTC)
    lines += [f"{store}  {created:%Y-%m-%d %H:%M} UTC", f"task {task.task_id}"]
    if is_repeated:
        lines.insert(0, "REPEATED: may have been printed before")
    wrapped = [part for line in lines for part in textwrap.wrap(printable(line), columns)]
    headline = _HEADLINES[task.kind]
    return slip(headline[: columns // 2], wrapped[:SLIP_LINES_MAX])


_LAST_MS: Final = 253_402_300_799_000
"""The end of the year 9999, the last that a calendar shows."""


def _what(task: TaskSignal) -> str:
    quantity = _quantity(task)
    if task.kind == "replenish":
        return f"in the backroom: {quantity}"
    return f"we believe there are: {quantity}" if task.kind == "recount" else f"take {quantity}"


def _quantity(task: TaskSignal) -> str:
    if task.measure == "grams":
        return f"{task.quantity / _GRAMS_PER_KG:.3f} kg"
    return "1 piece" if task.quantity == 1 else f"{task.quantity} pieces"
