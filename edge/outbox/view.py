"""A look at the outbox from another process, while the agent runs or not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from edge.errors import OutboxFailed
from edge.outbox.sqlite_file import open_for_reading
from protocol.codec import decode_fact
from protocol.facts import AnyFact
from protocol.ids import Epoch, Seq


class NumberedFact(NamedTuple):
    """A pending fact and its number."""

    seq: Seq
    fact: AnyFact


class OutboxView:
    """What is pending in the outbox file `path`. Raises `OutboxFailed` when it cannot be read."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = open_for_reading(path)
            self._db.execute("BEGIN")  # One moment for all that is looked at.
            life: list[tuple[Any, ...]] = list(self._db.execute("SELECT epoch, next_seq FROM life"))
        except apsw.Error as error:
            raise OutboxFailed(f"outbox {path}: {error}") from error
        epoch, next_seq = life[0] if life else (0, 1)
        self.epoch = Epoch(epoch)
        self.next_seq = Seq(next_seq)

    def pending(self) -> Iterator[NumberedFact]:
        """Yield the facts that the cloud has not acknowledged, in order."""
        for seq, data in self._db.execute("SELECT seq, data FROM facts ORDER BY seq"):
            yield NumberedFact(Seq(seq), decode_fact(data))

    def close(self) -> None:
        """Release the file."""
        self._db.close()
