"""How the agent connects to its broker: one place for MQTT 5, TLS, last will and properties."""

import ssl
from collections.abc import Callable
from functools import cache
from typing import Final

from aiomqtt import Will
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from mqtt5 import Client
from protocol import codec
from protocol.broker_settings import BrokerSettings
from protocol.documents import AGENT_SCHEMA
from protocol.ids import StoreId
from protocol.topics import JSON, MESSAGEPACK, SCHEMA_PROPERTY, Topics

CALL_TIMEOUT_S: Final = 3.0
"""A broker that takes longer to confirm is as good as gone: connect anew."""
INCOMING_MAX: Final = 1_000
"""Messages not looked at yet. The client drops above it: a later acknowledgement says the same, a
mirror asks for what it missed."""
IN_FLIGHT_MAX: Final = 256
"""Unconfirmed at the broker, which may allow fewer. The session bounds what is unanswered."""
FRAME_EXPIRY_S: Final = 60
"""A frame that waited longer at the broker was sent again long ago."""
FRAME_SCHEMA: Final = f"up/{codec.UP_VERSION}"


ClientType = Callable[..., Client]
"""Makes a client: ours, or a simulation's stand-in that takes the same arguments."""


def new_client(
    broker: BrokerSettings,
    store: StoreId,
    will: bytes,
    keepalive_s: int,
    client_type: ClientType = Client,
) -> Client:
    """Return an MQTT 5 client, not connected yet. `will` is the agent's offline document.

    Client id and certificate name the store, so that the broker can hold it to its own topics; a
    second agent of the same store ends the first one's connection. A clean start every time: a
    session kept by the broker would only bring back answers to questions nobody asks any more,
    since only the cloud's own acknowledgements count.
    """
    limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it so.
    limits.MaximumPacketSize = 2 * codec.FRAME_BYTES_MAX
    return client_type(
        broker.host,
        broker.port,
        identifier=store,
        clean_start=True,
        keepalive=keepalive_s,
        timeout=CALL_TIMEOUT_S,
        max_queued_incoming_messages=INCOMING_MAX,
        max_inflight_messages=IN_FLIGHT_MAX,
        properties=limits,
        tls_context=_tls_context(broker) if broker.is_tls else None,
        will=Will(
            Topics(broker.root).agent(store),
            will,
            qos=1,
            retain=True,
            properties=agent_properties(),
        ),
    )


@cache
def frame_properties() -> Properties:
    """Return what MQTT 5 says about a frame to the cloud; nobody may change it."""
    properties = _properties(MESSAGEPACK, FRAME_SCHEMA)
    properties.MessageExpiryInterval = FRAME_EXPIRY_S
    return properties


@cache
def agent_properties() -> Properties:
    """Return what MQTT 5 says about the agent's document. It is retained, so it never expires."""
    return _properties(JSON, AGENT_SCHEMA)


def _properties(content_type: str, schema: str) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho leaves it so.
    properties.ContentType = content_type
    properties.UserProperty = [(SCHEMA_PROPERTY, schema)]
    return properties


def _tls_context(broker: BrokerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=broker.ca_file)
    if broker.certificate_file is not None:
        context.load_cert_chain(broker.certificate_file, broker.key_file)
    return context
