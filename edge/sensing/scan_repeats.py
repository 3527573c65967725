"""Runs of one item at a till's scanner: how a flavour scanned for its neighbours shows.

Pure. A cashier who scans one yoghurt three times for three flavours leaves a run of three; so does
a customer who buys three of one. A run is telemetry, a hint where to recount, never a fact about
stock.
"""

from typing import Final, NamedTuple

from protocol.ids import Gtin

RUN_GAP_MS: Final = 15_000
"""A longer pause between two scans ends a run: the next customer may buy the same."""


class Run(NamedTuple):
    """One item, scanned `times` in a row."""

    gtin: Gtin
    times: int


class RepeatWatch:
    """Follows one till's scans. Runs of `times_min` and more are told when they are over."""

    def __init__(self, times_min: int) -> None:
        self._times_min = times_min
        self._run: Run | None = None
        self._last_ms = 0

    def scanned(self, gtin: Gtin, at_ms: int) -> Run | None:
        """Take a scan in; return the run that it ends, if that was long enough to be told."""
        ended = self.quiet(at_ms)
        run = self._run
        if run is not None and run.gtin == gtin:
            self._run = Run(gtin, run.times + 1)
        else:
            ended = ended or self._told(run)
            self._run = Run(gtin, 1)
        self._last_ms = at_ms
        return ended

    def quiet(self, now_ms: int) -> Run | None:
        """Return the run that a pause has ended, once."""
        if self._run is None or 0 <= now_ms - self._last_ms <= RUN_GAP_MS:
            return None
        run, self._run = self._run, None
        return self._told(run)

    def _told(self, run: Run | None) -> Run | None:
        return run if run is not None and run.times >= self._times_min else None
