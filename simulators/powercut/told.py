"""The line on which a guest testifies to its host, and parts that tell on it what they do.

A guest's serial line is a pipe on the host: what was written before a cut, can be read after it.
"""

import os
import threading
import tty
from pathlib import Path
from typing import Final

import apsw

from cloud.journal.sqlite import SqliteJournal
from edge.outbox.writer import Writer
from simulators.powercut.notes import AnyNote, Moving, encode_note

LINE: Final = Path("/dev/ttyS1")


class Testimony:
    """Thread-safe. When `tell` returns, the host can read the note, whatever becomes of us."""

    def __init__(self, line: Path = LINE) -> None:
        self._descriptor: Final = os.open(line, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._descriptor)
        self._lock: Final = threading.Lock()

    def tell(self, note: AnyNote) -> None:
        """Testify."""
        data = memoryview(encode_note(note))
        with self._lock:
            while data:
                data = data[os.write(self._descriptor, data) :]

    def answer(self) -> bytes:
        """Wait for the host's answer, and return it."""
        return os.read(self._descriptor, 1)


def telling_writer(testimony: Testimony) -> type[Writer]:
    """Return an outbox writer that tells when it is about to move its log."""

    class TellingWriter(Writer):
        def _empty_log(self) -> None:
            testimony.tell(Moving(part="outbox"))
            super()._empty_log()

    return TellingWriter


class TellingJournal(SqliteJournal):
    """A journal that tells when it is about to move its log."""

    def __init__(self, path: Path, testimony: Testimony) -> None:
        super().__init__(path)
        self._testimony: Final = testimony

    def _move_log(self, *, is_last: bool = False) -> None:
        self._testimony.tell(Moving(part="journal"))
        super()._move_log(is_last=is_last)


def integrity_of(path: Path) -> str:
    """Return `ok`, or what SQLite's integrity check says of a file."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute("PRAGMA integrity_check(5)").get
    except apsw.Error as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return str(rows)
