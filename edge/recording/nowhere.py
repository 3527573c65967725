"""Where facts go when nobody wants them: devices are recorded, and nothing is decided."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from edge.devices.driver import DeviceReport, Health
from edge.outbox.port import OutboxStatus, PendingFact
from edge.sensing.readings import TagReading
from protocol.facts import AnyFact
from protocol.ids import Epoch, Seq

_EPOCH: Final = Epoch(1)


class NowhereOutbox:
    """An outbox that keeps nothing and is never full."""

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Forget the facts."""

    def checkpoints(self, prefix: str) -> dict[str, bytes]:
        """Return nothing."""
        del prefix
        return {}

    def status(self) -> OutboxStatus:
        """Return that nothing is pending."""
        return OutboxStatus(
            epoch=_EPOCH,
            first_seq=Seq(1),
            next_seq=Seq(1),
            pending_bytes=0,
            telemetry_shed=0,
            stock_shed=0,
        )

    def read(self, after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        """Return nothing."""
        del after, facts_max, bytes_max
        return []

    def trim(self, epoch: Epoch, through: Seq) -> None:
        """There is nothing to forget."""

    def start_epoch(self, keep_from: Seq) -> Epoch:
        """Stay in the only epoch there is."""
        del keep_from
        return _EPOCH

    def on_append(self, notify: Callable[[], None]) -> None:
        """Notify nobody."""

    def close(self) -> None:
        """Release nothing."""


class NowhereSink:
    """A `TagSink` that forgets."""

    def observe(self, readings: list[TagReading]) -> None:
        """See `TagSink.observe`."""


class SilentReport:
    """A `DeviceReport` that nobody reads."""

    def health(self, health: Health, detail: str = "") -> None:
        """See `DeviceReport.health`."""

    def count(self, *, readings: int = 0, facts: int = 0) -> None:
        """See `DeviceReport.count`."""


SILENT: Final[DeviceReport] = SilentReport()
