"""What a store's agent says of itself on its retained `agent` topic: birth, health, death."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

from edge.outbox.port import Outbox
from edge.uplink.steps import AlarmKind
from protocol.documents import AgentDocument, DeviceStatus, timestamp
from protocol.ids import StoreId


def agent_version() -> str:
    """Return the release of this agent."""
    try:
        return version("stocktruth")
    except PackageNotFoundError:
        return "unknown"


AGENT_VERSION: Final = agent_version()


class AgentState:
    """Collects what the document says. Used on the uplink's event loop."""

    def __init__(
        self,
        store: StoreId,
        outbox: Outbox,
        devices: Callable[[], list[DeviceStatus]],
        clock_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._devices = devices
        self._clock_ms = clock_ms
        self._since_ms = clock_ms()
        self.alarms: dict[AlarmKind, str] = {}

    def document(self, status: Literal["online", "offline"]) -> AgentDocument:
        """Return the document as of now. The offline one doubles as the MQTT last will."""
        outbox = self._outbox.status()
        return AgentDocument(
            store=self._store,
            status=status,
            since=timestamp(self._since_ms if status == "online" else self._clock_ms()),
            agent_version=AGENT_VERSION,
            epoch=outbox.epoch,
            outbox_pending=outbox.pending,
            alarms=[f"{kind}: {detail}" for kind, detail in sorted(self.alarms.items())],
            devices=self._devices() if status == "online" else [],
        )
