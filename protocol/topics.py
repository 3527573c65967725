"""MQTT topics (design, section 5). Build them here and nowhere else."""

from typing import Final, NamedTuple

from protocol.errors import InvalidIdentifier, InvalidTopic
from protocol.ids import CLOUD_STORE_ID, StoreId, parse_store_id

DEFAULT_ROOT: Final = "st/1"
MESSAGEPACK: Final = "application/msgpack"
JSON: Final = "application/json"
SCHEMA_PROPERTY: Final = "schema"
"""MQTT 5 user property that names the schema and version of a payload."""

WMS: Final = "wms/"
DESPATCH_ADVICE: Final = "despatch_advice"
REORDER_STATUS: Final = "reorder_status"


class UpTopic(NamedTuple):
    """What the topic of a message from outside says about its sender."""

    store: StoreId
    channel: str


class Topics:
    """The topics below one root."""

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        if not root or root != root.strip("/") or any(c in root for c in "+#\0"):
            raise InvalidTopic(root, "a root has no leading or trailing '/' and no wildcard")
        self.root = root

    def facts(self, store: StoreId) -> str:
        """Edge to cloud: MessagePack frames."""
        return f"{self.root}/{store}/up/facts"

    def ack(self, store: StoreId) -> str:
        """Cloud to edge: acknowledgements and welcomes."""
        return f"{self.root}/{store}/down/ack"

    def mirror(self, store: StoreId) -> str:
        """Cloud to edge: states for the store's mirror."""
        return f"{self.root}/{store}/down/stock"

    def signals(self, store: StoreId) -> str:
        """Cloud to edge: reorders and tasks."""
        return f"{self.root}/{store}/down/signals"

    def agent(self, store: StoreId) -> str:
        """Edge to all: retained birth and death."""
        return f"{self.root}/{store}/agent"

    def cloud_agent(self) -> str:
        """Cloud to all: retained birth and death, with the position published so far."""
        return f"{self.root}/{CLOUD_STORE_ID}/agent"

    def stock(self, store: StoreId) -> str:
        """Cloud to WMS and channels: JSON arrays of changed states, full rate, not retained."""
        return f"{self.root}/{store}/stock"

    def stock_of(self, store: StoreId, gtin: str) -> str:
        """Cloud to WMS and channels: the newest state of one GTIN, retained."""
        return f"{self.root}/{store}/stock/{gtin}"

    def reorder(self, store: StoreId, reorder_id: str) -> str:
        """Cloud to WMS: one reorder, retained while open."""
        return f"{self.root}/{store}/reorders/{reorder_id}"

    def notices(self, store: StoreId) -> str:
        """Cloud to WMS and channels: JSON arrays of notices, not retained."""
        return f"{self.root}/{store}/notices"

    def wms(self, store: StoreId, kind: str) -> str:
        """WMS to cloud: JSON documents of a kind."""
        return f"{self.root}/{store}/{WMS}{kind}"

    def all_facts(self) -> str:
        """Subscription of the ingest to stores."""
        return f"{self.root}/+/up/facts"

    def all_wms(self) -> str:
        """Subscription of the ingest to warehouse systems."""
        return f"{self.root}/+/{WMS}+"

    def parse(self, topic: str) -> UpTopic:
        """Split a topic into its store and the rest, or raise `InvalidTopic`."""
        prefix = f"{self.root}/"
        store, separator, channel = topic.removeprefix(prefix).partition("/")
        if not topic.startswith(prefix) or not separator or not channel:
            raise InvalidTopic(topic, f"expected {self.root}/<store>/<channel>")
        try:
            return UpTopic(parse_store_id(store), channel)
        except InvalidIdentifier as error:
            raise InvalidTopic(topic, str(error)) from error
