"""What one durable commit costs here: the least of what outbox and journal each wait for."""

import time
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

COMMITS: Final = 200


def bare_commits_ms(path: Path, commits: int = COMMITS) -> list[float]:
    """Return how long commits of one row take, in a file that is synced as the outbox is."""
    took_ms: list[float] = []
    with closing(apsw.Connection(str(path))) as db:
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "full")
        db.execute("CREATE TABLE facts (seq INTEGER PRIMARY KEY, data BLOB)")
        for seq in range(commits):
            begun_s = time.perf_counter()
            db.execute("INSERT INTO facts VALUES (?, ?)", (seq, b"fact"))
            took_ms.append((time.perf_counter() - begun_s) * 1_000)
    return took_ms
