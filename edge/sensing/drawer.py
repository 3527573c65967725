"""A cash drawer's openings against the till's business: which had no transaction nearby.

Pure. A till's journal comes after the drawer opened, so an opening is judged when its window has
passed. Times are on one clock that never goes back; the till's own clock plays no part.
"""

from typing import Final

LONG_OPEN_MS: Final = 300_000
"""A drawer that is open for longer is told."""
OPENINGS_PENDING_MAX: Final = 64
"""The newest openings are judged; more within one window than these say nothing more."""


class DrawerWatch:
    """Follows one drawer. A transaction within `window_ms` explains an opening.

    `told_for_ms` is how long an unexplained opening stays in the health.
    """

    def __init__(self, window_ms: int, told_for_ms: int) -> None:
        self._window_ms = window_ms
        self._told_for_ms = told_for_ms
        self._was_seen = False
        self._open_since_ms: int | None = None
        self._pending: list[int] = []
        self._told: tuple[int, int] | None = None

    def seen(self, *, is_open: bool, now_ms: int) -> None:
        """Take in what the drawer's sensor says."""
        if not is_open:
            self._open_since_ms = None
        elif self._open_since_ms is None:
            self._open_since_ms = now_ms
            if self._was_seen:  # Of a drawer found open nobody knows when it was opened.
                self._pending = [*self._pending, now_ms][-OPENINGS_PENDING_MAX:]
        self._was_seen = True

    def trouble(self, transaction_ms: int | None, now_ms: int) -> str | None:
        """Return what is odd about the drawer; `transaction_ms` is when the till last did business.

        Ages are told in whole minutes, so that the text changes rarely.
        """
        if transaction_ms is not None:
            self._pending = [
                at_ms for at_ms in self._pending if abs(transaction_ms - at_ms) > self._window_ms
            ]
        overdue = [at_ms for at_ms in self._pending if now_ms - at_ms > self._window_ms]
        if overdue:
            self._pending = [at_ms for at_ms in self._pending if at_ms not in overdue]
            self._told = (now_ms, len(overdue))
        if self._told is not None and now_ms - self._told[0] < self._told_for_ms:
            return _times(self._told[1])
        self._told = None
        if self._open_since_ms is not None and now_ms - self._open_since_ms > LONG_OPEN_MS:
            return f"the drawer is open for more than {LONG_OPEN_MS // 60_000} minutes"
        return None


def _times(count: int) -> str:
    times = "" if count == 1 else f" {count} times"
    return f"the drawer was opened{times} without a transaction at the till"
