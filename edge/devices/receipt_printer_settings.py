"""Settings of a `receipt_printer` device; apart from its driver."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct, field

from protocol.facts import Name

TaskKind = Literal["replenish", "recount", "pick"]


class ReceiptPrinterSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ESC/POS printer on the network, perhaps with a cash drawer.

    It is looked at every `poll_ms`, over a connection that lasts no longer than that look, so that
    the till can print in between. `drawer` says at which level of the drawer's sensor the drawer is
    open (pin 3 of its connector), `none` if there is no drawer. An opening without a transaction
    of the `till` (a `pos_journal` device) within `transaction_window_ms` is told. With
    `prints_tasks` the tasks of the kinds in `tasks` come out as slips of `columns` characters a
    line, unless they are older than `task_age_max_ms`.
    """

    name: Name
    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Annotated[int, Meta(ge=1, le=65_535)] = 9_100
    poll_ms: Annotated[int, Meta(ge=250, le=600_000)] = 2_000
    timeout_ms: Annotated[int, Meta(ge=20, le=5_000)] = 1_000
    drawer: Literal["none", "open_is_high", "open_is_low"] = "none"
    till: Name | None = None
    transaction_window_ms: Annotated[int, Meta(ge=1_000, le=3_600_000)] = 120_000
    prints_tasks: bool = False
    tasks: Annotated[list[TaskKind], Meta(min_length=1, max_length=3)] = field(
        default_factory=lambda: list(get_args(TaskKind))
    )
    columns: Annotated[int, Meta(ge=24, le=96)] = 42
    task_age_max_ms: Annotated[int, Meta(ge=60_000, le=604_800_000)] = 28_800_000
