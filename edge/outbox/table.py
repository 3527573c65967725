"""The outbox's tables, as the writer's transactions change them.

Nothing here begins or commits. Each change is made to the database and to a `Tally`, which becomes
the truth in memory only when the transaction has committed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import apsw

from edge.outbox.budget import ROW_BYTES, FactClass
from protocol.codec import encode_fact
from protocol.facts import FactsShed

SHED_ROWS_PER_STEP: Final = 500
"""Stored telemetry is looked up in steps, so that shedding takes the same memory however much."""
SOURCE: Final = "outbox"


class Row(NamedTuple):
    """A fact as it is stored."""

    fact_class: FactClass
    data: bytes


@dataclass(slots=True)
class Tally:
    """Where the outbox stands, or will stand once the present transaction commits."""

    epoch: int
    first_seq: int
    next_seq: int
    pending_bytes: int
    telemetry_bytes: int
    telemetry_shed: int


class FactTable:
    """Changes to facts, checkpoints and `life` on the writer's connection."""

    def __init__(self, db: apsw.Connection, clock_ms: Callable[[], int]) -> None:
        self._db = db
        self._clock_ms = clock_ms

    def load(self) -> Tally:
        """Return where the outbox stands. Reads every row once, when the agent starts."""
        ((epoch, next_seq, shed),) = self._rows("SELECT epoch, next_seq, telemetry_shed FROM life")
        query = "SELECT class, min(seq), sum(length(data) + ?) FROM facts GROUP BY class"
        stored = self._rows(query, ROW_BYTES)
        return Tally(
            epoch=epoch,
            first_seq=min((first for _, first, _ in stored), default=next_seq),
            next_seq=next_seq,
            pending_bytes=sum(size for _, _, size in stored),
            telemetry_bytes=sum(s for kind, _, s in stored if kind == FactClass.TELEMETRY),
            telemetry_shed=shed,
        )

    def save(self, tally: Tally) -> None:
        """Store what cannot be counted from the facts: a number is never given twice."""
        update = "UPDATE life SET epoch = ?, next_seq = ?, telemetry_shed = ?"
        self._db.execute(update, (tally.epoch, tally.next_seq, tally.telemetry_shed))

    def insert(self, rows: Sequence[Row], tally: Tally) -> None:
        """Number facts and store them."""
        numbered = []
        for fact_class, data in rows:
            numbered.append((tally.next_seq, int(fact_class), data))
            tally.next_seq += 1
            tally.pending_bytes += len(data) + ROW_BYTES
            if fact_class == FactClass.TELEMETRY:
                tally.telemetry_bytes += len(data) + ROW_BYTES
        self._db.executemany("INSERT INTO facts VALUES (?, ?, ?)", numbered)

    def set_checkpoints(self, checkpoints: Mapping[str, bytes | None]) -> None:
        """Store checkpoints, and delete those that are `None`."""
        stored = [(name, value) for name, value in checkpoints.items() if value is not None]
        deleted = [(name,) for name, value in checkpoints.items() if value is None]
        self._db.executemany("INSERT OR REPLACE INTO checkpoints VALUES (?, ?)", stored)
        self._db.executemany("DELETE FROM checkpoints WHERE name = ?", deleted)

    def shed(self, bytes_wanted: int, tally: Tally) -> int:
        """Replace the oldest stored telemetry by markers, which keep its numbers.

        Returns how many facts went: enough to free `bytes_wanted`, or all.
        """
        marker = self._marker(telemetry=1)
        freed_bytes = shed = 0
        query = "SELECT seq, length(data) FROM facts WHERE class = 0 ORDER BY seq LIMIT ?"
        while freed_bytes < bytes_wanted:
            oldest = self._rows(query, SHED_ROWS_PER_STEP)
            if not oldest:
                break
            replaced: list[tuple[int, bytes, int]] = []
            for seq, length in oldest:
                if freed_bytes >= bytes_wanted:
                    break
                replaced.append((int(FactClass.SALE), marker, seq))
                freed_bytes += length - len(marker)
                tally.telemetry_bytes -= length + ROW_BYTES
            self._db.executemany("UPDATE facts SET class = ?, data = ? WHERE seq = ?", replaced)
            shed += len(replaced)
        tally.pending_bytes -= freed_bytes
        return shed

    def report_shed(self, tally: Tally) -> None:
        """Tell as a fact how much telemetry was refused, now that there is room."""
        fact = self._marker(telemetry=tally.telemetry_shed)
        self.insert([Row(FactClass.SALE, fact)], tally)
        tally.telemetry_shed = 0

    def delete_through(self, through: int, tally: Tally) -> None:
        """Forget facts up to this number."""
        query = "SELECT class, sum(length(data) + ?) FROM facts WHERE seq <= ? GROUP BY class"
        for fact_class, size_bytes in self._rows(query, ROW_BYTES, through):
            tally.pending_bytes -= size_bytes
            if fact_class == FactClass.TELEMETRY:
                tally.telemetry_bytes -= size_bytes
        self._db.execute("DELETE FROM facts WHERE seq <= ?", (through,))
        tally.first_seq = max(tally.first_seq, through + 1)

    def start_epoch(self, epoch: int, keep_from: int, tally: Tally) -> None:
        """Drop facts before `keep_from` and number the rest from 1."""
        self.delete_through(keep_from - 1, tally)
        shift = tally.first_seq - 1
        # By way of negative numbers: SQLite promises no order in which an UPDATE visits the rows,
        # and each must find its number free.
        self._db.execute("UPDATE facts SET seq = ? - seq", (shift,))
        self._db.execute("UPDATE facts SET seq = -seq")
        tally.epoch = epoch
        tally.first_seq = 1
        tally.next_seq -= shift

    def _marker(self, telemetry: int) -> bytes:
        now_ms = self._clock_ms()
        return encode_fact(
            FactsShed(occurred_at_ms=now_ms, source=SOURCE, telemetry=telemetry, stock=0)
        )

    def _rows(self, query: str, *bindings: int) -> list[tuple[Any, ...]]:
        return list(self._db.execute(query, bindings))
