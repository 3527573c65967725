"""When to send KEEPALIVE, and when a silent client is gone (LLRP 1.0.1 §12.2.4, §13.1.3; pure)."""

from llrpkit.protocol.enums import KeepaliveTriggerType
from llrpkit.protocol.params import KeepaliveSpec


class Keepalives:
    """The keepalives of one connection; times are the caller's monotonic milliseconds."""

    def __init__(self, unanswered_max: int) -> None:
        self._unanswered_max = unanswered_max
        self._period_ms = 0
        self._unanswered = 0
        self.due_ms: int | None = None

    def configure(self, spec: KeepaliveSpec, now_ms: int) -> None:
        """Follow a specification from now on; the first keepalive is one period away."""
        periodic = spec.keepalive_trigger_type == KeepaliveTriggerType.Periodic
        self._period_ms = spec.periodic_trigger_value if periodic else 0
        self._unanswered = 0
        self.due_ms = now_ms + self._period_ms if self._period_ms else None

    def answered(self) -> None:
        """The client is alive."""
        self._unanswered = 0

    def sent(self, now_ms: int) -> None:
        """A keepalive went out at its due time."""
        self._unanswered += 1
        self.due_ms = now_ms + self._period_ms

    @property
    def client_gone(self) -> bool:
        """As many keepalives as allowed have gone unanswered."""
        return self._unanswered >= self._unanswered_max
