"""The `llrp` device: an RFID reader, driven over LLRP 1.0.1 (EPCglobal, 2007).

sllurp's `LLRPClient` speaks the protocol: it asks for capabilities, configures the reader and
installs our ROSpec. Reports that look as we asked for them are read by `llrp_columns`, all others
by sllurp. The socket is ours, because sllurp's own loop accepts a message of any length,
never notices a half-open connection and gives up reconnecting. A fault ends this driver; the
supervisor makes a new one, and the reader keeps running and buffering meanwhile.

Reports are taken at any time of a connection: what a reader buffered comes before our ROSpec is
installed again. Runs on its device actor's thread. The only module that imports sllurp (GPL-3.0).
"""

import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from sllurp.llrp import LLRPClient, LLRPMessage, LLRPReaderConfig, LLRPReaderState
from sllurp.llrp_errors import LLRPError

from edge.devices.driver import DeviceReport
from edge.devices.llrp_clock import Received
from edge.devices.llrp_columns import TagColumns
from edge.devices.llrp_framing import LlrpFramer, LlrpViolation, message_type, parts
from edge.devices.llrp_settings import SEARCH_MODES, LlrpSettings
from edge.devices.llrp_tags import ReaderClocks, tag_readings
from edge.errors import DeviceFault
from edge.recording.tap import NO_TAP, Tap
from edge.sensing.readings import TagSink

RO_ACCESS_REPORT: Final = 61
RECEIVE_BYTES: Final = 65_536
WAIT_S: Final = 0.2
"""What a poll waits for the reader, and what the reader may take to accept a message of ours."""

FAULT_CHARACTERS_MAX: Final = 200
CLOCK_SHIFT_TOLD_MS: Final = 1_000
"""A reader's clock offset is told again when it has moved by so much."""

# What sllurp's state machine raises of a response that decodes but is not what it should be.
_SESSION_ERRORS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

Connect = Callable[[tuple[str, int], float], socket.socket]
"""Connects to an address within some seconds, as `socket.create_connection` does."""

_log = logging.getLogger(__name__)


def decoded_by_sllurp(message: bytes) -> Any:
    """Return sllurp's `LLRPMessage` of a whole message, or raise whatever it raises."""
    return LLRPMessage(msgbytes=message)


class LlrpDriver:
    """Keeps one reader reading and hands what it reads to `sink`.

    `clock_ms` is the gateway's UTC, `monotonic_ms` a clock that is never set.
    """

    kind = "llrp"

    def __init__(
        self,
        settings: LlrpSettings,
        sink: TagSink,
        clock_ms: Callable[[], int],
        monotonic_ms: Callable[[], int],
        *,
        tap: Tap = NO_TAP,
        connect: Connect = socket.create_connection,
    ) -> None:
        _silence_sllurp()
        self.name = settings.name
        self._settings = settings
        self._sink = sink
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._tap = tap
        self._connect = connect
        self._framer = LlrpFramer()
        self._clocks = ReaderClocks()
        self._columns = TagColumns(settings.name)
        self._client = LLRPClient(_reader_config(settings), transport_tx_write=self._send)
        self._socket: socket.socket | None = None
        self._antennas_missing: set[int] = set()
        self._told_ahead_ms: int | None = None
        self._noted: set[str] = set()

    def open(self, report: DeviceReport) -> None:
        """Connect; the LLRP session is set up by the polls. Raises `DeviceFault`."""
        self._report = report
        address = (self._settings.host, self._settings.port)
        try:
            self._socket = self._connect(address, self._settings.connect_timeout_ms / 1000)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(WAIT_S)
        except OSError as error:
            raise self._fault(f"cannot connect: {error}") from error
        self._heard_ms = self._advanced_ms = self._monotonic_ms()
        self._tap.opened(self.name, self._heard_ms, self._clock_ms())

    def poll(self) -> None:
        """Handle what the reader sent, after waiting for it a little. Raises `DeviceFault`.

        Blocks longer only while the sink is full.
        """
        data = self._receive()
        try:
            self._framer.feed(data)
            while (message := self._framer.next_message()) is not None:
                self._handle(message)
                self._heard_ms = self._monotonic_ms()
        except LlrpViolation as error:
            raise self._fault(str(error)) from error
        if self._is_reading:
            self._tell_health()
        self._check_silence()

    def close(self) -> None:
        """Close the connection. The reader keeps its ROSpec running and buffers for the next."""
        if self._socket is not None:
            self._socket.close()

    @property
    def _is_reading(self) -> bool:
        return bool(self._client.state == LLRPReaderState.STATE_INVENTORYING)

    def _receive(self) -> bytes:
        """Return what came, which is nothing if nothing did in time."""
        assert self._socket is not None, "poll before open"  # noqa: S101 # The caller's mistake.
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            return b""
        except OSError as error:
            raise self._fault(f"the connection is lost: {error}") from error
        if not data:
            rest = self._framer.pending_bytes
            tail = f" in the middle of a message, after {rest} bytes of it" if rest else ""
            raise self._fault(f"it closed the connection{tail}")
        return data

    def _send(self, data: bytes) -> None:
        assert self._socket is not None, "sllurp sends only while we poll"  # noqa: S101 # Ours.
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._fault(f"the connection is lost: {error}") from error

    def _check_silence(self) -> None:
        now_ms, limit_ms = self._monotonic_ms(), self._settings.silence_timeout_ms
        if now_ms - self._heard_ms > limit_ms:
            raise self._fault(f"half-open: neither message nor keepalive within {limit_ms} ms")
        if not self._is_reading and now_ms - self._advanced_ms > limit_ms:
            state = LLRPReaderState.getStateName(self._client.state)
            raise self._fault(f"it does not begin to read: the session stays in {state}")

    def _handle(self, data: bytes) -> None:
        received = Received(self._monotonic_ms(), self._clock_ms())
        self._tap.llrp_message(self.name, data, *received)
        if message_type(data) == RO_ACCESS_REPORT:
            self._take_report(data, received)
            return
        message = self._decode(data)
        name: str = message.getName()
        content = message.msgdict[name]
        if name == "READER_EVENT_NOTIFICATION":
            self._take_event(message, received)
        else:
            # sllurp only logs some refusals and then waits for ever.
            if "LLRPStatus" in content:
                self._require_success(name, content["LLRPStatus"])
            self._advance_session(name, message)

    def _decode(self, data: bytes) -> Any:
        try:
            return decoded_by_sllurp(data)
        except Exception as error:
            # Whatever a decoder without side effects raises is the sender's doing: struct.error,
            # LLRPError, lookups that fail, even recursion that is too deep.
            what = f"a malformed message of type {message_type(data)} ({len(data)} bytes)"
            raise self._fault(f"{what}: {type(error).__name__}: {error}") from error

    def _decode_report(self, data: bytes) -> list[Mapping[str, Any]]:
        tags: list[Mapping[str, Any]] = []
        for part in parts(data):
            tags += self._decode(part).msgdict["RO_ACCESS_REPORT"].get("TagReportData", ())
        return tags

    def _advance_session(self, name: str, message: Any) -> None:
        before = self._client.state
        try:
            self._client.handleMessage(message)
        except LLRPError as error:
            raise self._fault(f"no session is possible: {error}") from error
        except _SESSION_ERRORS as error:
            raise self._fault(f"{name} is incomplete: {type(error).__name__}: {error}") from error
        if self._client.state != before:
            self._advanced_ms = self._monotonic_ms()

    def _take_report(self, data: bytes, received: Received) -> None:
        readings = self._columns.readings(data, self._clocks, received)
        if readings is None:
            tags = self._decode_report(data)
            readings = tag_readings(self.name, tags, self._clocks, received)
        if readings:
            self._sink.observe(readings)
            # Reads, not report entries: a busy reader makes one entry of several.
            self._report.count(readings=sum(reading.seen_count for reading in readings))
            self._advanced_ms = self._monotonic_ms()  # It was a full sink that held us up.

    def _take_event(self, message: Any, received: Received) -> None:
        event = message.msgdict[message.getName()].get("ReaderEventNotificationData", {})
        self._clocks.hear_event(event, received)
        if "ConnectionCloseEvent" in event:
            raise self._fault("it closes the connection of its own accord")
        if "ReportBufferOverflowErrorEvent" in event:
            self._note(logging.WARNING, "its buffer overflowed; reports are lost")
        if "AntennaEvent" in event:
            self._take_antenna_event(event["AntennaEvent"])
        if "ConnectionAttemptEvent" not in event:
            return
        if self._client.state == LLRPReaderState.STATE_DISCONNECTED:
            status = event["ConnectionAttemptEvent"]["Status"]
            if status != "Success":
                raise self._fault(f"it refuses the connection: {status}")
            self._advance_session(message.getName(), message)
        else:
            self._note(logging.INFO, "another client tried to connect to it")

    def _note(self, level: int, text: str) -> None:
        # Once per connection: how often a reader says something is not for it to decide.
        if text not in self._noted:
            self._noted.add(text)
            _log.log(level, "%s: %s", self.name, text)

    def _take_antenna_event(self, event: Mapping[str, Any]) -> None:
        antenna = event["AntennaID"]
        if event["EventType"] == "Connected":
            self._antennas_missing.discard(antenna)
        elif antenna in {each.id for each in self._settings.antennas}:
            self._antennas_missing.add(antenna)

    def _require_success(self, name: str, status: Mapping[str, Any]) -> None:
        code = status.get("StatusCode", "unknown status")
        if code != "Success":
            text = status.get("ErrorDescription", b"").decode("utf-8", "replace")
            raise self._fault(f"{name}: {code} {text}")

    def _tell_health(self) -> None:
        if self._antennas_missing:
            which = ", ".join(map(str, sorted(self._antennas_missing)))
            self._report.health("degraded", f"antenna not connected: {which}")
        else:
            self._report.health("healthy", self._reading_detail())

    def _reading_detail(self) -> str:
        clock = self._clocks.utc
        if not clock.is_known:
            return "reading; it has no UTC clock"
        ahead_ms = clock.ahead_ms(Received(self._monotonic_ms(), self._clock_ms()))
        told_ms = self._told_ahead_ms
        if told_ms is None or abs(ahead_ms - told_ms) >= CLOCK_SHIFT_TOLD_MS:
            self._told_ahead_ms = ahead_ms
        return f"reading; its clock is {self._told_ahead_ms:+d} ms from ours"

    def _fault(self, detail: str) -> DeviceFault:
        # A reader's texts are shown to people: one line, and nothing that steers a terminal.
        line = " ".join(detail.split())[:FAULT_CHARACTERS_MAX]
        shown = "".join(each if each.isprintable() else "?" for each in line)
        where = f"{self._settings.host}:{self._settings.port}"
        return DeviceFault(f"{self.name}: reader at {where}: {shown}")


def _silence_sllurp() -> None:
    # It logs every fault, some with a traceback and some at the critical level, and tells its
    # configuration at each connection. The DeviceFault says the same in one line. Whoever has set
    # a level for it keeps that level.
    logger = logging.getLogger("sllurp")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)


def _reader_config(settings: LlrpSettings) -> Any:
    """Return what sllurp makes the reader's configuration and our ROSpec of.

    The ROSpec inventories all antennas for ever: an AISpec ends after `report_every_tags` or
    `report_interval_ms` and is reported, and the immediate start trigger begins it again.
    """
    antennas = [antenna.id for antenna in settings.antennas]
    config: dict[str, Any] = {
        "antennas": antennas,
        "tx_power": settings.tx_power_index,
        "session": settings.session,
        "tag_population": settings.tag_population,
        "mode_identifier": settings.mode,
        "report_every_n_tags": settings.report_every_tags,
        "report_timeout_ms": settings.report_interval_ms,
        "keepalive_interval": settings.keepalive_ms,
        "start_inventory": True,
        "reset_on_connect": True,
        "event_selector": {"AntennaEvent": True},
        "tag_content_selector": {
            "EnableROSpecID": False,
            "EnableSpecIndex": False,
            "EnableInventoryParameterSpecID": False,
            "EnableAntennaID": True,
            "EnableChannelIndex": False,
            "EnablePeakRSSI": not settings.precise_rssi,
            "EnableFirstSeenTimestamp": True,
            "EnableLastSeenTimestamp": True,
            "EnableTagSeenCount": True,
            "EnableAccessSpecID": False,
        },
    }
    if settings.tx_power_dbm is not None:
        config["tx_power_dbm"] = dict.fromkeys(antennas, settings.tx_power_dbm)
    if settings.needs_extensions:
        config |= _extensions(settings)
    return LLRPReaderConfig(config)


def _extensions(settings: LlrpSettings) -> dict[str, Any]:
    """Return what has sllurp enable Impinj's extensions, and what we want of them."""
    config: dict[str, Any] = {
        "impinj_tag_content_selector": {
            "EnableRFPhaseAngle": settings.phase,
            "EnablePeakRSSI": settings.precise_rssi,
            "EnableRFDopplerFrequency": settings.doppler,
        }
    }
    if settings.search_mode is not None:
        config["impinj_search_mode"] = SEARCH_MODES[settings.search_mode]
    return config
