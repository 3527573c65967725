"""A look into the mirror from a device's thread: opened for one question and closed again.

The uplink writes the mirror on a connection of its own; SQLite keeps the two apart.
"""

from contextlib import closing
from pathlib import Path

from edge.mirror.sqlite import SqliteMirror
from protocol.facts import Measure
from protocol.updates import TaskSignal


class MirrorReader:
    """The mirror in the file `path`. Every method raises `MirrorFailed`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tasks(self) -> list[TaskSignal]:
        """Return the newest tasks, the newest first."""
        with closing(SqliteMirror(self._path, read_only=True)) as mirror:
            return mirror.tasks()

    def measure_of(self, gtin: str) -> Measure | None:
        """Return how the cloud counts a GTIN, `None` if it has not told of it."""
        with closing(SqliteMirror(self._path, read_only=True)) as mirror:
            states = mirror.states(gtin)
        return states[0].measure if states else None
