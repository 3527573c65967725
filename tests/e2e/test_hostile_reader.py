"""What answers at a reader's address and is none, or is a broken one, on real sockets.

Each is one clear line in the log and one change of health, and the supervisor goes on trying.
"""

import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from llrpkit.protocol import LLRPMessage, messages
from llrpkit.protocol.enums import ConnectionAttemptStatusType, StatusCode

from edge.devices.llrp import LlrpDriver
from edge.devices.llrp_framing import MESSAGE_BYTES_MAX
from edge.errors import DeviceFault
from tests.device_fakes import RememberingReport
from tests.llrp_peers import Serve, event, frame, hostile_reader, status
from tests.supervised_reader import (
    DEADLINE_S,
    IgnoringSink,
    SupervisedReader,
    monotonic_ms,
    reader_settings,
    utc_ms,
)

SOCKET_BUFFERS_BYTES = 16_777_216
"""What the kernel may take between two processes, at the most generous."""


@contextmanager
def supervised(port: int) -> Iterator[SupervisedReader]:
    reader = SupervisedReader(port)
    try:
        yield reader
    finally:
        reader.stop()


def drain(connection: socket.socket) -> None:
    """Say nothing until the driver hangs up."""
    while connection.recv(65_536):
        pass


def sends(*chunks: bytes, then: Serve | None = None) -> Serve:
    def serve(connection: socket.socket) -> None:
        for chunk in chunks:
            connection.sendall(chunk)
        if then is not None:
            then(connection)

    return serve


def answers(*responses: LLRPMessage) -> Serve:
    """Greet, then answer each request with the next response, then say nothing more."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(event())
        for number, response in enumerate(responses):
            connection.recv(65_536)
            connection.sendall(response.to_bytes(message_id=number + 1))
        drain(connection)

    return serve


def nested(kind: int, depth: int) -> bytes:
    """A parameter in a parameter in a parameter."""
    return b"".join(struct.pack("!HH", kind, 4 * (depth - level)) for level in range(depth))


def keeps_alive_only(connection: socket.socket) -> None:
    keepalive = messages.KEEPALIVE().to_bytes(message_id=9)
    connection.settimeout(0.1)
    while True:
        connection.sendall(keepalive)
        try:
            if not connection.recv(65_536):
                return
        except TimeoutError:
            continue


def dribbles(connection: socket.socket) -> None:
    """One byte at a time, so that something always comes and never a message."""
    connection.sendall(struct.pack("!HII", 1 << 10 | 61, 100_000, 1))
    connection.settimeout(0.05)
    while True:
        connection.sendall(b"\x00")
        try:
            if not connection.recv(65_536):
                return
        except TimeoutError:
            continue


GARBAGE = Random(5).randbytes(20_000)
ALREADY = ConnectionAttemptStatusType.Failed_A_Client_Initiated_Connection_Already_Exists
NO_EPC = struct.pack("!HH", 240, 7) + bytes((0x81, 0, 1))

HOSTILE: dict[str, tuple[Serve, str]] = {
    "random bytes": (sends(GARBAGE, then=drain), "this is not LLRP"),
    "another protocol": (sends(b"SSH-2.0-OpenSSH_9.2\r\n", then=drain), "this is not LLRP"),
    "4 GB length": (
        sends(struct.pack("!HII", 1 << 10 | 61, 2**32 - 1, 1), then=drain),
        "a message of 4294967295 bytes",
    ),
    "length below a header": (
        sends(struct.pack("!HII", 1 << 10 | 61, 9, 1), then=drain),
        "a message of 9 bytes",
    ),
    "truncated message": (sends(event()[:-3]), "in the middle of a message, after 29 bytes"),
    "hangs up at once": (sends(), "it closed the connection"),
    "silent from the start": (drain, "half-open: neither message nor keepalive within"),
    "silent after the greeting": (sends(event(), then=drain), "half-open"),
    "keepalives and nothing else": (keeps_alive_only, "it does not begin to read"),
    "one byte at a time": (dribbles, "half-open"),
    "refuses: another client": (
        sends(event(ALREADY), then=drain),
        "it refuses the connection: Failed (a Client initiated connection already exists)",
    ),
    "unknown message type": (
        sends(event(), frame(999, b""), then=drain),
        "a malformed message of type 999 (10 bytes)",
    ),
    "a request instead of a response": (
        sends(event(), frame(1, b"\x00"), then=drain),
        "a malformed message of type 1 (11 bytes)",
    ),
    "a malformed parameter": (
        sends(event(), frame(61, struct.pack("!HH", 240, 2)), then=drain),
        "a malformed message of type 61",
    ),
    "a response without a status": (
        sends(event(), frame(11, b""), then=drain),
        "a malformed message of type 11",
    ),
    "parameters in parameters": (
        sends(event(), frame(63, nested(246, 16_000)), then=drain),
        "a malformed message of type 63 (64010 bytes): RecursionError",
    ),
    "a tag without an EPC": (
        sends(event(), frame(61, NO_EPC), then=drain),
        "it reports a tag without an EPC",
    ),
    "capabilities that say nothing": (
        answers(
            messages.GET_READER_CAPABILITIES_RESPONSE(llrp_status=status(StatusCode.M_Success))
        ),
        "GET_READER_CAPABILITIES_RESPONSE is incomplete",
    ),
    "an error, with a text that steers terminals": (
        answers(
            messages.ERROR_MESSAGE(
                llrp_status=status(StatusCode.M_UnsupportedMessage, "no\n\x1b[31m way")
            )
        ),
        "ERROR_MESSAGE: UnsupportedMessage no ?[31m way",
    ),
    "a response that was not asked for": (
        answers(messages.ADD_ROSPEC_RESPONSE(llrp_status=status(StatusCode.M_Success))),
        "no session is possible: Unexpected response while getting capabilities",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_each_is_one_line_and_one_change_of_health(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    serve, problem = HOSTILE[case]
    with hostile_reader(serve) as port, supervised(port) as reader:
        detail = reader.wait_for_health("lost")
    assert problem in detail
    assert detail.startswith(f"dock-reader: reader at 127.0.0.1:{port}: ")
    assert detail.isprintable()
    assert [record.getMessage() for record in caplog.records] == [f"{detail}; trying again"]
    assert caplog.records[0].exc_info is None
    assert [health for health, _ in reader.healths] == ["lost", "stopped"]


def test_the_supervisor_goes_on_trying(caplog: pytest.LogCaptureFixture) -> None:
    with hostile_reader(sends(b"nonsense, again", then=drain)) as port, supervised(port) as reader:
        reader.wait_for_health("lost")
        tries_again(reader, 5)
    assert len(caplog.records) == 1, "the same fault again is no news"


def tries_again(reader: SupervisedReader, times: int) -> None:
    ends_ms = monotonic_ms() + DEADLINE_S * 1000
    ticking = threading.Event()
    while reader.status.restarts < times:
        assert monotonic_ms() < ends_ms
        ticking.wait(0.01)  # Restarts are counted quietly; there is nothing to be told by.


def test_an_address_where_nobody_listens_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with supervised(port) as reader:
        assert "cannot connect" in reader.wait_for_health("lost")


def test_a_host_that_does_not_exist_is_a_fault() -> None:
    settings = reader_settings(5084, "no-such-host.invalid")
    driver = LlrpDriver(settings, IgnoringSink(), utc_ms, monotonic_ms)
    with pytest.raises(DeviceFault, match=r"no-such-host\.invalid:5084: cannot connect"):
        driver.open(RememberingReport())
    driver.close()


@pytest.mark.parametrize("length", [2**32 - 1, MESSAGE_BYTES_MAX + 1])
def test_a_stream_behind_an_impossible_length_is_not_taken_in(length: int) -> None:
    """The driver hangs up; what was sent stays in the kernel's buffers, not in our memory."""
    sent = 0
    finished = threading.Event()

    def streams(connection: socket.socket) -> None:
        nonlocal sent
        chunk = bytes(65_536)
        try:
            connection.sendall(struct.pack("!HII", 1 << 10 | 61, length, 1))
            for _ in range(4_096):
                connection.sendall(chunk)
                sent += len(chunk)
        finally:
            finished.set()

    with hostile_reader(streams) as port, supervised(port) as reader:
        reader.wait_for_health("lost")
        assert finished.wait(DEADLINE_S)
    assert sent < SOCKET_BUFFERS_BYTES
