"""What the publisher sends: topic, bytes, and what MQTT 5 properties say about the bytes."""

from typing import Final, NamedTuple

from protocol.codec import DOWN_VERSION
from protocol.documents import NOTICE_SCHEMA, REORDER_SCHEMA, STOCK_SCHEMA
from protocol.topics import JSON, MESSAGEPACK


class Form(NamedTuple):
    """The properties that all messages of one kind share.

    `expiry_s`: how long a broker keeps the message for a subscriber that is away. `None` for
    retained messages, which must never expire.
    """

    content_type: str
    schema: str
    expiry_s: int | None = None


class Outgoing(NamedTuple):
    """One message to publish with QoS 1."""

    topic: str
    payload: bytes
    form: Form
    retain: bool = False


ANSWER: Final = Form(MESSAGEPACK, f"down/{DOWN_VERSION}", expiry_s=60)
"""Acks and welcomes: an edge that waited longer has asked again."""

MIRROR: Final = Form(MESSAGEPACK, f"down/{DOWN_VERSION}", expiry_s=300)
SIGNAL: Final = Form(MESSAGEPACK, f"down/{DOWN_VERSION}", expiry_s=86_400)
STOCK_ARRAY: Final = Form(JSON, STOCK_SCHEMA, expiry_s=86_400)
STOCK: Final = Form(JSON, STOCK_SCHEMA)
REORDER: Final = Form(JSON, REORDER_SCHEMA)
REORDER_CLOSED: Final = Form(JSON, REORDER_SCHEMA, expiry_s=86_400)
NOTICES: Final = Form(JSON, NOTICE_SCHEMA, expiry_s=86_400)
CLOUD: Final = Form(JSON, "cloud/1")
