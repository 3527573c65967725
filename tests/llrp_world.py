"""A simulated reader in virtual time, its field, and the client that is connected to it."""

from typing import Any

from llrpkit.protocol import LLRPMessage, messages, params
from llrpkit.protocol.enums import KeepaliveTriggerType, NotificationEventType, StatusCode

from simulators.devices.llrp_reader.drive import AntennaDrive
from simulators.devices.llrp_reader.engine import Kept, ReaderEngine
from simulators.devices.llrp_reader.settings import ReaderSettings, ReaderStats, TagInField
from simulators.devices.llrp_reader.tag_memory import TagMemories
from tests.llrp_messages import ListedLink, events_in, ro_spec

EPCS = [bytes([i]) * 12 for i in range(1, 6)]
CLOCK_US = 1_700_000_000_000_000


class World:
    """A reader in virtual time, its field, and the client that is connected to it."""

    def __init__(self, **changed: Any) -> None:
        self.now_ms = 0
        self.field: dict[int, list[bytes]] = {1: EPCS[:2], 2: EPCS[2:3]}
        self.read_as = TagInField(b"", -50.0)
        self.stats = ReaderStats()
        self.faults: set[str] = set()
        self.drives: list[AntennaDrive] = []
        self.memories = TagMemories(100)
        self._settings = ReaderSettings(**changed)
        self._on_us = 0
        self.engine = self._power_on(None)
        self.link = ListedLink()
        self._message_id = 100

    def _power_on(self, before: Kept | None) -> ReaderEngine:
        return ReaderEngine(
            antennas=2,
            reads=self._reads,
            clock_us=self._clock_us,
            settings=self._settings,
            stats=self.stats,
            memories=self.memories,
            faults=self.faults,
            before=before,
            now_ms=self.now_ms,
        )

    def _clock_us(self) -> int:
        now_us = self.now_ms * 1_000
        return CLOCK_US + now_us if self._settings.has_utc_clock else now_us - self._on_us

    def _reads(self, drive: AntennaDrive) -> list[TagInField]:
        self.drives.append(drive)
        return [self.read_as._replace(epc=epc) for epc in self.field[drive.antenna]]

    def reboot(self) -> None:
        """Lose power for no time."""
        kept = self.engine.power_off()
        self._on_us = self.now_ms * 1_000
        self.engine = self._power_on(kept)

    def connect(self) -> list[LLRPMessage]:
        self.link = ListedLink()
        self.engine.connect(self.link, self.now_ms)
        return self.link.take()

    def lose_client(self) -> None:
        self.engine.disconnected(self.link)

    def ask(self, message: LLRPMessage) -> Any:
        """Send a request, and return the response to it; what else was sent is dropped."""
        return next(each for each in self.send(message) if each.message_id == self._message_id)

    def send(self, message: LLRPMessage) -> list[LLRPMessage]:
        self._message_id += 1
        return self.send_frame(message.to_bytes(message_id=self._message_id))

    def send_frame(self, frame: bytes) -> list[LLRPMessage]:
        self.engine.receive(self.link, frame, self.now_ms)
        return self.link.take()

    def pass_time(self, until_ms: int) -> list[LLRPMessage]:
        """Let time pass as the reader's timer does, and return what was sent meanwhile."""
        due_ms = self.engine.advance(self.now_ms)
        while due_ms is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            due_ms = self.engine.advance(self.now_ms)
        self.now_ms = until_ms
        return self.link.take()

    def configure(self, **parts: Any) -> None:
        succeeded(self.ask(messages.SET_READER_CONFIG(**parts)))

    def start_inventory(self, spec: params.ROSpec | None = None) -> None:
        spec = spec or ro_spec()
        succeeded(self.ask(messages.ADD_ROSPEC(ro_spec=spec)))
        succeeded(self.ask(messages.ENABLE_ROSPEC(ro_spec_id=spec.ro_spec_id)))


def succeeded(response: Any) -> None:
    assert response.llrp_status.status_code == StatusCode.M_Success, response


def attempts_in(received: list[LLRPMessage]) -> list[int]:
    attempts = [event.connection_attempt_event for event in events_in(received)]
    return [attempt.status for attempt in attempts if attempt is not None]


def hold(on: bool = True) -> params.EventsAndReports:
    return params.EventsAndReports(hold_events_and_reports_upon_reconnect=on)


def keepalive_each(period_ms: int) -> params.KeepaliveSpec:
    return params.KeepaliveSpec(
        keepalive_trigger_type=KeepaliveTriggerType.Periodic, periodic_trigger_value=period_ms
    )


def notify(*kinds: NotificationEventType) -> params.ReaderEventNotificationSpec:
    return params.ReaderEventNotificationSpec(
        event_notification_states=[
            params.EventNotificationState(event_type=kind, notification_state=True)
            for kind in kinds
        ]
    )
