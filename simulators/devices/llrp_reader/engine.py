"""A reader between its antennas and its one client: connection rules, reports, events.

No sockets and no timers inside: frames and monotonic milliseconds come in, frames go out through
a `Link`. The rules (section numbers are LLRP 1.0.1's):

- One client at a time (§18.1). Another one is told why and closed, and the connected client hears
  of the attempt, which also brings a half-open connection to light.
- ROSpecs run on whether or not a client is connected. What they read waits in the tag buffer.
- With HoldEventsAndReportsUponReconnect (§12.2.6.4) a new connection gets nothing but its
  ConnectionAttemptEvent and responses until ENABLE_EVENTS_AND_REPORTS. Without it nothing is
  held: what waits and is due is sent right after the ConnectionAttemptEvent.
- Lost reports are told first (§13.2.6.6), waiting ones come before new ones, and the reports of an
  AISpec or ROSpec before the event that ends it (§13.2.6). Other events are never kept: what
  nobody can be told now is counted and dropped.
- A client that cannot take more gets no reports and no keepalives until it can; tags accumulate.
- A message that the reader cannot use is answered with ERROR_MESSAGE (§14.1.1). A client that
  sends too many in a row, announces an impossible length or stops answering keepalives is closed
  after a ConnectionCloseEvent (§13.2.6.12).
"""

import logging
from collections.abc import Callable, Set
from typing import Final, NamedTuple

from llrpkit.protocol import LLRPMessage, messages, params
from llrpkit.protocol.enums import (
    ConnectionAttemptStatusType,
    NotificationEventType,
    ROReportTriggerType,
    StatusCode,
)

from simulators.devices.llrp_reader import events
from simulators.devices.llrp_reader.accessspec import AccessSpecs
from simulators.devices.llrp_reader.config import ReaderConfig
from simulators.devices.llrp_reader.drive import ReadModel
from simulators.devices.llrp_reader.incoming import decode, message_id
from simulators.devices.llrp_reader.inventory import Inventory
from simulators.devices.llrp_reader.keepalives import Keepalives
from simulators.devices.llrp_reader.report_faults import ReportFaults
from simulators.devices.llrp_reader.reports import TagBuffer, TagReport
from simulators.devices.llrp_reader.requests import Requests
from simulators.devices.llrp_reader.rospec import Change, RoSpecs
from simulators.devices.llrp_reader.session import Link, Session
from simulators.devices.llrp_reader.settings import ReaderSettings, ReaderStats
from simulators.devices.llrp_reader.statuses import RequestRefused, failure, success
from simulators.devices.llrp_reader.tag_memory import TagMemories

_logger: Final = logging.getLogger(__name__)
_Attempt = ConnectionAttemptStatusType
_Notification = NotificationEventType
_REPORTED_AT: Final[dict[int, tuple[str, ...]]] = {
    ROReportTriggerType.Upon_N_Tags_Or_End_Of_AISpec: ("ai_spec_ended", "ended"),
    ROReportTriggerType.Upon_N_Tags_Or_End_Of_ROSpec: ("ended",),
}


class Kept(NamedTuple):
    """What is left of a reader without power; `ReaderSettings.keeps_specs` says of how much."""

    config: ReaderConfig
    ro_specs: list[params.ROSpec]
    access_specs: list[params.AccessSpec]


class ReaderEngine:
    """One powered reader. A power cycle is a new engine that is given the old one's `stats`.

    `clock_us` is the reader's UTC clock, or its uptime if it has no calendar. `faults` has the
    kinds of fault that are on, and may change at any time.
    """

    def __init__(
        self,
        *,
        antennas: int,
        reads: ReadModel,
        clock_us: Callable[[], int],
        settings: ReaderSettings,
        stats: ReaderStats,
        memories: TagMemories,
        faults: Set[str] = frozenset(),
        before: Kept | None = None,
        now_ms: int = 0,
    ) -> None:
        self._settings = settings
        self._stats = stats
        self._clock_us = clock_us
        self._faults = faults
        self._now_ms = now_ms
        self._config = _config(antennas, settings, before)
        self._buffer = TagBuffer(settings.buffer_tags_max, stats)
        self._report_faults = ReportFaults(faults, settings, stats)
        self._access_specs = AccessSpecs(settings.access_specs_max, antennas, memories)
        self._inventory = Inventory(
            reads=reads,
            clock_us=clock_us,
            config=self._config,
            access_specs=self._access_specs,
            buffer=self._buffer,
            stats=stats,
            utc=settings.has_utc_clock,
        )
        self._ro_specs = RoSpecs(
            antennas=antennas,
            gpi_ports=settings.gpi_ports,
            ro_specs_max=settings.ro_specs_max,
            on_change=self._on_change,
        )
        self._requests = Requests(
            ro_specs=self._ro_specs,
            access_specs=self._access_specs,
            config=self._config,
            antennas=antennas,
            settings=settings,
            clock_us=clock_us,
        )
        self._session: Session | None = None
        self._next_round_ms = 0
        if before is not None and settings.keeps_specs:
            self._access_specs.restore(before.access_specs)
            self._ro_specs.restore(before.ro_specs, now_ms, clock_us() // 1_000)

    def connect(self, link: Link, now_ms: int) -> None:
        """Accept a client, or refuse it if there is one."""
        self._now_ms = now_ms
        if self._session is not None:
            self._refuse(link, self._session)
            return
        self._requests.extensions = False
        keepalives = Keepalives(self._settings.keepalives_unanswered_max)
        keepalives.configure(self._config.keepalive, now_ms)
        self._session = Session(link, keepalives, held=self._config.hold_upon_reconnect)
        self._stats.connections += 1
        self._session.tell(events.connection_attempt(self._stamp(), _Attempt.Success))
        self.deliver()

    def power_off(self) -> Kept:
        """Lose power, and every read that was not sent; return what may be left of this life."""
        self._buffer.forget()
        self._report_faults.forget()
        return Kept(self._config, self._ro_specs.all(), self._access_specs.all())

    @property
    def is_connected(self) -> bool:
        """Whether a client is connected, as far as the reader knows."""
        return self._session is not None

    @property
    def gpo_levels(self) -> dict[int, bool]:
        """The output ports' levels, as clients have set them."""
        return self._config.gpo_levels

    def disconnected(self, link: Link) -> None:
        """A connection is gone, whoever closed it."""
        if self._session is not None and self._session.link is link:
            self._session = None

    def receive(self, link: Link, frame: bytes, now_ms: int) -> None:
        """Take one whole frame from a client; one that is being closed is not listened to."""
        session = self._session
        if session is None or session.link is not link:
            return
        self._now_ms = now_ms
        self._stats.messages_received += 1
        session.keepalives.answered()
        try:
            self._handle(session, decode(frame), now_ms)
        except RequestRefused as refused:
            self._reject(session, refused, message_id(frame))
        else:
            session.errors_in_a_row = 0

    def stream_broken(self, link: Link, reason: str) -> None:
        """A client's bytes cannot be cut into messages any more."""
        session = self._session
        if session is None or session.link is not link:
            return
        _logger.warning("LLRP client %s is disconnected: %s", link.peer, reason)
        self._answer_error(session, RequestRefused(StatusCode.M_ParameterError, reason), 0)
        self.close(reason)

    def close(self, reason: str) -> None:
        """Say goodbye to the client, if there is one, and listen to it no more."""
        session = self._session
        if session is not None:
            _logger.info("LLRP connection of %s is closed: %s", session.link.peer, reason)
            session.tell(events.connection_close(self._stamp()))
            session.link.close()
            self._session = None

    def deliver(self) -> None:
        """Send what may be sent now: the news of lost tags, then the reports that are due."""
        session = self._session
        if session is not None and session.open_to_reports:
            if self._buffer.overflowed:
                self._buffer.overflowed = False
                session.tell(events.report_buffer_overflow(self._stamp()))
            self._send_reports(session)

    def advance(self, now_ms: int) -> int | None:
        """Do what is due. Returns when more is due at the latest, if time alone decides that."""
        self._now_ms = now_ms
        self._ro_specs.advance(now_ms)
        run = self._ro_specs.run
        if run is not None and now_ms >= self._next_round_ms:
            self._buffer.tags_max = self._tags_max()
            epcs = self._inventory.round(run, now_ms)
            # A round that was missed is not made up for: air time does not come back.
            due_ms = self._next_round_ms + self._settings.round_ms
            self._next_round_ms = due_ms if due_ms > now_ms else now_ms + self._settings.round_ms
            self._ro_specs.observed(run, epcs, now_ms)
        overdue_ms = self._reports_overdue_ms()
        is_overdue = overdue_ms is not None and now_ms >= overdue_ms
        if is_overdue or self._access_specs.report_is_due:
            self._access_specs.report_is_due = False
            self._buffer.make_all_ready()
        self.deliver()
        self._keep_alive(now_ms)
        return self._due_ms()

    def set_gpi(self, port: int, high: bool, now_ms: int) -> None:
        """Drive an input port. Its changes count once the client has enabled it (§12.2.6.3)."""
        if self._config.gpi_levels[port] == high:
            return
        self._config.gpi_levels[port] = high
        if self._config.gpi_enabled(port):
            self._notify(_Notification.GPI_Event, events.gpi(self._stamp(), port, high=high))
            self._ro_specs.gpi(port, high, now_ms)

    def set_antenna_connected(self, antenna: int, connected: bool) -> None:
        """Plug an antenna in or out; without it no tag in its field is read."""
        if self._config.connected[antenna] != connected:
            self._config.connected[antenna] = connected
            event = events.antenna(self._stamp(), antenna, connected=connected)
            self._notify(_Notification.Antenna_Event, event)

    def _handle(self, session: Session, message: LLRPMessage, now_ms: int) -> None:
        if self._requests.knows(message):
            session.respond(self._requests.answer(message, now_ms), message.message_id)
            if isinstance(message, messages.SET_READER_CONFIG) and message.keepalive_spec:
                session.keepalives.configure(self._config.keepalive, now_ms)
        elif isinstance(message, messages.KEEPALIVE_ACK):
            self._stats.keepalives_answered += 1
        elif isinstance(message, messages.GET_REPORT):
            self._buffer.make_all_ready()
            if not self._send_reports(session):
                session.tell(messages.RO_ACCESS_REPORT())
        elif isinstance(message, messages.ENABLE_EVENTS_AND_REPORTS):
            if session.held:
                session.held = False
                self._buffer.make_all_ready()
            self.deliver()
        elif isinstance(message, messages.CLOSE_CONNECTION):
            response = messages.CLOSE_CONNECTION_RESPONSE(llrp_status=success())
            session.respond(response, message.message_id)
            session.link.close()
            self._session = None
        else:
            text = f"{type(message).__name__} is not supported"
            raise RequestRefused(StatusCode.M_UnsupportedMessage, text)

    def _reject(self, session: Session, refused: RequestRefused, to_id: int) -> None:
        _logger.warning("LLRP client %s sent an unusable message: %s", session.link.peer, refused)
        self._answer_error(session, refused, to_id)
        session.errors_in_a_row += 1
        if session.errors_in_a_row >= self._settings.errors_in_a_row_max:
            self.close("too many unusable messages in a row")

    def _answer_error(self, session: Session, refused: RequestRefused, to_id: int) -> None:
        self._stats.errors_sent += 1
        session.respond(messages.ERROR_MESSAGE(llrp_status=failure(refused)), to_id)

    def _refuse(self, link: Link, session: Session) -> None:
        self._stats.connections_refused += 1
        _logger.warning("LLRP client %s is refused: %s is connected", link.peer, session.link.peer)
        taken = _Attempt.Failed_A_Client_Initiated_Connection_Already_Exists
        link.send(events.connection_attempt(self._stamp(), taken).to_bytes())
        link.close()
        if session.link.writable:
            another = _Attempt.Another_Connection_Attempted
            session.tell(events.connection_attempt(self._stamp(), another))

    def _send_reports(self, session: Session) -> int:
        """Send the reports that are ready while the client takes them; returns how many."""
        sent = 0
        for late in self._report_faults.due(self._now_ms):
            self._send_report(session, late)
        while session.link.writable and self._buffer.ready:
            report = self._buffer.take(self._settings.report_tags_max)
            for each in self._report_faults.sent(report, self._now_ms):
                self._send_report(session, each)
            sent += 1
        return sent

    def _send_report(self, session: Session, report: TagReport) -> None:
        session.report(report.body)
        self._stats.reports_sent += 1
        self._stats.tags_reported += report.tags
        self._stats.reads_reported += report.reads

    def _stamp(self) -> events.Stamp:
        if self._settings.has_utc_clock:
            return params.UTCTimestamp(microseconds=self._clock_us())
        return params.Uptime(microseconds=self._clock_us())

    def _tags_max(self) -> int:
        if "buffer_overflow" in self._faults:
            return self._settings.buffer_tags_max_at_overflow
        return self._settings.buffer_tags_max

    def _on_change(self, change: Change) -> None:
        report = change.spec.ro_report_spec or self._config.ro_report
        if change.kind in _REPORTED_AT.get(report.ro_report_trigger, ()):
            self._buffer.make_all_ready()
            self.deliver()
        stamp, spec_id = self._stamp(), change.spec.ro_spec_id
        if change.kind == "ai_spec_ended":
            ended = events.ai_spec_ended(stamp, spec_id, change.spec_index)
            self._notify(_Notification.AISpec_Event, ended)
        else:
            event = events.ro_spec(stamp, spec_id, started=change.kind == "started")
            self._notify(_Notification.ROSpec_Event, event)

    def _notify(self, kind: NotificationEventType, event: events.Event) -> None:
        if not self._config.notifies(kind):
            return
        if self._session is not None and self._session.open_to_reports:
            self._session.tell(event)
        else:
            self._stats.events_undelivered += 1

    def _keep_alive(self, now_ms: int) -> None:
        session = self._session
        due_ms = session.keepalives.due_ms if session else None
        if session is None or due_ms is None or now_ms < due_ms:
            return
        if session.keepalives.client_gone:
            reason = "its keepalives go unanswered"
            _logger.warning("LLRP client %s is disconnected: %s", session.link.peer, reason)
            self.close(reason)
            return
        session.keepalives.sent(now_ms)
        if "no_keepalives" in self._faults:
            session.keepalives.answered()  # Nobody can answer what was not sent.
        elif session.link.writable:
            session.tell(messages.KEEPALIVE())
            self._stats.keepalives_sent += 1

    def _reports_overdue_ms(self) -> int | None:
        oldest_ms = self._buffer.oldest_ms()
        return None if oldest_ms is None else oldest_ms + self._settings.report_hold_max_ms

    def _due_ms(self) -> int | None:
        dues = [self._ro_specs.due_ms(), self._reports_overdue_ms()]
        if self._session is not None and self._session.open_to_reports:
            dues.append(self._report_faults.due_ms)
        if self._ro_specs.run is not None:
            dues.append(self._next_round_ms)
        if self._session is not None:
            dues.append(self._session.keepalives.due_ms)
        return min((due for due in dues if due is not None), default=None)


def _config(antennas: int, settings: ReaderSettings, before: Kept | None) -> ReaderConfig:
    if before is not None and settings.keeps_specs:
        return before.config
    config = ReaderConfig(antennas, settings.gpi_ports, settings.gpo_ports, settings.temperature_c)
    if before is not None:
        config.plugged_as(before.config)
    return config
