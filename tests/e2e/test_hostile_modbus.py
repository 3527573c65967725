"""Servers that answer at a scale's address but are none: one clear fault each, in bounded time."""

import logging
import os
import select
import socket
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

import pytest

from edge.devices.driver import POLL_MAX_MS
from edge.devices.shelf_scale import ShelfScaleDriver
from edge.devices.shelf_scale_settings import ShelfScaleSettings, ShelfSettings
from edge.errors import DeviceFault
from tests.device_fakes import MemoryOutbox, RememberingReport

REQUEST_BYTES = 12
SERIAL_REQUEST_BYTES = 8
DEADLINE_S = 5.0
SLACK_MS = 1_000
"""What a busy test machine may add to a bound."""

Answer = Callable[[bytes], bytes | None]
"""From a request to what is sent back; `None` closes the connection."""


@contextmanager
def hostile_server(answer: Answer) -> Iterator[int]:
    """Listen on a port of the system's choice, and answer the first connection's requests."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        server = threading.Thread(target=_serve, args=(listener, answer))
        server.start()
        yield listener.getsockname()[1]
    server.join(DEADLINE_S)


def _serve(listener: socket.socket, answer: Answer) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(DEADLINE_S)
        while request := connection.recv(REQUEST_BYTES):
            reply = answer(request)
            if reply is None:
                return
            try:
                connection.sendall(reply)
            except OSError:
                return  # The client has had enough.


@contextmanager
def hostile_terminal(answer: Answer) -> Iterator[str]:
    """Answer the first request that comes over a serial line; `None` unplugs the line."""
    far, near = os.openpty()
    tty.setraw(near)
    path = os.ttyname(near)
    server = threading.Thread(target=_serve_terminal, args=(far, near, answer))
    server.start()
    try:
        yield path
    finally:
        server.join(DEADLINE_S)
        for fd in (far, near):
            with suppress(OSError):
                os.close(fd)


def _serve_terminal(far: int, near: int, answer: Answer) -> None:
    request = b""
    while len(request) < SERIAL_REQUEST_BYTES:
        if not select.select([far], [], [], DEADLINE_S)[0]:
            return  # Nobody asked: the test says so.
        request += os.read(far, SERIAL_REQUEST_BYTES)
    reply = answer(request)
    if reply is None:
        os.close(near)
        os.close(far)
        return
    os.set_blocking(far, False)
    with suppress(BlockingIOError):  # The client has had enough, and the line's buffer is full.
        os.write(far, reply)


def open_driver(port: int | None = None, serial_port: str | None = None) -> ShelfScaleDriver:
    shelf = ShelfSettings(shelf="A1", index=0, gtin="614141999996", item_weight_g=250)
    settings = ShelfScaleSettings(
        name="scale-1",
        host=None if port is None else "127.0.0.1",
        port=port or 502,
        serial_port=serial_port,
        parity="none",
        rest_readings=1,
        shelves=[shelf],
    )
    return ShelfScaleDriver(settings, MemoryOutbox(), lambda: 0)


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS by long division of bit-reversed bytes: not the way that our code takes."""
    bits = "".join(f"{byte:08b}"[::-1] for byte in data)
    remainder = int(bits, 2) << 16 ^ 0xFFFF << len(bits)
    for shift in range(len(bits) - 1, -1, -1):
        if remainder >> (shift + 16) & 1:
            remainder ^= 0x1_8005 << shift
    return int(f"{remainder:016b}"[::-1], 2).to_bytes(2, "little")


def serial_frame(pdu: bytes, unit_id: int = 1) -> bytes:
    """Return a Modbus RTU frame."""
    body = bytes((unit_id,)) + pdu
    return body + crc(body)


def frame(request: bytes, pdu: bytes, *, transaction: int = 0, protocol: int = 0) -> bytes:
    """Return a Modbus TCP frame that answers a request, or is off by `transaction`."""
    (asked,) = struct.unpack_from(">H", request)
    unit = request[6]
    return struct.pack(">HHHB", asked + transaction, protocol, len(pdu) + 1, unit) + pdu


GOOD = bytes((4, 8)) + struct.pack(">HHHH", 1, 0, 500, 0)
GARBAGE = Random(7).randbytes(400)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda request: frame(request, bytes((0x84, 4))), "it answers with exception 4"),
        (lambda request: frame(request, bytes((0x84, 255))), "it answers with exception 255"),
        (lambda request: frame(request, bytes((4, 4, 0, 1, 0, 0))), "2 registers, not 4"),
        (lambda request: frame(request, bytes((4, 0))), "0 registers, not 4"),
        (lambda request: frame(request, bytes((3,)) + GOOD[1:]), "function 4 with function 3"),
        (lambda request: frame(request, bytes((4, 250, 1))), "scale-1: 127.0.0.1:"),
        (lambda request: frame(request, bytes((99, 1, 2, 3))), "Unable to decode"),
        (lambda request: frame(request, b""), "No response"),
        (lambda request: frame(request, GOOD)[:9], "No response"),
        (lambda request: frame(request, GOOD, transaction=1), "No response"),
        (lambda request: frame(request, GOOD, protocol=5), "No response"),
        (lambda _: b"\xff" * 7, "No response"),
        (lambda _: GARBAGE, "scale-1: 127.0.0.1:"),
        (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "No response"),
        (lambda _: b"", "No response"),
        (lambda _: None, "unexpectedly closed"),
        (lambda _: bytes(8_000_000), "scale-1: 127.0.0.1:"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_whatever_answers_is_one_clear_fault_in_bounded_time(
    answer: Answer, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with hostile_server(answer) as port:
        driver = open_driver(port)
        driver.open(RememberingReport())
        started = time.monotonic()
        with pytest.raises(DeviceFault) as caught:
            driver.poll()
        took_ms = (time.monotonic() - started) * 1000
        driver.close()
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert took_ms < POLL_MAX_MS + SLACK_MS
    assert caplog.records == [], "the fault says it all"


def test_a_good_answer_of_the_same_server_is_read() -> None:
    """The frames above are wrong only in what they mean to be wrong in."""
    with hostile_server(lambda request: frame(request, GOOD)) as port:
        driver = open_driver(port)
        report = RememberingReport()
        driver.open(report)
        driver.poll()
        driver.close()
    assert report.readings == 1
    assert report.facts == 1


def test_an_answer_to_another_request_is_not_taken_for_this_one() -> None:
    other = bytes((4, 8)) + struct.pack(">HHHH", 1, 0, 9999, 0)

    def other_then_good(request: bytes) -> bytes:
        return frame(request, other, transaction=7) + frame(request, GOOD)

    with hostile_server(other_then_good) as port:
        driver = open_driver(port)
        report = RememberingReport()
        driver.open(report)
        driver.poll()
        driver.close()
    assert report.facts == 1


def test_an_address_where_nobody_listens_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    driver = open_driver(port)
    with pytest.raises(DeviceFault, match=f"scale-1: 127.0.0.1:{port}: nothing answers"):
        driver.open(RememberingReport())
    driver.close()


def test_a_host_that_does_not_exist_is_a_fault() -> None:
    shelf = ShelfSettings(shelf="A1", index=0, gtin="614141999996", item_weight_g=250)
    settings = ShelfScaleSettings(name="scale-1", host="no-such-host.invalid", shelves=[shelf])
    driver = ShelfScaleDriver(settings, MemoryOutbox(), lambda: 0)
    with pytest.raises(DeviceFault, match="nothing answers"):
        driver.open(RememberingReport())
    driver.close()


def test_the_checksum_of_these_tests_is_that_of_the_standard() -> None:
    """MODBUS over Serial Line V1.02, 6.2.2: 02 07 has the CRC 1241 hex, sent low byte first."""
    assert crc(bytes((2, 7))) == bytes((0x41, 0x12))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda _: serial_frame(bytes((0x84, 4))), "it answers with exception 4"),
        (lambda _: serial_frame(bytes((0x84, 255))), "it answers with exception 255"),
        (lambda _: serial_frame(bytes((4, 4, 0, 1, 0, 0))), "2 registers, not 4"),
        (lambda _: serial_frame(bytes((3,)) + GOOD[1:]), "function 4 with function 3"),
        (lambda _: serial_frame(GOOD)[:-1] + b"?", "No response"),
        (lambda _: serial_frame(GOOD)[:7], "No response"),
        (lambda _: serial_frame(GOOD, unit_id=9), "No response"),
        (lambda request: request, "No response"),
        (lambda _: serial_frame(bytes((99, 1, 2, 3))), "No response"),
        (lambda _: b"\xff" * 7, "No response"),
        (lambda _: b"", "No response"),
        (lambda _: GARBAGE, "No response"),
        (lambda _: bytes(100_000), "scale-1: /dev/"),
        (lambda _: None, "scale-1: /dev/"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_whatever_answers_on_a_serial_line_is_one_clear_fault_in_bounded_time(
    answer: Answer, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with hostile_terminal(answer) as path:
        driver = open_driver(serial_port=path)
        driver.open(RememberingReport())
        started = time.monotonic()
        with pytest.raises(DeviceFault) as caught:
            driver.poll()
        took_ms = (time.monotonic() - started) * 1000
        driver.close()
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert took_ms < POLL_MAX_MS + SLACK_MS
    assert caplog.records == [], "the fault says it all"


def test_a_good_answer_of_the_same_line_is_read_and_was_asked_for_as_the_standard_says() -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return serial_frame(GOOD)

    with hostile_terminal(answer) as path:
        driver = open_driver(serial_port=path)
        report = RememberingReport()
        driver.open(report)
        driver.poll()
        driver.close()
    assert asked == [bytes.fromhex("01 04 0000 0004 F1C9")]
    assert (report.readings, report.facts) == (1, 1)


def test_a_line_that_another_program_holds_is_a_fault() -> None:
    far, near = os.openpty()
    path = os.ttyname(near)
    first, second = open_driver(serial_port=path), open_driver(serial_port=path)
    first.open(RememberingReport())
    with pytest.raises(DeviceFault, match=f"scale-1: {path}: nothing answers"):
        second.open(RememberingReport())
    for driver in (second, first):
        driver.close()
    os.close(far)
    os.close(near)
