"""Content type, schema and expiry as the MQTT 5 properties of a publish or of a last will."""

from functools import lru_cache

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cloud.broker import new_properties
from cloud.publisher.outgoing import Form
from protocol.topics import SCHEMA_PROPERTY


@lru_cache
def properties_of(form: Form, packet_type: int = PacketTypes.PUBLISH) -> Properties:
    """Return the properties, shared by all messages of a form; nobody may change them."""
    properties = new_properties(packet_type)
    properties.ContentType = form.content_type
    properties.UserProperty = (SCHEMA_PROPERTY, form.schema)
    if form.expiry_s is not None:
        properties.MessageExpiryInterval = form.expiry_s
    return properties
