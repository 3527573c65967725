"""Plants bugs from outside, and digs them out again: the switch that no product code knows of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple


class Plot:
    """Where bugs are planted. What was there before comes back at the end."""

    def __init__(self) -> None:
        self._before: Final[list[tuple[Any, str, Any]]] = []

    def put(self, owner: Any, name: str, bug: Any) -> None:
        """Let `owner.name` be something else."""
        self._before.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, bug)

    def wrap(self, owner: Any, name: str, around: Callable[[Callable[..., Any]], Any]) -> None:
        """Let `owner.name` be what `around` makes of it."""
        self.put(owner, name, around(owner.__dict__[name]))

    def clear(self) -> None:
        """Dig everything out."""
        while self._before:
            setattr(*self._before.pop())


class Canary(NamedTuple):
    """A bug that somebody could make, and the promise that it breaks."""

    name: str
    breaks: str
    what: str
    plant: Callable[[Plot], None]
    needs: tuple[str, ...] = ()
    """Kinds of fault without which nobody could notice; the hunt always has them."""


@contextmanager
def planted(canary: Canary) -> Iterator[None]:
    """Let the bug be there for a while."""
    plot = Plot()
    canary.plant(plot)
    try:
        yield
    finally:
        plot.clear()
