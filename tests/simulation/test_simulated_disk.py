"""The simulated disk, under the real outbox and journal, forgets what a disk may forget."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import apsw
import pytest

from cloud.errors import JournalFailed
from cloud.journal.rows import JournalWrite
from cloud.journal.sqlite import SqliteJournal
from cloud.sku_location.decide import LOGIC_ERA
from edge.errors import OutboxFailed, OutboxFull
from edge.outbox import sqlite_file
from edge.outbox.sqlite import SqliteOutbox
from protocol.facts import UnitsSold
from protocol.ids import Seq
from simulators.harness.canaries import CANARIES
from simulators.harness.disk import Machine, SimulatedDisk
from simulators.harness.planting import planted
from tests.contract.journal_contract import SHARD, input_row

CUTS = 40
FACTS_PER_LIFE = 12


def sold(number: int) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=number,
        source="till",
        gtin="00614141123452",
        quantity=1,
        measure="units",
        transaction=f"t{number}",
        line=1,
    )


@pytest.fixture
def disk() -> Iterator[SimulatedDisk]:
    installed = SimulatedDisk(lambda _: None)
    yield installed
    installed.uninstall()


def open_outbox(folder: Path) -> SqliteOutbox:
    return SqliteOutbox(
        folder / "outbox.db",
        disk_budget_bytes=1_000_000,
        mint_epoch=lambda: 7,
        clock_ms=lambda: 0,
    )


def close_dead(connections: list[apsw.Connection]) -> None:
    for connection in connections:
        with suppress(apsw.Error):
            connection.close(force=True)


def lives(folder: Path, machine: Machine, rng: Random) -> tuple[int, int]:
    """Append through many power cuts; return how many facts were acknowledged, and lost."""
    acknowledged = lost = 0
    for _ in range(CUTS):
        outbox = open_outbox(folder)
        present = outbox.status().next_seq - 1
        lost += max(0, acknowledged - present)
        acknowledged = present
        for _ in range(rng.randint(1, FACTS_PER_LIFE)):
            outbox.append([sold(acknowledged)])
            acknowledged += 1
        machine.power_cut()
        outbox.close()
        machine.restore()
    return acknowledged, lost


def test_nothing_acknowledged_is_lost_in_power_cuts(disk: SimulatedDisk, tmp_path: Path) -> None:
    rng = Random(1)
    machine = disk.machine(tmp_path / "gateway", rng)
    acknowledged, lost = lives(tmp_path / "gateway", machine, rng)
    assert lost == 0
    assert acknowledged > CUTS


def test_without_full_synchronisation_it_is(disk: SimulatedDisk, tmp_path: Path) -> None:
    rng = Random(1)
    machine = disk.machine(tmp_path / "gateway", rng)
    with planted(CANARIES["outbox-normal"]):
        _, lost = lives(tmp_path / "gateway", machine, rng)
    assert lost > 0
    assert sqlite_file.open_for_writing.__name__ == "open_for_writing"


def test_a_journal_keeps_what_it_confirmed(disk: SimulatedDisk, tmp_path: Path) -> None:
    rng = Random(2)
    folder = tmp_path / "cloud"
    machine = disk.machine(folder, rng)
    position = 0
    for _ in range(CUTS):
        journal = SqliteJournal(folder / "journal.db")
        assert journal.position() == position
        owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, 0)
        for _ in range(rng.randint(1, 8)):
            position += 1
            journal.commit(owner_epoch, JournalWrite(inputs=[input_row(position)]))
        machine.power_cut()
        close_dead([journal._connection])
        machine.restore()


def test_a_kill_loses_nothing_that_was_written(disk: SimulatedDisk, tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    machine = disk.machine(folder, Random(3))
    outbox = open_outbox(folder)
    outbox.append([sold(1)])
    machine.kill()
    with pytest.raises(OutboxFailed):
        outbox.append([sold(2)])
    outbox.close()
    machine.restore()
    again = open_outbox(folder)
    assert [fact.seq for fact in again.read(Seq(0), 9, 9_999)] == [1]
    again.close()


def test_a_full_disk_refuses_and_is_used_again(disk: SimulatedDisk, tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    machine = disk.machine(folder, Random(4))
    outbox = open_outbox(folder)
    machine.faults.is_full = True
    refusals = 0
    for number in range(2_000):
        try:
            outbox.append([sold(number)])
        except OutboxFull:
            refusals += 1
            break
    assert refusals
    machine.faults.is_full = False
    before = outbox.status().next_seq
    outbox.append([sold(0)])
    assert outbox.status().next_seq == before + 1
    outbox.close()


def test_after_a_failed_sync_the_journal_stays_failed(disk: SimulatedDisk, tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    machine = disk.machine(folder, Random(5))
    journal = SqliteJournal(folder / "journal.db")
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, 0)
    machine.faults.fail_sync_after = 1
    for _ in range(2):
        with pytest.raises(JournalFailed):
            journal.commit(owner_epoch, JournalWrite(inputs=[input_row(1)]))
    close_dead([journal._connection])


def test_yesterdays_image_brings_yesterday_back(disk: SimulatedDisk, tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    machine = disk.machine(folder, Random(6))
    outbox = open_outbox(folder)
    outbox.append([sold(1)])
    outbox.close()
    image = machine.image()
    outbox = open_outbox(folder)
    outbox.append([sold(2)])
    outbox.close()
    machine.restore_image(image)
    outbox = open_outbox(folder)
    assert outbox.status().next_seq == 2
    outbox.close()
