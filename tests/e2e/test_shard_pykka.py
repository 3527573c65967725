"""A shard on a Pykka actor with a journal on disk: groups under load, stops on failure."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event, Thread, get_ident

import pytest

from cloud.errors import JournalFailed, OwnershipLost
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.verify import verify
from cloud.shards.messages import Committed, Published
from cloud.shards.on_pykka import HostedShard
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from tests.brokers import wait_for
from tests.shard_inputs import GTIN, NOW_MS, STORE, batch, counted, received, sold

SHARD = "0-of-1"
DEADLINE_S = 10.0


class Listener:
    """Hears what a hosted shard commits and fails of, and may hold its thread."""

    def __init__(self) -> None:
        self.committed: list[Committed] = []
        self.failures: list[BaseException] = []
        self.threads: set[int] = set()
        self.may_go_on = Event()
        self.may_go_on.set()
        self.raises: Exception | None = None

    def on_committed(self, committed: Committed) -> None:
        self.committed.append(committed)
        self.threads.add(get_ident())
        assert self.may_go_on.wait(DEADLINE_S)
        if self.raises is not None:
            raise self.raises

    @property
    def through_seq(self) -> int:
        answers = [answer for committed in self.committed for answer in committed.answers]
        return answers[-1].through_seq if answers else 0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal.db")
    yield opened
    opened.close()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def host(journal: SqliteJournal, listener: Listener) -> Iterator[Callable[..., HostedShard]]:
    hosted: list[HostedShard] = []

    def start(**bounds: int) -> HostedShard:
        owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
        hosted.append(
            HostedShard(
                Shard(journal, SHARD, owner_epoch),
                clock_ms=lambda: NOW_MS,
                on_committed=listener.on_committed,
                on_failure=listener.failures.append,
                **bounds,
            )
        )
        return hosted[-1]

    yield start
    listener.may_go_on.set()
    for shard in hosted:
        shard.stop()


def test_an_idle_shard_commits_at_once(
    host: Callable[..., HostedShard], listener: Listener
) -> None:
    shard = host()
    assert shard.offer(batch(1, [counted(10)]))
    wait_for(lambda: listener.through_seq == 1, DEADLINE_S, "the commit")
    assert len(listener.committed) == 1
    assert get_ident() not in listener.threads


def test_what_waits_during_a_commit_becomes_one_group(
    host: Callable[..., HostedShard], listener: Listener, journal: SqliteJournal
) -> None:
    shard = host()
    listener.may_go_on.clear()
    shard.offer(batch(1, [counted(10)]))
    wait_for(lambda: len(listener.committed) == 1, DEADLINE_S, "the first commit")
    for seq in range(2, 102):
        assert shard.offer(batch(seq, [received(1)]))
    assert shard.waiting == 100
    listener.may_go_on.set()
    wait_for(lambda: listener.through_seq == 101, DEADLINE_S, "the second commit")
    assert [committed.facts_applied for committed in listener.committed] == [1, 100]
    assert journal.position() == 101


def test_a_full_inbox_refuses_and_takes_again_later(
    host: Callable[..., HostedShard], listener: Listener
) -> None:
    shard = host(inbox_inputs_max=3)
    listener.may_go_on.clear()
    shard.offer(batch(1, [counted(10)]))
    wait_for(lambda: len(listener.committed) == 1, DEADLINE_S, "the first commit")
    offered = [shard.offer(batch(seq, [received(1)])) for seq in range(2, 7)]
    assert offered == [True, True, True, False, False]
    assert shard.is_alive
    listener.may_go_on.set()
    wait_for(lambda: shard.offer(batch(5, [received(1)])), DEADLINE_S, "room in the inbox")
    wait_for(lambda: listener.through_seq == 5, DEADLINE_S, "all commits")


def test_many_threads_may_offer_and_nothing_is_lost(
    host: Callable[..., HostedShard], listener: Listener, journal: SqliteJournal
) -> None:
    shard = host(inbox_inputs_max=8)

    def offer_all(store: str) -> None:
        for seq in range(1, 201):
            item = batch(seq, [received(1)], store=store)
            wait_for(partial(shard.offer, item), DEADLINE_S, "room in the inbox")

    threads = [Thread(target=offer_all, args=(f"S{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    shard.stop()
    assert sum(committed.facts_applied for committed in listener.committed) == 800
    assert {row.through_seq for row in journal.watermarks()} == {200}
    assert verify(journal).is_identical


def test_stop_commits_what_waits_and_refuses_what_comes(
    host: Callable[..., HostedShard], listener: Listener, journal: SqliteJournal
) -> None:
    shard = host()
    listener.may_go_on.clear()
    shard.offer(batch(1, [counted(10)]))
    wait_for(lambda: len(listener.committed) == 1, DEADLINE_S, "the first commit")
    shard.offer(batch(2, [sold(1)]))
    shard.offer(Published(position=1))
    listener.may_go_on.set()
    shard.stop()
    assert journal.watermark(STORE, 7) == 2
    assert journal.published_through() == 1
    assert not shard.offer(batch(3, [sold(1)]))
    assert not shard.is_alive
    assert listener.failures == []
    shard.stop()


def test_a_publish_position_that_waits_is_written_when_the_shard_stops(
    host: Callable[..., HostedShard], listener: Listener, journal: SqliteJournal
) -> None:
    shard = host()
    for position in (1, 2):
        shard.offer(Published(position=position))
        wait_for(lambda: shard.waiting == 0, DEADLINE_S, "an empty inbox")
    shard.stop()
    assert journal.published_through() == 2


def test_a_shard_that_lost_its_ownership_stops_and_tells_once(
    host: Callable[..., HostedShard],
    listener: Listener,
    journal: SqliteJournal,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shard = host()
    rival = SqliteJournal(tmp_path / "journal.db")
    rival.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    for seq in range(1, 5):
        shard.offer(batch(seq, [counted(10)]))
    wait_for(lambda: not shard.is_alive, DEADLINE_S, "the end of the shard")
    assert [type(failure) for failure in listener.failures] == [OwnershipLost]
    assert listener.committed == []
    assert not shard.offer(batch(5, [counted(10)]))
    assert rival.state(STORE, GTIN) is None
    (record,) = [entry for entry in caplog.records if entry.levelname == "CRITICAL"]
    assert "has taken over" in record.message
    assert record.exc_info is None
    rival.close()


def test_a_shard_whose_storage_failed_acknowledges_nothing(
    host: Callable[..., HostedShard], listener: Listener, journal: SqliteJournal
) -> None:
    shard = host()
    journal._connection.execute("PRAGMA max_page_count = 1")
    shard.offer(batch(1, [received(1, gtin=GTIN)] * 2_000))
    wait_for(lambda: not shard.is_alive, DEADLINE_S, "the end of the shard")
    assert [type(failure) for failure in listener.failures] == [JournalFailed]
    assert listener.committed == []


@pytest.mark.usefixtures("caplog")
def test_an_unforeseen_error_stops_the_shard_too(
    host: Callable[..., HostedShard], listener: Listener
) -> None:
    shard = host()
    listener.raises = ValueError("a bug of the listener")
    shard.offer(batch(1, [counted(10)]))
    wait_for(lambda: not shard.is_alive, DEADLINE_S, "the end of the shard")
    assert [type(failure) for failure in listener.failures] == [ValueError]
    assert not shard.offer(batch(2, [counted(10)]))


def test_a_store_that_reuses_numbers_is_named_in_the_log(
    host: Callable[..., HostedShard], listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    shard = host()
    shard.offer(batch(1, [counted(10)]))
    shard.offer(batch(1, [counted(11)]))
    shard.stop()
    (record,) = [entry for entry in caplog.records if entry.levelname == "WARNING"]
    assert record.message.startswith("store S001 was restored or cloned: fact 1 of epoch 7")
