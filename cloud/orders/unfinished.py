"""Orders whose work broke off, and when each is gone on with. Pure.

Who was only interrupted is gone on with at the next look. Who fails by himself waits twice as long
after each failure, up to minutes, so that one bad order costs little, however long it is bad.
"""

from typing import Final

RETRY_FIRST_MS: Final = 1_000
RETRY_LAST_MS: Final = 5 * 60_000


class _Broken:
    """How often an order failed since it last came to rest, and how long it waits for that."""

    def __init__(self) -> None:
        self.failures = 0
        self.failed_at_ms = 0
        self.wait_ms = 0

    def waits(self, now_ms: int) -> bool:
        # After a clock that was set back nobody waits for the time that comes twice.
        return 0 <= now_ms - self.failed_at_ms < self.wait_ms


class Unfinished:
    """Remembers so many names; past it the oldest is forgotten, and `has_forgotten` says so."""

    def __init__(self, names_max: int) -> None:
        self._names_max: Final = names_max
        self._broken: Final[dict[str, _Broken]] = {}
        self.has_forgotten = False

    def __len__(self) -> int:
        return len(self._broken)

    @property
    def has_room(self) -> bool:
        """Whether many more can be remembered."""
        return len(self._broken) <= self._names_max // 2

    def broke_off(self, name: str) -> None:
        """Remember an order; if it waits, it goes on waiting."""
        if name in self._broken:
            return
        if len(self._broken) >= self._names_max:
            del self._broken[next(iter(self._broken))]
            self.has_forgotten = True
        self._broken[name] = _Broken()

    def failed(self, name: str, now_ms: int) -> int:
        """Let an order wait; return how often it has failed since it last came to rest."""
        self.broke_off(name)
        broken = self._broken[name]
        broken.failures += 1
        broken.failed_at_ms = now_ms
        broken.wait_ms = min(max(RETRY_FIRST_MS, 2 * broken.wait_ms), RETRY_LAST_MS)
        return broken.failures

    def done(self, name: str) -> None:
        """Forget an order that has come to rest."""
        self._broken.pop(name, None)

    def waits(self, name: str, now_ms: int) -> bool:
        """Say whether an order has failed and is not to be tried yet."""
        broken = self._broken.get(name)
        return broken is not None and broken.waits(now_ms)

    def ready(self, now_ms: int) -> list[str]:
        """Return who may be gone on with."""
        return [name for name, broken in self._broken.items() if not broken.waits(now_ms)]

    def failing(self) -> int:
        """Return how many have failed by themselves and not come to rest since."""
        return sum(1 for broken in self._broken.values() if broken.failures)
