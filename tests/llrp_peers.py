"""The reader's end of an LLRP connection, for tests in which it misbehaves. One thread serves."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llrpkit.protocol import messages, params
from llrpkit.protocol.enums import ConnectionAttemptStatusType, StatusCode

from tests.supervised_reader import DEADLINE_S, utc_ms

Serve = Callable[[socket.socket], None]
"""What a hostile reader does with a connection; it is closed afterwards."""


@contextmanager
def hostile_reader(serve: Serve) -> Iterator[int]:
    """Serve every connection on a port of the system's choice, one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = threading.Thread(target=_accept, args=(listener, serve))
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        server.join(DEADLINE_S)
        listener.close()


def _accept(listener: socket.socket, serve: Serve) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # The test is over.
        with connection:
            connection.settimeout(DEADLINE_S)
            try:
                serve(connection)
            except OSError:
                continue  # The driver has had enough.


def event(
    status: ConnectionAttemptStatusType = ConnectionAttemptStatusType.Success,
) -> bytes:
    data = params.ReaderEventNotificationData(
        timestamp=params.UTCTimestamp(microseconds=utc_ms() * 1000),
        connection_attempt_event=params.ConnectionAttemptEvent(status=status),
    )
    return messages.READER_EVENT_NOTIFICATION(reader_event_notification_data=data).to_bytes(
        message_id=1
    )


def frame(kind: int, body: bytes, *, version: int = 1) -> bytes:
    return struct.pack("!HII", version << 10 | kind, 10 + len(body), 1) + body


def status(code: StatusCode, text: str = "") -> params.LLRPStatus:
    return params.LLRPStatus(status_code=code, error_description=text)
