"""Virtual time: a replay's two clocks stand at what the recording says, and never run."""


class VirtualClock:
    """The gateway's clocks as they were when a record came, in milliseconds."""

    def __init__(self) -> None:
        self._monotonic_ms = 0
        self._utc_ms = 0

    def set(self, monotonic_ms: int, utc_ms: int) -> None:
        """Move to the moment of a record. UTC may jump either way, as a gateway's clock does."""
        self._monotonic_ms = monotonic_ms
        self._utc_ms = utc_ms

    def monotonic_ms(self) -> int:
        """Return the time of the clock that is never set."""
        return self._monotonic_ms

    def utc_ms(self) -> int:
        """Return milliseconds since the Unix epoch."""
        return self._utc_ms
