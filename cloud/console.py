"""What the commands print: tables for people, plain lines for pipes, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from cloud.explaining import Explanation

UNIT_COLUMNS: Final = ("epc", "p_here", "came", "last_read", "reads", "misses")
EVIDENCE_COLUMNS: Final = (
    *("position", "at", "kind", "source", "what", "on_hand", "best", "confidence"),
)
_NUMBERS: Final = ("p_here", "reads", "misses", "position", "on_hand", "best", "confidence")


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


def print_explanation(explanation: Explanation) -> None:
    """Print why a count is what it is, for people."""
    stock, belief = explanation.stock, explanation.stock.belief
    sys.stdout.write(f"{stock.gtin} at {stock.store}, version {stock.version}\n")
    sys.stdout.write(f"the book: {stock.on_hand} {stock.measure} on hand\n")
    if belief is not None:
        sys.stdout.write(
            f"believed: {belief.best} ({belief.low} to {belief.high} with 90 %),"
            f" {belief.confidence:.1%} sure; out of stock {belief.p_out:.1%}\n"
        )
    shares = ", ".join(f"{count}: {share:.1%}" for count, share in explanation.distribution.items())
    sys.stdout.write(f"on hand by probability: {shares}\n")
    hidden = {count: share for count, share in explanation.hidden.items() if count != "0"}
    if hidden:
        shares = ", ".join(f"{count}: {share:.1%}" for count, share in hidden.items())
        sys.stdout.write(f"of these without a known tag: {shares}\n")
    _section("units", UNIT_COLUMNS, explanation.units)
    _section("evidence, oldest first", EVIDENCE_COLUMNS, explanation.evidence)


def _section(title: str, columns: Sequence[str], items: Sequence[Any]) -> None:
    if not items:
        return
    sys.stdout.write(f"\n{title}\n")
    rows = ([getattr(item, column) for column in columns] for item in items)
    print_rows(columns, rows, right=_NUMBERS)
