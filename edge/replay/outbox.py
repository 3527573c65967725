"""The outbox of a replay: facts are collected, checkpoints kept in memory, nothing is ever full."""

from collections.abc import Mapping, Sequence

from edge.recording.nowhere import NowhereOutbox
from protocol.facts import AnyFact


class ReplayOutbox(NowhereOutbox):
    """What drivers and sensing of a replay append to. For one thread."""

    def __init__(self) -> None:
        self._facts: list[AnyFact] = []
        self._checkpoints: dict[str, bytes] = {}

    def take(self) -> list[AnyFact]:
        """Return what was appended since the last call."""
        facts, self._facts = self._facts, []
        return facts

    def hold(self, checkpoints: Mapping[str, bytes]) -> None:
        """Keep checkpoints from before the recording."""
        self._checkpoints |= checkpoints

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Outbox.append`."""
        self._facts += facts
        for name, value in (checkpoints or {}).items():
            if value is None:
                self._checkpoints.pop(name, None)
            else:
                self._checkpoints[name] = value

    def checkpoints(self, prefix: str) -> dict[str, bytes]:
        """See `Outbox.checkpoints`."""
        return {name: value for name, value in self._checkpoints.items() if name.startswith(prefix)}
