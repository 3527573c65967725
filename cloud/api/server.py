"""The HTTP server: uvicorn inside the cloud's event loop, from a bound socket to a clean stop."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from litestar.types import ASGIApp

from cloud.api.connections import BoundedHttp, BoundedWebSocket
from cloud.api.streaming import Hub
from cloud.errors import ConfigInvalid

STOP_TIMEOUT_S: Final = 10
KEEP_ALIVE_S: Final = 30
BACKLOG: Final = 512
MESSAGE_BYTES_MAX: Final = 65_536

log = logging.getLogger(__name__)


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the cloud, which stops its parts in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class ApiServer:
    """Listens from construction; answers while `run` runs."""

    def __init__(self, application: ASGIApp, hub: Hub, host: str, port: int) -> None:
        self._hub: Final = hub
        self._socket: Final = _bound(host, port)
        self.host: Final = host
        self.port: Final[int] = self._socket.getsockname()[1]
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=BoundedHttp,
            ws=BoundedWebSocket,
            ws_max_size=MESSAGE_BYTES_MAX,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
        self._server: Final = _Uvicorn(config)

    async def run(self) -> None:
        """Answer until cancelled, then finish what was begun and close all streams."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        log.info("api: listening on http://%s:%d", self.host, self.port)
        try:
            await asyncio.shield(serving)
        finally:
            self._hub.close()
            self._server.should_exit = True
            await serving

    def close(self) -> None:
        """Release the socket, also when it was never served."""
        self._socket.close()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only where the protocol is named: without, an answer of two
    # writes waits 40 ms for an acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        detail = f"api: cannot listen on {host} port {port}: {error.strerror}"
        raise ConfigInvalid(detail) from error
    return listening
