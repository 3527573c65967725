"""What a till's documents say, each understood whole or not at all, live as in a replay.

A count or a receipt has no business key, so what was taken is remembered in the outbox's
checkpoints and not taken again. No file is touched here.
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from edge.devices.pos_journal_settings import PosJournalSettings
from edge.devices.taken_documents import TakenDocuments
from edge.outbox.port import Outbox
from edge.sensing.poslog import StockDocument, parse_poslog
from edge.sensing.poslog_xml import PoslogRejected
from edge.sensing.till import document_digest, facts_of
from protocol.facts import AnyFact

_log = logging.getLogger(__name__)


class Understood(NamedTuple):
    """One document's facts, and the digests of the counts and receipts in it, by their key."""

    transactions: int
    facts: list[AnyFact]
    documents: dict[str, bytes]


class TillDocuments:
    """The documents of one till. What was taken before stands in the outbox's checkpoints."""

    def __init__(self, settings: PosJournalSettings, outbox: Outbox) -> None:
        self._name = settings.name
        self._zone = settings.zone()
        self._receiving_zone = settings.receiving_zone
        self._taken = TakenDocuments(outbox, settings.name)

    def understand(self, name: str, data: bytes, pending: Mapping[str, bytes]) -> Understood:
        """Return what a document says, or raise `PoslogRejected`.

        `name` is for the log; `pending` are counts and receipts that are being recorded already.
        """
        transactions = parse_poslog(data, self._zone)
        if not transactions:
            _log.debug("%s: %r tells nothing about stock", self._name, name)
        facts: list[AnyFact] = []
        documents: dict[str, bytes] = {}
        for transaction in transactions:
            found = facts_of(transaction, source=self._name, receiving_zone=self._receiving_zone)
            if isinstance(transaction, StockDocument):
                document = f"{transaction.kind}/{transaction.key}"
                digest = document_digest(found)
                if self._is_taken(document, digest, {**pending, **documents}):
                    _log.info("%s: %r has been taken before: %s", self._name, name, document)
                    continue
                documents[document] = digest
            facts += found
        return Understood(len(transactions), facts, documents)

    def checkpoints(self, documents: dict[str, bytes]) -> dict[str, bytes | None]:
        """Return the checkpoints that must commit with these documents' facts."""
        return self._taken.checkpoints(documents)

    def committed(self, documents: dict[str, bytes]) -> None:
        """Remember what is durable now."""
        self._taken.committed(documents)

    def _is_taken(self, document: str, digest: bytes, pending: Mapping[str, bytes]) -> bool:
        known = pending.get(document) or self._taken.digest_of(document)
        if known is not None and known != digest:
            raise PoslogRejected(f"{document} was taken before with another content")
        return known is not None
