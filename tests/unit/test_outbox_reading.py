"""A commit is in the file a moment before the outbox adopts it; a reader may look just then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.outbox.port import PendingFact
from edge.outbox.sqlite import SqliteOutbox
from edge.outbox.table import Tally
from edge.outbox.writer import Writer
from protocol.facts import UnitsSold
from protocol.ids import Seq


def sale(number: int) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=number,
        source="till-1",
        gtin="00614141123452",
        quantity=1,
        measure="units",
        transaction=f"1/{number}",
        line=1,
    )


class WatchedOutbox:
    """An outbox that is read between each commit and its adoption."""

    def __init__(self, path: Path) -> None:
        self.seen: list[tuple[int, int, list[PendingFact]]] = []
        watched = self

        class WatchedWriter(Writer):
            def _adopt(self, tally: Tally, trimmed_through: int) -> None:
                watched.look()
                super()._adopt(tally, trimmed_through)

        self.outbox = SqliteOutbox(
            path,
            disk_budget_bytes=1_000_000,
            mint_epoch=iter((5, 6)).__next__,
            clock_ms=lambda: 1,
            writer_type=WatchedWriter,
        )

    def look(self) -> None:
        status = self.outbox.status()
        pending = self.outbox.read(Seq(0), 1_000, 1_000_000)
        self.seen.append((status.epoch, status.next_seq, pending))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedOutbox]:
    watched = WatchedOutbox(tmp_path / "outbox.db")
    yield watched
    watched.outbox.close()


def test_what_is_read_can_be_acknowledged_at_once(watched: WatchedOutbox) -> None:
    for number in range(3):
        watched.outbox.append([sale(number)])
    for _, next_seq, pending in watched.seen:
        assert [fact.seq for fact in pending] == list(range(1, next_seq))


def test_facts_of_an_epoch_are_not_read_while_another_is_the_current_one(
    watched: WatchedOutbox,
) -> None:
    watched.outbox.append([sale(1), sale(2), sale(3)])
    assert watched.outbox.start_epoch(Seq(3)) == 6
    epoch, next_seq, pending = watched.seen[-1]
    assert (epoch, next_seq, pending) == (5, 4, [])
