"""The types a CEL value can have in a rule: fewer than CEL has, without maps and times."""

from typing import Final

BOOL: Final = "bool"
INT: Final = "int"
DOUBLE: Final = "double"
STRING: Final = "string"
STRINGS: Final = "list(string)"
NUMBERS: Final = frozenset((INT, DOUBLE))

_LIST_PREFIX: Final = "list("


def list_of(item_type: str) -> str:
    """Return the type of a list with such items."""
    return f"{_LIST_PREFIX}{item_type})"


def item_type_of(list_type: str) -> str | None:
    """Return the type of a list's items, or `None` for what is not a list."""
    if not list_type.startswith(_LIST_PREFIX):
        return None
    return list_type[len(_LIST_PREFIX) : -1]
