"""The document that is open at a scanner, kept in the outbox's checkpoints step by step.

Each step is one checkpoint, written before the step counts. The facts of a finished document and
the removal of its steps are one transaction: a crash leaves all of the steps or all of the facts.
Used by one device's thread.
"""

from typing import Final

from edge.devices.barcode_scanner_settings import BarcodeScannerSettings
from edge.devices.taken_documents import TakenDocuments
from edge.outbox.port import Outbox
from edge.sensing.scans import Desk, Finished, Purpose, Step, encode_step, restore
from protocol.codec import fact_digest

_DIGITS: Final = 6


class ScanDocuments:
    """One scanner's desk. Methods that write raise `OutboxFull` and have changed nothing then."""

    def __init__(self, settings: BarcodeScannerSettings, purpose: Purpose, outbox: Outbox) -> None:
        self.desk: Final = Desk(purpose, settings.name, settings.zone)
        self._outbox = outbox
        self._prefix = f"scan/{settings.name}/"
        self._taken = TakenDocuments(outbox, settings.name)

    def restore(self) -> None:
        """Repeat the steps of the document that was open. Raises `msgspec.MsgspecError`."""
        stored = self._outbox.checkpoints(self._prefix)
        restore(self.desk, (stored[name] for name in sorted(stored)))

    def take(self, step: Step) -> None:
        """Make a step durable, then let it happen."""
        self._outbox.append([], {self._name_of(self.desk.steps): encode_step(step)})
        self.desk.take(step)

    def is_taken(self, finished: Finished) -> bool:
        """Return whether this delivery was received before, with the same goods.

        Counts may repeat: the same place has the same goods tomorrow.
        """
        if self.desk.purpose == "count":
            return False
        return self._taken.digest_of(self._key(finished)) == fact_digest(finished.content)

    def finish(self, finished: Finished) -> None:
        """Record the facts and forget the steps."""
        taken: dict[str, bytes] = {}
        if self.desk.purpose == "receive":
            taken[self._key(finished)] = fact_digest(finished.content)
        changes = self._forgotten() | self._taken.checkpoints(taken)
        self._outbox.append(finished.facts, changes)
        self._taken.committed(taken)
        self.desk.clear()

    def drop(self) -> None:
        """Forget the steps."""
        self._outbox.append([], self._forgotten())
        self.desk.clear()

    def _key(self, finished: Finished) -> str:
        return f"{self.desk.purpose}/{finished.document}"

    def _forgotten(self) -> dict[str, bytes | None]:
        return {self._name_of(number): None for number in range(self.desk.steps)}

    def _name_of(self, number: int) -> str:
        return f"{self._prefix}{number:0{_DIGITS}}"
