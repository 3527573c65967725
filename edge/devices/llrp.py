"""The `llrp` device: an RFID reader, driven over LLRP 1.0.1 (EPCglobal, 2007).

sllurp's `LLRPClient` speaks the protocol: it asks for capabilities, configures the reader and
installs our ROSpec. The socket is ours, because sllurp's own loop accepts a message of any length,
never notices a half-open connection and gives up reconnecting. A fault ends this driver; the
supervisor makes a new one, and the reader keeps running and buffering meanwhile.

Reports are taken at any time of a connection: what a reader buffered comes before our ROSpec is
installed again. Runs on its device actor's thread. The only module that imports sllurp (GPL-3.0).
"""

import logging
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from sllurp.llrp import LLRPClient, LLRPMessage, LLRPReaderConfig, LLRPReaderState
from sllurp.llrp_errors import LLRPError, ReaderConfigurationError

from edge.devices.driver import DeviceReport
from edge.devices.llrp_clock import ReaderClock
from edge.devices.llrp_framing import LlrpFramer, NotLlrp
from edge.devices.llrp_settings import LlrpSettings
from edge.errors import DeviceFault
from edge.sensing.readings import TagReading, TagSink
from protocol.ids import Epc

RECEIVE_BYTES: Final = 65_536
WAIT_S: Final = 0.2
_LOST_LEVEL_DBM: Final = -128

# What sllurp raises on malformed messages, found by feeding it mutated ones.
_DECODE_ERRORS: Final = (
    LLRPError,
    struct.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)

# Its loggers tell every fault again, some with a traceback; our own line is enough.
logging.getLogger("sllurp").setLevel(logging.CRITICAL + 1)


class LlrpDriver:
    """Keeps one reader reading and hands what it reads to `sink`."""

    kind = "llrp"

    def __init__(
        self,
        settings: LlrpSettings,
        sink: TagSink,
        clock_ms: Callable[[], int],
        monotonic_ms: Callable[[], int],
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._sink = sink
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._framer = LlrpFramer()
        self._clocks = {"UTC": ReaderClock(), "Uptime": ReaderClock()}
        self._socket: socket.socket | None = None
        self._is_reading = False

    def open(self, report: DeviceReport) -> None:
        """Connect; the LLRP session is set up by the polls. Raises `DeviceFault`."""
        self._report = report
        address = (self._settings.host, self._settings.port)
        try:
            connection = socket.create_connection(address, self._settings.connect_timeout_ms / 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.settimeout(WAIT_S)
        except OSError as error:
            raise self._fault(f"cannot connect: {error}") from error
        self._socket = connection
        self._client = LLRPClient(_reader_config(self._settings), transport_tx_write=self._send)
        self._opened_ms = self._heard_ms = self._monotonic_ms()

    def poll(self) -> None:
        """Handle what the reader sent, after waiting for it a little. Raises `DeviceFault`."""
        assert self._socket is not None, "poll before open"  # noqa: S101 # The caller's mistake.
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            self._check_silence()
            return
        except OSError as error:
            raise self._fault(f"connection lost: {error}") from error
        if not data:
            rest = self._framer.pending_bytes
            tail = f" in the middle of a message ({rest} bytes of it came)" if rest else ""
            raise self._fault(f"the reader closed the connection{tail}")
        try:
            messages = self._framer.feed(data)
        except NotLlrp as error:
            raise self._fault(str(error)) from error
        for message in messages:
            self._heard_ms = self._monotonic_ms()
            self._handle(message)
        self._check_silence()

    def close(self) -> None:
        """Close the connection. The reader keeps its ROSpec running and buffers for the next."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _fault(self, detail: str) -> DeviceFault:
        where = f"{self._settings.host}:{self._settings.port}"
        return DeviceFault(f"{self.name}: reader at {where}: {detail}")

    def _send(self, data: bytes) -> None:
        assert self._socket is not None, "sllurp sends only while we poll"  # noqa: S101 # Ours.
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._fault(f"connection lost: {error}") from error

    def _check_silence(self) -> None:
        now_ms = self._monotonic_ms()
        silent_ms = now_ms - self._heard_ms
        if silent_ms > self._settings.silence_timeout_ms:
            raise self._fault(f"half-open: nothing came for {silent_ms} ms, no keepalive either")
        if not self._is_reading and now_ms - self._opened_ms > self._settings.silence_timeout_ms:
            state = LLRPReaderState.getStateName(self._client.state)
            raise self._fault(f"it does not begin to read; the session is in {state}")

    def _handle(self, data: bytes) -> None:
        try:
            message = LLRPMessage(msgbytes=data)
            name, content = message.getName(), message.msgdict[message.getName()]
            if name == "RO_ACCESS_REPORT":
                self._take_report(content)
            elif name == "READER_EVENT_NOTIFICATION":
                self._take_event(content["ReaderEventNotificationData"])
            elif name == "ERROR_MESSAGE":
                raise self._fault(f"it answers with an error: {content.get('LLRPStatus')}")
            self._client.handleMessage(message)
        except ReaderConfigurationError as error:
            raise self._fault(f"it refuses our configuration: {error}") from error
        except _DECODE_ERRORS as error:
            kind = struct.unpack_from("!H", data)[0] & 0x3FF
            what = f"malformed message of type {kind} ({len(data)} bytes)"
            raise self._fault(f"{what}: {type(error).__name__}: {error}") from error
        if not self._is_reading and self._client.state == LLRPReaderState.STATE_INVENTORYING:
            self._is_reading = True
            offset_ms = self._clocks["UTC"].offset_ms or 0
            self._report.health("healthy", f"reading; its clock is {-offset_ms:+d} ms from ours")

    def _take_event(self, event: dict[str, Any]) -> None:
        attempt = event.get("ConnectionAttemptEvent")
        if attempt is not None and attempt["Status"] != "Success":
            raise self._fault(f"it refuses the connection: {attempt['Status']}")
        if "ConnectionCloseEvent" in event:
            raise self._fault("it closes the connection")
        stamp = event.get("UTCTimestamp")
        if stamp is not None:
            self._clocks["UTC"].observe(stamp["Microseconds"] // 1000, self._clock_ms())

    def _take_report(self, report: dict[str, Any]) -> None:
        received_ms = self._clock_ms()
        readings = [self._reading(tag, received_ms) for tag in report.get("TagReportData", ())]
        if readings:
            self._sink.observe(readings)
            self._report.count(readings=sum(reading.seen_count for reading in readings))

    def _reading(self, tag: dict[str, Any], received_ms: int) -> TagReading:
        kind = "UTC" if "LastSeenTimestampUTC" in tag else "Uptime"
        first_ms = tag.get(f"FirstSeenTimestamp{kind}", 0) // 1000
        last_ms = tag.get(f"LastSeenTimestamp{kind}", 0) // 1000
        clock = self._clocks[kind]
        clock.observe(last_ms, received_ms)
        return TagReading(
            reader=self.name,
            antenna=tag["AntennaID"],
            epc=Epc(bytes.fromhex(tag["EPC"].decode("ascii"))),
            rssi_dbm=float(tag.get("PeakRSSI", _LOST_LEVEL_DBM)),
            first_seen_ms=clock.to_gateway_ms(first_ms),
            last_seen_ms=clock.to_gateway_ms(last_ms),
            seen_count=tag.get("TagSeenCount", 1),
        )


def _reader_config(settings: LlrpSettings) -> LLRPReaderConfig:
    return LLRPReaderConfig(
        {
            "antennas": [antenna.id for antenna in settings.antennas],
            "tx_power": settings.tx_power_index,
            "session": settings.session,
            "report_every_n_tags": settings.report_every_tags,
            "report_timeout_ms": settings.report_interval_ms,
            "keepalive_interval": settings.keepalive_ms,
            "start_inventory": True,
            "reset_on_connect": True,
            "tag_content_selector": {
                "EnableROSpecID": False,
                "EnableSpecIndex": False,
                "EnableInventoryParameterSpecID": False,
                "EnableAntennaID": True,
                "EnableChannelIndex": False,
                "EnablePeakRSSI": True,
                "EnableFirstSeenTimestamp": True,
                "EnableLastSeenTimestamp": True,
                "EnableTagSeenCount": True,
                "EnableAccessSpecID": False,
            },
        }
    )
