"""A failed sync, a restart, and only then a power cut: what the restart acknowledged is there.

The process stops after a failed sync, as it must. The next one finds in the page cache what never
reached the disk; it must not build on that.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cloud.errors import JournalFailed
from cloud.journal.rows import InputRow, JournalWrite
from cloud.journal.sqlite import SqliteJournal
from edge.errors import OutboxFailed
from edge.outbox.sqlite import SqliteOutbox
from protocol.facts import UnitsSold
from protocol.ids import Seq
from tests.forgetful_disk import ForgetfulDisk, forgetful_disk

SHARD = "0-of-1"


@pytest.fixture
def disk() -> Iterator[ForgetfulDisk]:
    with forgetful_disk() as disk:
        yield disk


def new_outbox(path: Path) -> SqliteOutbox:
    return SqliteOutbox(
        path, disk_budget_bytes=100_000_000, mint_epoch=lambda: 7, clock_ms=lambda: 1
    )


def sold(number: int) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=number,
        source="till-1",
        gtin="00614141123452",
        quantity=1,
        measure="units",
        transaction=f"T{number}",
        line=1,
    )


def test_an_outbox_keeps_what_it_acknowledged_after_a_failed_sync_and_a_restart(
    tmp_path: Path, disk: ForgetfulDisk
) -> None:
    path = tmp_path / "outbox.db"
    with closing(new_outbox(path)) as outbox:
        for number in range(50):
            outbox.append([sold(number)])
        disk.fail_next_sync = True
        with pytest.raises(OutboxFailed):
            outbox.append([sold(50)])
    with closing(new_outbox(path)) as outbox:
        outbox.append([sold(51)])
        acknowledged = outbox.read(Seq(0), 1_000, 10**6)
    disk.cut_power()
    with closing(new_outbox(path)) as outbox:
        kept = outbox.read(Seq(0), 1_000, 10**6)
    assert kept == acknowledged
    assert len(kept) >= 51


def write(position: int) -> JournalWrite:
    row = InputRow(position, "batch", "S001", 7, position, position, 1, b"payload")
    return JournalWrite(inputs=[row])


def test_a_journal_keeps_what_it_acknowledged_after_a_failed_sync_and_a_restart(
    tmp_path: Path, disk: ForgetfulDisk
) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    owner_epoch = journal.take_ownership(SHARD, 1, 1)
    journal.commit(owner_epoch, write(1))
    disk.fail_next_sync = True
    with pytest.raises(JournalFailed):
        journal.commit(owner_epoch, write(2))
    journal.close()
    journal = SqliteJournal(path)
    owner_epoch = journal.take_ownership(SHARD, 1, 1)
    position = journal.position() + 1
    journal.commit(owner_epoch, write(position))
    # As after SIGKILL, without the farewell that moves the log.
    journal._connection.close()
    disk.cut_power()
    with closing(SqliteJournal(path)) as journal:
        assert journal.position() == position
