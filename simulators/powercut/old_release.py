"""A data set as the first release left it: schema 1, with facts that nobody has sent yet."""

from importlib.resources import files
from pathlib import Path
from typing import Final

import apsw

from edge.outbox.budget import class_of
from protocol.codec import encode_fact
from simulators.powercut.goods import fact_of, names_of
from simulators.powercut.opening import MARKS, journal_path, outbox_path

APPENDS: Final = 40


def leave_old_data_set(folder: Path, line: str, epoch: int) -> int:
    """Make the files, durable when this returns, and return how many appends are in them."""
    outbox = _made(outbox_path(folder), "edge.outbox", "migrations/0001_outbox.sql")
    facts = [fact_of(name) for n in range(1, APPENDS + 1) for name in names_of(line, n)]
    rows = [(seq, class_of(fact), encode_fact(fact)) for seq, fact in enumerate(facts, 1)]
    with outbox:
        outbox.executemany("INSERT INTO facts VALUES (?, ?, ?)", rows)
        outbox.execute("INSERT INTO life VALUES (1, ?, ?)", (epoch, len(rows) + 1))
        mark = (f"{MARKS}{line}", str(APPENDS).encode())
        outbox.execute("INSERT INTO checkpoints VALUES (?, ?)", mark)
    outbox.close()
    journal = _made(journal_path(folder), "cloud.journal", "migrations/sqlite/0001_journal.sql")
    journal.close()
    return APPENDS


def _made(path: Path, package: str, script: str) -> apsw.Connection:
    path.parent.mkdir(parents=True)
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    with connection:
        connection.execute(files(package).joinpath(script).read_text())
        connection.pragma("user_version", 1)
    return connection
