"""A TCP proxy to a database that stops passing on what the server says, from a chosen word on.

When the client sends the word, it is passed on or kept back; whatever the server says from then on
is swallowed, and the client waits. Runs on threads of its own.
"""

import socket
import threading
from contextlib import suppress
from typing import Final

CHUNK_BYTES: Final = 65_536
DEADLINE_S: Final = 20.0


class DeafLine:
    """One proxy, for all connections to its port."""

    def __init__(self, host: str, port: int) -> None:
        self._target: Final = (host, port)
        self._listener: Final = socket.create_server(("127.0.0.1", 0))
        self._sockets: Final[list[socket.socket]] = []
        self._word = b""
        self._keeps_word_back = False
        self._is_deaf = threading.Event()
        self._has_swallowed = threading.Event()
        self.times_seen = 0
        """How often the client has sent the word."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        number: int = self._listener.getsockname()[1]
        return number

    def swallow_answers_from(self, word: bytes, *, keep_word_back: bool = False) -> None:
        """Become deaf as soon as the client sends this word."""
        self._word, self._keeps_word_back = word, keep_word_back

    def wait_until_deaf(self) -> None:
        """Wait until the word has come."""
        assert self._is_deaf.wait(DEADLINE_S), f"{self._word!r} was never sent"

    def wait_until_swallowed(self) -> None:
        """Wait until the server has answered the word."""
        assert self._has_swallowed.wait(DEADLINE_S), f"{self._word!r} was never answered"

    def cut(self) -> None:
        """End all connections."""
        for connected in self._sockets:
            # The other side may have ended it.
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything."""
        self._listener.close()
        self.cut()
        for connected in self._sockets:
            connected.close()

    def _accept(self) -> None:
        # The listener is closed at the end.
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets.extend((client, server))
                for function in (self._to_server, self._to_client):
                    threading.Thread(target=function, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                if self._word and self._word in data:
                    self.times_seen += 1
                    self._is_deaf.set()
                    if self._keeps_word_back:
                        continue
                server.sendall(data)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                if self._is_deaf.is_set():
                    self._has_swallowed.set()
                    continue
                client.sendall(data)
