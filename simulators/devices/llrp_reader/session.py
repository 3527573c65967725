"""What a reader knows of its one client while it is connected (pure)."""

from struct import Struct
from typing import Final, Protocol

from llrpkit.protocol import LLRPMessage, messages

from simulators.devices.llrp_reader.keepalives import Keepalives

_MESSAGE_IDS: Final = 2**32
_HEADER: Final = Struct(">HII")
_REPORT: Final = 1 << 10 | messages.RO_ACCESS_REPORT.MESSAGE_TYPE


class Link(Protocol):
    """A connection to a client, as much of it as the reader needs."""

    peer: str

    @property
    def writable(self) -> bool:
        """The client takes what it is sent; false while too much is on its way to it."""

    def send(self, frame: bytes) -> None:
        """Queue a frame to the client; ignored when the connection is closing."""

    def close(self) -> None:
        """Close the connection once everything queued was sent, and take nothing more from it."""


class Session:
    """One client's connection from its acceptance to its end."""

    def __init__(self, link: Link, keepalives: Keepalives, *, held: bool) -> None:
        self.link = link
        self.keepalives = keepalives
        self.held = held
        self.errors_in_a_row = 0
        self._message_id = 0

    @property
    def open_to_reports(self) -> bool:
        """Events and reports may be sent now."""
        return not self.held and self.link.writable

    def respond(self, response: LLRPMessage, message_id: int) -> None:
        """Answer the message with this id."""
        self.link.send(response.to_bytes(message_id=message_id))

    def tell(self, message: LLRPMessage) -> None:
        """Send what the client did not ask for, under an id of the reader's own."""
        self.link.send(message.to_bytes(message_id=self._next_id()))

    def report(self, body: bytes) -> None:
        """Send an RO_ACCESS_REPORT whose body is encoded already."""
        header = _HEADER.pack(_REPORT, _HEADER.size + len(body), self._next_id())
        self.link.send(header + body)

    def _next_id(self) -> int:
        self._message_id = (self._message_id + 1) % _MESSAGE_IDS
        return self._message_id
