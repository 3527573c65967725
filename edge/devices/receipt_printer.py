"""The `receipt_printer` device: an ESC/POS printer on the network, and the drawer plugged into it.

The driver visits: it connects, asks how the printer is, perhaps prints one slip, and leaves, since
most printers serve one connection at a time and the till needs it too. A slip's printing is a
checkpoint before its first byte goes out and another when the printer has confirmed it; a slip in
between is printed once more, headed as repeated, and then never again. Runs on its device actor's
thread; no poll waits longer than `POLL_MAX_MS`.
"""

import logging
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from edge.devices.driver import POLL_MAX_MS, DeviceReport
from edge.devices.escpos import (
    DONE_REQUEST,
    STATUS_REQUEST,
    PrinterStatus,
    parse_done,
    parse_status,
)
from edge.devices.receipt_printer_settings import ReceiptPrinterSettings
from edge.devices.task_slips import Printed, Wanted, next_task, task_slip
from edge.devices.till_activity import TillActivity
from edge.errors import DeviceFault, OutboxFull
from edge.mirror.sqlite import MirrorFailed
from edge.outbox.port import Outbox
from edge.recording.tap import NO_TAP, Tap
from edge.sensing.drawer import DrawerWatch
from protocol.updates import TaskSignal

CONNECT_WAIT_S: Final = 0.2
READ_WAIT_S: Final = 0.1
READ_BYTES_MAX: Final = 256
ANSWER_BYTES_MAX: Final = 64
"""An answer has four bytes; among so many others there is none."""
FAILED_MAX: Final = 3
"""So many visits in a row without an answer are a printer that is not there; one may be busy."""
PRINT_MS_MAX: Final = 20_000
"""A slip takes a second or two; a printer that has not confirmed it by then has not printed it."""
DRAWER_TOLD_MS: Final = 60_000

_log = logging.getLogger(__name__)


class _Visit:
    """One connection, from the question how the printer is."""

    def __init__(self, connection: socket.socket, deadline_ms: int) -> None:
        self.connection = connection
        self.deadline_ms = deadline_ms
        self.stage: Literal["asked", "printing"] = "asked"
        self.answer = b""
        self.task: TaskSignal | None = None


class ReceiptPrinterDriver:
    """Looks after one printer. `tasks` returns what the mirror knows, on this thread."""

    kind = "receipt_printer"

    def __init__(
        self,
        settings: ReceiptPrinterSettings,
        store: str,
        outbox: Outbox,
        tasks: Callable[[], Sequence[TaskSignal]],
        activity: TillActivity,
        clock_ms: Callable[[], int],
        monotonic_ms: Callable[[], int],
        *,
        tap: Tap = NO_TAP,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._store = store
        self._outbox = outbox
        self._tasks = tasks
        self._activity = activity
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._tap = tap
        self._sleep = sleep
        self._drawer = DrawerWatch(settings.transaction_window_ms, DRAWER_TOLD_MS)
        self._wanted = Wanted(kinds=frozenset(settings.tasks), age_max_ms=settings.task_age_max_ms)
        self._checkpoint = f"printed/{settings.name}"
        self._printed: Printed | None = None
        self._visit: _Visit | None = None
        self._due_ms = 0
        self._failed = 0
        self._has_answered = False
        self._slip_trouble: str | None = None

    def open(self, report: DeviceReport) -> None:
        """Take up what was printed. The first visit is the first poll. Raises `DeviceFault`."""
        self._report = report
        self._due_ms = self._monotonic_ms()
        self._tap.opened(self.name, self._due_ms, self._clock_ms())
        stored = self._outbox.checkpoints(self._checkpoint).get(self._checkpoint)
        if stored is not None:
            try:
                self._printed = msgspec.msgpack.decode(stored, type=Printed)
            except msgspec.MsgspecError as error:
                raise self._fault(f"its record of printed slips is damaged: {error}") from error

    def poll(self) -> None:
        """Go on with a visit, begin one, or wait until one is due. Raises `DeviceFault`."""
        if self._visit is not None:
            self._go_on(self._visit)
            return
        wait_ms = self._due_ms - self._monotonic_ms()
        if wait_ms > 0:
            self._sleep(min(wait_ms, POLL_MAX_MS) / 1000)
            return
        self._due_ms = self._monotonic_ms() + self._settings.poll_ms
        self._begin()

    def close(self) -> None:
        """Leave the printer."""
        self._leave()

    def _begin(self) -> None:
        address = (self._settings.host, self._settings.port)
        try:
            connection = socket.create_connection(address, CONNECT_WAIT_S)
        except OSError as error:
            self._missed(f"cannot connect: {error}")
            return
        self._visit = _Visit(connection, self._monotonic_ms() + self._settings.timeout_ms)
        self._send(self._visit, STATUS_REQUEST)

    def _go_on(self, visit: _Visit) -> None:
        try:
            visit.connection.settimeout(READ_WAIT_S)
            data = visit.connection.recv(READ_BYTES_MAX)
        except TimeoutError:
            data = None
        except OSError as error:
            self._break_off(visit, f"the connection is lost: {error}")
            return
        if data:
            self._tap.serial_bytes(self.name, data)
            visit.answer += data
            self._advance(visit)
        elif data is not None:
            self._break_off(visit, "it closed the connection")
        elif self._monotonic_ms() > visit.deadline_ms:
            self._break_off(visit, _silence(visit))

    def _advance(self, visit: _Visit) -> None:
        if visit.stage == "printing" and (has_paper := parse_done(visit.answer)) is not None:
            self._confirm(visit, has_paper=has_paper)
        elif visit.stage == "asked" and (status := parse_status(visit.answer)) is not None:
            self._take(visit, status)
        elif len(visit.answer) > ANSWER_BYTES_MAX:
            self._break_off(visit, f"its status is garbled: {visit.answer[:8]!r}")

    def _take(self, visit: _Visit, status: PrinterStatus) -> None:
        self._failed = 0
        self._has_answered = True
        self._report.count(readings=1)
        self._tell(status)
        if self._settings.prints_tasks and status.can_print:
            self._print_next(visit)
        if visit.stage == "asked":
            self._leave()

    def _tell(self, status: PrinterStatus) -> None:
        now_ms = self._monotonic_ms()
        troubles = [status.trouble, self._slip_trouble]
        if self._settings.drawer != "none":
            is_open = status.is_drawer_high == (self._settings.drawer == "open_is_high")
            self._drawer.seen(is_open=is_open, now_ms=now_ms)
            till = self._settings.till
            # Without a till there is nobody to explain an opening.
            business_ms = now_ms if till is None else self._activity.last_ms(till)
            troubles.append(self._drawer.trouble(business_ms, now_ms))
        detail = "; ".join(each for each in troubles if each)
        if detail:
            self._report.health("degraded", detail[:200])
        else:
            self._report.health("healthy")

    def _print_next(self, visit: _Visit) -> None:
        try:
            tasks = self._tasks()
        except MirrorFailed as error:
            self._slip_trouble = f"tasks cannot be read: {error}"
            return
        try:
            printed = self._printed_so_far(tasks)
            task = next_task(tasks, printed, self._wanted, self._clock_ms())
            if task is None:
                self._slip_trouble = None
                return
            is_repeated = printed.begun == task.task_id
            through, begun = printed.through, task.task_id
            # A second failure would waste paper for ever: it is the last.
            self._remember(Printed(begun) if is_repeated else Printed(through, begun))
        except OutboxFull:
            self._slip_trouble = "the outbox is full; slips wait"
            return
        slip = task_slip(task, self._store, self._settings.columns, is_repeated=is_repeated)
        visit.stage, visit.task, visit.answer = "printing", task, b""
        visit.deadline_ms = self._monotonic_ms() + PRINT_MS_MAX
        self._send(visit, slip + DONE_REQUEST)

    def _confirm(self, visit: _Visit, *, has_paper: bool) -> None:
        assert visit.task is not None, "printing is of a task"  # noqa: S101 # Our own rule.
        if not has_paper:
            self._break_off(visit, "the paper ran out")
            return
        try:
            self._remember(Printed(visit.task.task_id))
            self._slip_trouble = None
            _log.info("%s: printed task %s", self.name, visit.task.task_id)
        except OutboxFull:
            self._slip_trouble = "the outbox is full; slips wait"
        self._leave()

    def _printed_so_far(self, tasks: Sequence[TaskSignal]) -> Printed:
        """Return what was printed; a new printer does not begin with what is past."""
        if self._printed is None:
            newest = max((task.task_id for task in tasks), default="")
            self._remember(Printed(newest))
            return Printed(newest)
        return self._printed

    def _remember(self, printed: Printed) -> None:
        self._outbox.append([], {self._checkpoint: msgspec.msgpack.encode(printed)})
        self._printed = printed

    def _send(self, visit: _Visit, data: bytes) -> None:
        try:
            visit.connection.sendall(data)
        except OSError as error:
            self._break_off(visit, f"the connection is lost: {error}")

    def _break_off(self, visit: _Visit, reason: str) -> None:
        if visit.stage == "printing" and visit.task is not None:
            self._slip_trouble = f"the slip of task {visit.task.task_id} did not come out: {reason}"
            _log.warning("%s: %s", self.name, self._slip_trouble)
        self._leave()
        self._missed(reason)

    def _missed(self, reason: str) -> None:
        self._failed += 1
        if not self._has_answered or self._failed >= FAILED_MAX:
            raise self._fault(reason)

    def _leave(self) -> None:
        if self._visit is not None:
            self._visit.connection.close()
            self._visit = None

    def _fault(self, detail: str) -> DeviceFault:
        line = " ".join(detail.split())[:200]
        where = f"{self._settings.host}:{self._settings.port}"
        return DeviceFault(f"{self.name}: printer at {where}: {line}")


def _silence(visit: _Visit) -> str:
    if not visit.answer:
        return "it does not answer"
    return f"its status is garbled: {visit.answer[:8]!r}"
