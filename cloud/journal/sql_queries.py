"""What the SQL of a journal's reads asks of a database: rows as types.

The statements are written once, with `?` for values, and run on every SQL adapter.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

R = TypeVar("R")


class SqlQueries(ABC):
    """A connection, for one thread."""

    @abstractmethod
    def _rows(self, make: Callable[..., R], sql: str, *bindings: str | int) -> Iterator[R]:
        """Return rows as they come."""

    @abstractmethod
    def _many(
        self, make: Callable[..., R], sql: str, bindings: Iterable[tuple[str, str]]
    ) -> list[R]:
        """Return the rows of a statement that is run with each of these."""

    @abstractmethod
    def _one(self, make: Callable[..., R], sql: str, *bindings: str | int) -> R | None:
        """Return the only row, if there is one."""

    def _number(self, sql: str, *bindings: str | int) -> int:
        return self._one(int, sql, *bindings) or 0
