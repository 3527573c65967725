"""Of two outboxes that live from one image, only the one that compared last is heard (P2)."""

from cloud.journal.memory import MemoryJournal
from cloud.shards.answers import calls_for_hello
from cloud.shards.messages import BatchReceived, Committed, HelloReceived
from cloud.shards.sessions import Sessions
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from protocol.codec import decode_up, encode_batch, encode_fact
from protocol.envelope import FactBatch, Hello
from protocol.facts import UnitsSold
from protocol.updates import Ack, Welcome

NOW_MS = 1_767_600_000_000
ORIGINAL, CLONE = 11, 22


def hello(session: int, epoch: int = 7) -> Hello:
    return Hello(
        store="S001",
        epoch=epoch,
        first_seq=1,
        next_seq=9,
        mirror_position=0,
        sent_at_ms=NOW_MS,
        agent_version="test",
        session=session,
    )


def sold(who: str, seq: int) -> bytes:
    return encode_fact(
        UnitsSold(
            occurred_at_ms=NOW_MS + seq,
            source="till-1",
            gtin="00614141123452",
            quantity=1,
            measure="units",
            transaction=f"{who}-{seq}",
            line=1,
        )
    )


class Cloud:
    """A shard, and what it answers."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        owner_epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS)
        self.shard = Shard(self.journal, "0-of-1", owner_epoch)

    def hears(self, session: int) -> Welcome:
        answer = self._only(self.shard.commit([HelloReceived(hello=hello(session))], NOW_MS))
        assert isinstance(answer, Welcome)
        return answer

    def takes(
        self, session: int, first_seq: int, count: int, welcomed_through: int, who: str = "x"
    ) -> Ack:
        facts = [sold(who, seq) for seq in range(first_seq, first_seq + count)]
        frame = encode_batch(
            "S001",
            7,
            first_seq,
            NOW_MS,
            facts,
            session=session,
            welcomed_through=welcomed_through,
        )
        batch = decode_up(frame)
        assert isinstance(batch, FactBatch)
        answer = self._only(self.shard.commit([BatchReceived(batch=batch, frame=frame)], NOW_MS))
        assert isinstance(answer, Ack)
        return answer

    def _only(self, committed: Committed) -> Ack | Welcome:
        (answer,) = committed.answers
        return answer

    @property
    def watermark(self) -> int:
        return self.journal.watermark("S001", 7)


def test_a_session_is_taken_from_its_welcome_on() -> None:
    cloud = Cloud()
    assert cloud.takes(ORIGINAL, 1, 2, 0).problem == "session_over"
    assert cloud.hears(ORIGINAL).session == ORIGINAL
    ack = cloud.takes(ORIGINAL, 1, 2, 0)
    assert (ack.through_seq, ack.problem, ack.session) == (2, None, ORIGINAL)


def test_a_hello_ends_the_session_before_it() -> None:
    cloud = Cloud()
    cloud.hears(ORIGINAL)
    cloud.hears(CLONE)
    refused = cloud.takes(ORIGINAL, 1, 2, 0, "original")
    assert (refused.problem, refused.session, refused.through_seq) == ("session_over", ORIGINAL, 0)
    assert cloud.watermark == 0


def test_what_a_clone_sends_behind_the_originals_facts_is_not_applied() -> None:
    cloud = Cloud()
    cloud.hears(CLONE)
    cloud.hears(ORIGINAL)
    cloud.takes(ORIGINAL, 1, 4, 0, "original")
    # The clone's own 1 to 4 were lost on the way; 5 and 6 follow the watermark.
    assert cloud.takes(CLONE, 5, 2, 0, "clone").problem == "session_over"
    assert cloud.watermark == 4


def test_a_late_copy_of_a_hello_admits_nothing_that_was_not_compared() -> None:
    cloud = Cloud()
    cloud.hears(CLONE)
    cloud.hears(ORIGINAL)
    cloud.takes(ORIGINAL, 1, 4, 0, "original")
    assert cloud.hears(CLONE).through_seq == 4
    assert cloud.takes(CLONE, 5, 2, 0, "clone").problem == "session_over"
    assert cloud.watermark == 4


def test_after_a_restart_of_the_cloud_everybody_says_hello_again() -> None:
    cloud = Cloud()
    cloud.hears(ORIGINAL)
    cloud.shard = Shard(cloud.journal, "0-of-1", cloud.shard.owner_epoch)
    assert cloud.takes(ORIGINAL, 1, 1, 0).problem == "session_over"


def test_an_agent_of_before_sessions_is_taken_as_before() -> None:
    cloud = Cloud()
    ack = cloud.takes(0, 1, 2, 0)
    assert (ack.through_seq, ack.problem, ack.session) == (2, None, 0)


def test_the_session_begun_longest_ago_is_over_when_there_is_no_room() -> None:
    sessions = Sessions(sessions_max=1)
    sessions.begin(hello(ORIGINAL, epoch=7), 0)
    sessions.begin(hello(CLONE, epoch=8), 0)
    batch = decode_up(
        encode_batch("S001", 7, 1, NOW_MS, [sold("x", 1)], session=ORIGINAL, welcomed_through=0)
    )
    assert isinstance(batch, FactBatch)
    assert not sessions.admits(batch)


def test_a_started_cloud_calls_every_known_store() -> None:
    cloud = Cloud()
    cloud.takes(0, 1, 2, 0)
    (call,) = calls_for_hello(cloud.journal.stores())
    assert (call.store, call.epoch, call.problem, call.session) == ("S001", 7, "session_over", 0)
