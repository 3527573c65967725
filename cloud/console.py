"""What the commands print: tables for people, plain lines for pipes, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table


def print_rows(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """Print rows: a table on a terminal, tab-separated lines with a header elsewhere.

    `right` names the columns that hold numbers.
    """
    if not sys.stdout.isatty():
        sys.stdout.write("\t".join(columns) + "\n")
        for row in rows:
            sys.stdout.write("\t".join(str(cell) for cell in row) + "\n")
        return
    table = Table(*columns)
    for column in table.columns:
        column.justify = "right" if column.header in right else "left"
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def print_json(items: Iterable[Any]) -> None:
    """Print a JSON array, an item a line, without holding it in memory."""
    separator = "["
    for item in items:
        sys.stdout.write(f"{separator}\n{msgspec.json.encode(item).decode()}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")
