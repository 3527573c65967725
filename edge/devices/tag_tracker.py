"""The tag tracker: one thread that runs tag sensing over what all readers of the store report.

Readers put readings into a bounded queue and wait while it is full. The tracker takes all that
waits, decides, and appends facts with their register entries. Sensing has already moved on in
memory when the outbox refuses, so nothing further is read until the outbox has taken what was
decided: the register in memory and on disk never part. Telemetry that is refused is dropped; the
outbox counts it.
"""

import logging
import queue
import threading
from collections.abc import Callable
from itertools import chain
from typing import Final

from edge.errors import OutboxFailed, OutboxFull
from edge.outbox.port import Outbox
from edge.recording.tap import NO_TAP, Tap
from edge.sensing.decisions import Decisions
from edge.sensing.readings import TagReading
from edge.sensing.register import (
    BASELINE,
    PREFIX,
    SWEPT_THROUGH,
    restore,
    restore_swept_through,
)
from edge.sensing.tags import Layout, TagSensing, TagSettings
from protocol.facts import TagsAppeared, TagsLeft

REPORTS_WAITING_MAX: Final = 256
REPORTS_PER_DECISION_MAX: Final = 64
TICK_S: Final = 0.1
RETRY_S: Final = 1.0

_log = logging.getLogger(__name__)


def restored_sensing(
    layout: Layout, settings: TagSettings, outbox: Outbox, now_ms: int
) -> TagSensing:
    """Return tag sensing that knows what the outbox's checkpoints say, beginning at `now_ms`."""
    return TagSensing(
        layout,
        settings,
        restore(outbox.checkpoints(PREFIX)),
        baseline_done=BASELINE in outbox.checkpoints(BASELINE),
        now_ms=now_ms,
        swept_through_ms=restore_swept_through(outbox.checkpoints(SWEPT_THROUGH)),
    )


class TagTracker:
    """Runs `TagSensing` on a thread of its own; the readers' `TagSink`."""

    def __init__(
        self,
        layout: Layout,
        settings: TagSettings,
        outbox: Outbox,
        clock_ms: Callable[[], int],
        on_failure: Callable[[str], None],
        tap: Tap = NO_TAP,
    ) -> None:
        self._outbox = outbox
        self._clock_ms = clock_ms
        self._on_failure = on_failure
        self._tap = tap
        self._reports: queue.Queue[list[TagReading]] = queue.Queue(REPORTS_WAITING_MAX)
        self._stopping = threading.Event()
        started_ms = clock_ms()
        self._sensing = restored_sensing(layout, settings, outbox, started_ms)
        tap.sensing_started(started_ms)
        self._thread = threading.Thread(target=self._run, name="tag-tracker", daemon=True)

    @property
    def known_tags(self) -> int:
        """How many tags the register holds."""
        return self._sensing.known_tags

    @property
    def foreign_tags(self) -> int:
        """Readings so far of tags that carry no GTIN."""
        return self._sensing.foreign_tags

    def start(self) -> None:
        """Begin to decide."""
        self._thread.start()

    def stop(self) -> None:
        """Decide about everything that was reported, then end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def observe(self, readings: list[TagReading]) -> None:
        """See `TagSink.observe`."""
        while not self._stopping.is_set():
            try:
                self._reports.put(readings, timeout=RETRY_S)
            except queue.Full:
                continue
            return

    def _run(self) -> None:
        try:
            is_recorded = True
            while not (self._stopping.is_set() and self._reports.empty()):
                reports = self._waiting()
                now_ms = self._clock_ms()
                self._tap.decided(now_ms, (report[0].reader for report in reports))
                is_recorded = self._record(
                    self._sensing.observe(chain.from_iterable(reports), now_ms)
                )
            if is_recorded:
                self._record(self._sensing.finish())
        except OutboxFailed as error:
            self._on_failure(str(error))
        except Exception as error:  # noqa: BLE001 # The agent must not read on for nobody.
            _log.exception("tag sensing failed")
            self._on_failure(f"tag sensing failed: {error!r}")

    def _waiting(self) -> list[list[TagReading]]:
        try:
            reports = [self._reports.get(timeout=TICK_S)]
        except queue.Empty:
            return []
        for _ in range(REPORTS_PER_DECISION_MAX - 1):
            try:
                reports.append(self._reports.get_nowait())
            except queue.Empty:
                break
        return reports

    def _record(self, decisions: Decisions) -> bool:
        """Append what was decided, and return whether it is durable: not when we have to stop."""
        facts, checkpoints = decisions
        while facts or checkpoints:
            try:
                self._outbox.append(facts, checkpoints)
            except OutboxFull as error:
                facts = [fact for fact in facts if not isinstance(fact, TagsAppeared | TagsLeft)]
                if not facts and not checkpoints:
                    return True
                _log.warning("tags wait for room in the outbox: %s", error)
                if self._stopping.wait(RETRY_S):
                    return False  # A restart decides it anew from the next readings.
            else:
                return True
        return True
