"""What the handshake compares of our own facts. Pure."""

from collections.abc import Iterable

from edge.outbox.budget import FactClass, class_of
from edge.outbox.port import PendingFact
from edge.uplink.steps import OwnFact
from protocol.codec import decode_fact, fact_digest


def own_facts(pending: Iterable[PendingFact]) -> list[OwnFact]:
    """Return the comparable part of each fact. Only telemetry is ever replaced by a marker."""
    return [
        OwnFact(fact_digest(data), class_of(decode_fact(data)) == FactClass.TELEMETRY)
        for _, data in pending
    ]
