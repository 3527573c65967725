"""How the cloud connects to its broker: one place for MQTT 5, TLS, limits and back-off."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, Final

from aiomqtt import Message, MqttError, Will
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cloud.errors import ConfigInvalid
from mqtt5 import Client
from protocol.broker_settings import BrokerSettings
from protocol.codec import FRAME_BYTES_MAX

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 30
CALL_TIMEOUT_S: Final = 10.0
PACKET_BYTES_MAX: Final = 2 * FRAME_BYTES_MAX
"""Twice a frame: a payload somewhat too large arrives, and is quarantined with its reason."""

BACK_OFF_FIRST_S: Final = 0.1
BACK_OFF_MAX_S: Final = 10.0


ClientType = Callable[..., Client]
"""Makes a client: ours, or a simulation's stand-in that takes the same arguments."""


class BackOff:
    """Full jitter below a bound that doubles (Brooker, "Exponential Backoff And Jitter", AWS 2015).

    `uniform` is `random.uniform` or a test's. Never gives up.
    """

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform: Final = uniform
        self._bound_s = BACK_OFF_FIRST_S

    def next_s(self) -> float:
        """Return how long to wait before the next attempt, in seconds."""
        delay_s = self._uniform(self._bound_s / 2, self._bound_s)
        self._bound_s = min(BACK_OFF_MAX_S, self._bound_s * 2)
        return delay_s

    def succeeded(self) -> None:
        """Start over from the shortest delay."""
        self._bound_s = BACK_OFF_FIRST_S


def pass_over_leftovers(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what nobody waited for, as an event loop's exception handler.

    aiomqtt leaves futures behind when a connection ends while it connects or disconnects; whoever
    needed the connection has been told already.
    """
    if isinstance(context.get("exception"), MqttError):
        log.debug("broker: %s", context["exception"])
    else:
        loop.default_exception_handler(context)


def new_client(
    broker: BrokerSettings,
    role: str,
    *,
    queue_type: type[asyncio.Queue[Message]] | None = None,
    will: Will | None = None,
    in_flight_max: int = 20,
    client_type: ClientType = Client,
) -> Client:
    """Return an MQTT 5 client, not connected yet, for one role of this cloud.

    The client id is fixed: a broker ends the session of a cloud that died, and publishes its last
    will, before it lets the next one in. `in_flight_max`: unconfirmed publishes. Raises
    `ConfigInvalid` when the TLS files cannot be used.
    """
    limits = new_properties(PacketTypes.CONNECT)
    limits.MaximumPacketSize = PACKET_BYTES_MAX
    return client_type(
        broker.host,
        broker.port,
        identifier=f"stocktruth-cloud-{role}-{broker.root.replace('/', '-')}",
        clean_start=True,
        keepalive=KEEPALIVE_S,
        timeout=CALL_TIMEOUT_S,
        queue_type=queue_type,
        max_inflight_messages=in_flight_max,
        properties=limits,
        tls_context=_tls_context(broker) if broker.is_tls else None,
        will=will,
    )


def new_properties(packet_type: int) -> Properties:
    """Return an empty set of MQTT 5 properties for one kind of packet (`PacketTypes`)."""
    return Properties(packet_type)  # type: ignore[no-untyped-call] # paho leaves it untyped.


def _tls_context(broker: BrokerSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        if broker.certificate_file is not None:
            context.load_cert_chain(broker.certificate_file, broker.key_file)
    except OSError as error:
        files = [broker.ca_file, broker.certificate_file, broker.key_file]
        named = ", ".join(file for file in files if file)
        raise ConfigInvalid(f"broker: cannot use {named}: {error.strerror or error}") from error
    return context
