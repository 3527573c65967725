"""A bug to be caught: both files are opened as the programs do, and then weakened from outside."""

from collections.abc import Callable
from typing import Any

import apsw

import cloud.journal.sqlite
import edge.outbox.sqlite_file


def plant_synchronous_normal() -> None:
    """Let commits return before they are on the disk, in this process, from now on."""
    for module in (edge.outbox.sqlite_file, cloud.journal.sqlite):
        names = vars(module)
        names["open_for_writing"] = _weakened(names["open_for_writing"])


def _weakened(
    open_for_writing: Callable[..., apsw.Connection],
) -> Callable[..., apsw.Connection]:
    def open_weakened(*arguments: Any, **named: Any) -> apsw.Connection:
        connection = open_for_writing(*arguments, **named)
        connection.pragma("synchronous", "normal")
        return connection

    return open_weakened
