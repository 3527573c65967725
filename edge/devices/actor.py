"""The actor that runs one driver: a thread of its own, driven by a message it tells itself.

Between two polls the inbox gets its turn, so that a stop is never far away; more than one poll and
one stop never wait in it. Whatever a driver raises ends its actor: the driver is closed first, and
then the supervisor hears why.
"""

from collections.abc import Callable
from typing import Final

import pykka

from edge.devices.driver import DeviceReport, Driver

_POLL: Final = object()


class DeviceActor(pykka.ThreadingActor):
    """Makes one driver and hosts it from open to close.

    `ended` is called once, on the actor's thread, after the driver was closed: with what it
    raised, or with `None` when the actor was asked to stop.
    """

    # A device that hangs in the kernel must not keep the process from ending.
    use_daemon_thread = True

    def __init__(
        self,
        make: Callable[[], Driver],
        report: DeviceReport,
        ended: Callable[[Exception | None], None],
    ) -> None:
        super().__init__()
        self._make = make
        self._report = report
        self._ended = ended
        self._driver: Driver | None = None
        self._error: Exception | None = None

    def on_start(self) -> None:
        """Make the driver, open the device and begin to poll it."""
        self._guard(self._open)

    def on_receive(self, message: object) -> None:
        """Poll once. Nobody but the actor itself sends it messages."""
        if message is _POLL and self._driver is not None:
            self._guard(self._driver.poll)

    def on_stop(self) -> None:
        """Close the device, then say that it has ended."""
        try:
            if self._driver is not None:
                self._driver.close()
        finally:
            self._ended(self._error)

    def _open(self) -> None:
        self._driver = self._make()
        self._driver.open(self._report)

    def _guard(self, work: Callable[[], None]) -> None:
        # Pykka would log whatever escapes with a traceback and skip `on_stop`; the supervisor
        # judges instead, and the driver is closed in every case.
        try:
            work()
        except Exception as error:  # noqa: BLE001 # It ends this actor and goes to the supervisor.
            self._error = error
            self.stop()
        else:
            self.actor_ref.tell(_POLL)
