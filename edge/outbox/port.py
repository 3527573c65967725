"""The outbox: facts become durable and numbered here before anybody else sees them (P1).

Device threads append, the uplink reads and trims. A checkpoint is a piece of sensing state that
commits together with the facts it led to, so that a crash cannot part them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from protocol.facts import AnyFact
from protocol.ids import Epoch, Seq


class PendingFact(NamedTuple):
    """A numbered fact as its MessagePack bytes."""

    seq: Seq
    data: bytes


class OutboxStatus(NamedTuple):
    """Where an outbox stands. `first_seq == next_seq` when nothing is pending.

    `pending_bytes` falls when a trim has reached the disk. `telemetry_shed` is what was refused
    and the cloud has not been told of; stock facts are never shed, they wait at their maker.
    """

    epoch: Epoch
    first_seq: Seq
    next_seq: Seq
    pending_bytes: int
    telemetry_shed: int
    stock_shed: int

    @property
    def pending(self) -> int:
        """Facts not yet acknowledged by the cloud."""
        return self.next_seq - self.first_seq


class Outbox(Protocol):
    """All methods are thread-safe and raise `OutboxFailed` once the storage has failed."""

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Number the facts, store them and the checkpoints, and return when both are durable.

        A checkpoint of `None` is deleted. Raises `OutboxFull` when the disk or its budget admits
        no fact of this class: then nothing of this call was stored, telemetry in it is counted as
        shed, and other facts are the caller's to offer again. A sale meets it on a full disk only.
        Raises `ValueError` for a fact that is outside the protocol's limits.
        """

    def checkpoints(self, prefix: str) -> dict[str, bytes]:
        """Return the checkpoints whose names start with `prefix`."""

    def status(self) -> OutboxStatus:
        """Return where the outbox stands, without touching the disk."""

    def read(self, after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        """Return facts of the current epoch after `after`, in order; at least one if any."""

    def trim(self, epoch: Epoch, through: Seq) -> None:
        """Forget facts of `epoch` through this number: the cloud has committed them.

        Returns at once; the disk follows. A trim that a crash takes back only sends facts again.
        """

    def start_epoch(self, keep_from: Seq) -> Epoch:
        """Begin a new epoch: facts before `keep_from` are dropped, the rest renumbered from 1."""

    def on_append(self, notify: Callable[[], None]) -> None:
        """Call `notify` from the writer thread after every durable append."""

    def close(self) -> None:
        """Flush what was appended and release the storage."""
