"""What the handshake compares of our own facts. Pure."""

from collections.abc import Iterable
from typing import Final

from edge.outbox.port import PendingFact
from edge.uplink.steps import OwnFact
from protocol.codec import decode_fact, fact_digest
from protocol.facts import DeviceHealthChanged, FactsShed, ShelfCounted, TagsAppeared, TagsLeft

TELEMETRY: Final = (TagsAppeared, TagsLeft, ShelfCounted, DeviceHealthChanged, FactsShed)
"""What an outbox may replace by a `FactsShed` marker in place."""


def own_facts(pending: Iterable[PendingFact]) -> list[OwnFact]:
    """Return the comparable part of each fact."""
    return [
        OwnFact(fact_digest(fact.data), isinstance(decode_fact(fact.data), TELEMETRY))
        for fact in pending
    ]
