"""Servers that answer at a scale's address but are none: one clear fault each, in bounded time."""

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from edge.devices.driver import POLL_MAX_MS
from edge.devices.shelf_scale import ShelfScaleDriver
from edge.devices.shelf_scale_settings import ShelfScaleSettings, ShelfSettings
from edge.errors import DeviceFault
from tests.device_fakes import MemoryOutbox, RememberingReport

REQUEST_BYTES = 12
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


def open_driver(port: int) -> ShelfScaleDriver:
    shelf = ShelfSettings(shelf="A1", index=0, gtin="614141999996", item_weight_g=250)
    settings = ShelfScaleSettings(name="scale-1", host="127.0.0.1", port=port, shelves=[shelf])
    return ShelfScaleDriver(settings, MemoryOutbox(), lambda: 0)


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
