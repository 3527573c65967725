"""A shard: exactly once, in order, all or nothing, whatever the pipe before it does."""

from collections.abc import Sequence
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.goods import (
    AdviseDespatch,
    CloseDespatch,
    DespatchLine,
    ReceiveDespatch,
    ReceivedLine,
)
from cloud.commands.reservations import Pick, Reserve, ReserveLine, Ship
from cloud.commands.returns import AcceptReturn, ReturnLine
from cloud.errors import JournalFailed, OwnershipLost
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import JournalWrite, Quarantined, QuarantineEntry, decode_state
from cloud.journal.verify import verify
from cloud.shards.messages import (
    BatchReceived,
    Committed,
    PayloadRefused,
    Published,
    Redrive,
    SetPolicy,
    ShardInput,
    Submitted,
)
from cloud.shards.shard import PUBLISHED_ALONE_EVERY_MS, RESIDENTS_MAX, Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.state import Policy, SkuLocation
from protocol.codec import encode_fact, fact_digest
from protocol.facts import AnyFact
from protocol.updates import DIGESTS_PER_WELCOME_MAX, STATES_PER_UPDATE_MAX, Ack, Welcome
from tests.shard_inputs import (
    EPOCH,
    GTIN,
    INVALID_GTIN,
    NOW_MS,
    OTHER_GTIN,
    STORE,
    batch,
    counted,
    gtins,
    health,
    hello,
    mirror_request,
    moved,
    received,
    return_voided,
    returned,
    sale_voided,
    shed,
    shelf_counted,
    sold,
)

OTHER_STORE = "S002"
POLICY = SetPolicy(store=STORE, gtin=GTIN, policy=Policy(reorder_point=5, order_up_to=20))


class FailingJournal(MemoryJournal):
    """Fails a commit when it is told to, having written nothing, as SQLite does."""

    fails = False

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        if self.fails:
            raise JournalFailed("the disk is gone")
        super().commit(owner_epoch, write)


class World:
    """A shard over a journal in memory, and what tests ask about them."""

    def __init__(self, residents_max: int = RESIDENTS_MAX) -> None:
        self.journal = FailingJournal()
        self.residents_max = residents_max
        self.restart()

    def restart(self) -> None:
        owner_epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS)
        self.shard = Shard(self.journal, "0-of-1", owner_epoch, residents_max=self.residents_max)

    def commit(self, *inputs: ShardInput, now_ms: int = NOW_MS) -> Committed:
        return self.shard.commit(inputs, now_ms)

    def state(self, gtin: str = GTIN, store: str = STORE) -> SkuLocation | None:
        row = self.journal.state(store, gtin)
        return None if row is None else decode_state(row.data)

    def on_hand(self, gtin: str = GTIN, store: str = STORE) -> int:
        state = self.state(gtin, store)
        return 0 if state is None else state.on_hand

    def quarantine(self) -> list[QuarantineEntry]:
        return list(self.journal.quarantine())

    def reasons(self) -> list[str]:
        return [entry.content.reason for entry in self.quarantine()]


@pytest.fixture
def world() -> World:
    return World()


def ack_of(committed: Committed) -> Ack:
    (answer,) = committed.answers
    assert isinstance(answer, Ack)
    return answer


def welcome_of(committed: Committed) -> Welcome:
    (answer,) = committed.answers
    assert isinstance(answer, Welcome)
    return answer


def test_facts_count_and_are_acknowledged_through_the_last(world: World) -> None:
    committed = world.commit(batch(1, [counted(10), sold(2), received(5)]))
    assert world.on_hand() == 13
    assert ack_of(committed) == Ack(store=STORE, epoch=EPOCH, through_seq=3)
    assert (committed.facts_applied, committed.facts_duplicate) == (3, 0)


def test_a_redelivered_batch_counts_once(world: World) -> None:
    facts: list[AnyFact] = [counted(10), sold(2)]
    world.commit(batch(1, facts))
    committed = world.commit(batch(1, facts, sent_at_ms=99))
    assert world.on_hand() == 8
    assert (committed.facts_applied, committed.facts_duplicate) == (0, 2)
    assert ack_of(committed) == Ack(store=STORE, epoch=EPOCH, through_seq=2)
    assert len(list(world.journal.inputs())) == 1


def test_a_redelivered_batch_counts_once_within_one_group(world: World) -> None:
    first = batch(1, [counted(10), sold(2)])
    committed = world.commit(first, first, first)
    assert world.on_hand() == 8
    assert (committed.facts_applied, committed.facts_duplicate) == (2, 4)


def test_of_an_overlapping_batch_only_the_new_part_counts(world: World) -> None:
    facts: list[AnyFact] = [counted(10), sold(2), sold(1)]
    world.commit(batch(1, facts[:2]))
    committed = world.commit(batch(2, facts[1:]))
    assert world.on_hand() == 7
    assert (committed.facts_applied, committed.facts_duplicate) == (1, 1)
    rows = list(world.journal.inputs())
    assert [(row.first_seq, row.last_seq) for row in rows] == [(1, 2), (3, 3)]
    assert verify(world.journal).is_identical


def test_a_gap_applies_nothing_and_asks_for_what_is_missing(world: World) -> None:
    world.commit(batch(1, [counted(10)]))
    committed = world.commit(batch(3, [sold(2)]))
    ack = ack_of(committed)
    assert (ack.through_seq, ack.resend_from, ack.problem) == (1, 2, "gap")
    assert world.on_hand() == 10
    assert world.reasons() == []


def test_a_gap_that_closes_within_its_group_still_asks_for_what_came_behind_it(
    world: World,
) -> None:
    committed = world.commit(batch(1, [counted(10)]), batch(3, [sold(2)]), batch(2, [sold(1)]))
    ack = ack_of(committed)
    assert (ack.through_seq, ack.resend_from, ack.problem) == (2, 3, "gap")
    committed = world.commit(batch(4, [sold(1)]), batch(3, [sold(2)]), batch(4, [sold(1)]))
    assert ack_of(committed) == Ack(store=STORE, epoch=EPOCH, through_seq=4)
    assert world.on_hand() == 6


def test_a_number_that_comes_with_other_content_is_an_alarm_and_changes_nothing(
    world: World,
) -> None:
    world.commit(batch(1, [counted(10), sold(2)]))
    committed = world.commit(batch(2, [sold(5), sold(1)]))
    ack = ack_of(committed)
    assert (ack.through_seq, ack.problem, ack.resend_from) == (2, "seq_reused", None)
    assert "fact 2" in ack.detail
    assert world.on_hand() == 8
    assert world.reasons() == ["seq_reused"]


def test_a_number_reused_within_one_group_is_noticed(world: World) -> None:
    committed = world.commit(batch(1, [counted(10)]), batch(1, [counted(11)]))
    assert ack_of(committed).problem == "seq_reused"
    assert world.on_hand() == 10


@pytest.mark.parametrize("marker_first", [False, True])
def test_a_shed_marker_matches_any_content(world: World, marker_first: bool) -> None:
    pair: list[AnyFact] = [shelf_counted(3), shed()]
    known, came = reversed(pair) if marker_first else pair
    world.commit(batch(1, [known]))
    committed = world.commit(batch(1, [came, counted(4)]))
    assert ack_of(committed) == Ack(store=STORE, epoch=EPOCH, through_seq=2)
    assert world.on_hand() == 4


def test_epochs_of_a_store_are_numbered_apart(world: World) -> None:
    world.commit(batch(1, [counted(10)]))
    committed = world.commit(batch(1, [sold(1)], epoch=8))
    assert ack_of(committed) == Ack(store=STORE, epoch=8, through_seq=1)
    assert world.on_hand() == 9


def test_a_till_line_read_twice_counts_once_in_any_epoch(world: World) -> None:
    line = sold(2, transaction="1/2026-11-24/1", line=3)
    world.commit(batch(1, [counted(10), line, line]))
    committed = world.commit(batch(1, [line], epoch=8))
    assert world.on_hand() == 8
    assert (committed.facts_applied, committed.facts_duplicate) == (0, 1)
    assert world.reasons() == []


def test_a_till_line_is_the_same_whatever_clock_and_device_name_it_was_read_with(
    world: World,
) -> None:
    line = sold(2, transaction="t", line=3)
    again = type(line)(
        occurred_at_ms=99,
        source="renamed",
        gtin=GTIN,
        quantity=2,
        measure="units",
        transaction="t",
        line=3,
    )
    world.commit(batch(1, [line, again]))
    assert world.on_hand() == -2


def test_a_till_line_with_other_content_is_quarantined_and_the_rest_applies(world: World) -> None:
    line = sold(2, transaction="t", line=3)
    world.commit(batch(1, [counted(10), line]))
    committed = world.commit(
        batch(3, [sold(5, transaction="t", line=3), sold(1, transaction="t", line=4)])
    )
    assert world.on_hand() == 7
    assert ack_of(committed) == Ack(store=STORE, epoch=EPOCH, through_seq=4)
    assert committed.facts_quarantined == 1
    (entry,) = world.quarantine()
    assert (entry.content.reason, entry.content.epoch, entry.content.seq) == (
        "transaction_conflict",
        EPOCH,
        3,
    )


def test_the_same_transaction_in_two_stores_is_two_sales(world: World) -> None:
    line = sold(2, transaction="t", line=3)
    world.commit(batch(1, [line]), batch(1, [line], store=OTHER_STORE))
    assert (world.on_hand(), world.on_hand(store=OTHER_STORE)) == (-2, -2)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (sold(1, gtin=INVALID_GTIN), "invalid_gtin"),
        (sold(500, measure="grams"), "measure_conflict"),
    ],
)
def test_a_bad_fact_in_a_good_batch_is_quarantined_and_the_watermark_passes_it(
    world: World, bad: AnyFact, reason: str
) -> None:
    facts = [counted(10), bad, sold(1)]
    committed = world.commit(batch(1, facts, sent_at_ms=NOW_MS))
    assert world.on_hand() == 9
    assert ack_of(committed) == Ack(store=STORE, epoch=EPOCH, through_seq=3)
    (entry,) = world.quarantine()
    assert entry.content.reason == reason
    assert entry.content.payload == encode_fact(bad)
    assert (committed.facts_applied, committed.facts_quarantined) == (2, 1)
    assert world.state(INVALID_GTIN) is None
    assert verify(world.journal).is_identical


def test_facts_about_equipment_are_counted_and_change_nothing(world: World) -> None:
    committed = world.commit(batch(1, [health(), shed()]))
    assert (committed.facts_applied, committed.changes) == (2, [])
    assert ack_of(committed).through_seq == 2


def test_a_refused_payload_is_quarantined_once_and_counted(world: World) -> None:
    refused = PayloadRefused(
        topic="st/1/S001/up/facts",
        store=STORE,
        reason="malformed",
        detail="fact 3",
        payload=b"\x00\x01",
        received_at_ms=NOW_MS,
    )
    committed = world.commit(refused, refused, refused)
    assert committed.answers == []
    (entry,) = world.quarantine()
    assert (entry.times, entry.content.payload) == (3, b"\x00\x01")
    assert entry.content.topic == "st/1/S001/up/facts"


def test_a_change_tells_newest_states_and_links_to_the_change_before(world: World) -> None:
    first = world.commit(batch(1, [counted(10), sold(1)])).changes
    second = world.commit(batch(3, [sold(1), counted(3, gtin=OTHER_GTIN)])).changes
    assert [state.on_hand for state in first[0].states] == [9]
    assert sorted(state.on_hand for state in second[0].states) == [3, 8]
    assert first[0].previous_position == 0
    assert second[0].previous_position == first[0].position
    assert (second[0].epoch, second[0].through_seq) == (EPOCH, 4)


def test_a_group_changes_each_store_once_however_many_batches(world: World) -> None:
    committed = world.commit(
        batch(1, [counted(10)]),
        batch(1, [counted(4)], store=OTHER_STORE),
        batch(2, [sold(1)]),
    )
    assert [(change.store, change.position) for change in committed.changes] == [
        (STORE, 3),
        (OTHER_STORE, 2),
    ]
    assert committed.position == 3


def test_many_changed_states_come_in_changes_that_link_up(world: World) -> None:
    facts = [counted(1, gtin=gtin) for gtin in gtins(1_999)]
    changes = world.commit(batch(1, facts), batch(2_000, [sold(1)])).changes
    assert [len(change.states) for change in changes] == [900, 900, 200]
    assert changes[0].position == changes[1].previous_position
    assert changes[1].position == changes[2].previous_position
    assert sum(len(change.states) for change in changes) == 2_000
    row = world.journal.store(STORE)
    assert row is not None
    assert changes[-1].position == row.position


def test_welcome_says_watermark_and_digests_of_what_both_sides_have(world: World) -> None:
    facts: list[AnyFact] = [counted(10), sold(1), sold(2), sold(3)]
    world.commit(batch(1, facts[:2]), batch(3, facts[2:]))
    welcome = welcome_of(world.commit(hello(first_seq=2, next_seq=9, mirror_position=2)))
    assert (welcome.through_seq, welcome.digests_from) == (4, 2)
    assert welcome.digests == [fact_digest(encode_fact(fact)) for fact in facts[1:]]


def test_welcome_to_an_unknown_epoch_begins_at_nothing(world: World) -> None:
    welcome = welcome_of(world.commit(hello(first_seq=1, next_seq=9)))
    assert (welcome.through_seq, welcome.digests_from, welcome.digests) == (0, 1, [])


def test_welcome_holds_no_digest_of_what_the_edge_has_trimmed(world: World) -> None:
    world.commit(batch(1, [counted(10)]))
    welcome = welcome_of(world.commit(hello(first_seq=2, next_seq=2, mirror_position=1)))
    assert (welcome.through_seq, welcome.digests_from, welcome.digests) == (1, 2, [])


def test_welcome_sends_a_bounded_number_of_digests(world: World) -> None:
    for start in range(1, 10_001, 2_000):
        world.commit(batch(start, [health()] * 2_000))
    welcome = welcome_of(world.commit(hello(first_seq=3, next_seq=10_001)))
    assert len(welcome.digests) == DIGESTS_PER_WELCOME_MAX


def test_welcome_includes_what_its_own_group_made_durable(world: World) -> None:
    committed = world.commit(hello(first_seq=1, next_seq=2), batch(1, [counted(10)]))
    ack, welcome = committed.answers
    assert isinstance(ack, Ack)
    assert isinstance(welcome, Welcome)
    assert welcome.through_seq == 1
    assert len(welcome.digests) == 1


def test_a_mirror_that_is_behind_gets_what_it_missed_on_hello(world: World) -> None:
    position = world.commit(batch(1, [counted(10)])).changes[0].position
    world.commit(batch(2, [counted(3, gtin=OTHER_GTIN)]))
    (mirror,) = world.commit(hello(3, 3, mirror_position=position)).mirrors
    assert [state.gtin for state in mirror.states] == [OTHER_GTIN]
    assert (mirror.previous_position, mirror.position) == (position, 2)
    assert (mirror.epoch, mirror.through_seq) == (EPOCH, 2)
    assert world.commit(hello(3, 3, mirror_position=2)).mirrors == []


def test_a_mirror_that_asks_always_gets_an_answer(world: World) -> None:
    (mirror,) = world.commit(mirror_request(0)).mirrors
    assert (mirror.previous_position, mirror.position, mirror.states) == (0, 0, [])


def test_a_mirror_ahead_of_the_cloud_gets_everything(world: World) -> None:
    world.commit(batch(1, [counted(10)]))
    (mirror,) = world.commit(mirror_request(500)).mirrors
    assert (mirror.previous_position, mirror.position) == (0, 1)
    assert len(mirror.states) == 1


def test_a_new_mirror_gets_all_states_in_steps_that_link_up(world: World) -> None:
    facts = [counted(1, gtin=gtin) for gtin in gtins(3_300)]
    for start in range(0, 3_300, 700):
        world.commit(batch(start + 1, facts[start : start + 700]))
    mirrors = world.commit(mirror_request(0)).mirrors
    previous = 0
    seen: list[str] = []
    for mirror in mirrors:
        assert mirror.previous_position == previous
        assert mirror.position > previous
        assert 0 < len(mirror.states) <= STATES_PER_UPDATE_MAX
        previous = mirror.position
        seen.extend(state.gtin for state in mirror.states)
    assert sorted(seen) == sorted(gtins(3_300))


def test_a_lost_step_can_be_asked_for_again(world: World) -> None:
    world.commit(batch(1, [counted(1, gtin=gtin) for gtin in gtins(1_500)]))
    first, second = world.commit(mirror_request(0)).mirrors
    (again,) = world.commit(mirror_request(first.position)).mirrors
    assert again == second


def test_a_reorder_is_told_and_kept_with_the_position_that_changed_it(world: World) -> None:
    world.commit(POLICY, batch(1, [counted(10)]))
    (opened,) = world.commit(batch(2, [sold(6)])).reorders
    assert (opened.reorder.status, opened.reorder.quantity, opened.measure) == ("open", 16, "units")
    (closed,) = world.commit(batch(3, [received(16)])).reorders
    assert closed.reorder.status == "received"
    (row,) = world.journal.reorders_changed(0)
    assert row.updated_position == world.journal.position()


def test_a_reorder_that_closes_and_one_that_opens_are_both_told(world: World) -> None:
    world.commit(POLICY, batch(1, [counted(5), received(4), sold(40)]))
    committed = world.commit(batch(4, [received(11)]))
    told = [(change.reorder.number, change.reorder.status) for change in committed.reorders]
    assert told == [(1, "received"), (2, "open")]


def test_a_policy_is_journalled_when_it_differs_and_only_then(world: World) -> None:
    world.commit(POLICY)
    world.restart()
    committed = world.commit(POLICY)
    assert committed.position == 1
    assert [row.kind for row in world.journal.inputs()] == ["command"]
    world.commit(SetPolicy(store=STORE, gtin=GTIN, policy=None))
    assert world.journal.position() == 2


def test_nobody_is_told_of_a_policy_for_goods_that_never_came(world: World) -> None:
    committed = world.commit(POLICY)
    assert committed.changes == []
    (change,) = world.commit(batch(1, [counted(9)])).changes
    assert change.previous_position == 0
    assert [state.version for state in change.states] == [2]


def test_a_policy_for_no_valid_gtin_is_quarantined(world: World) -> None:
    world.commit(SetPolicy(store=STORE, gtin=INVALID_GTIN, policy=None))
    world.commit(SetPolicy(store=STORE, gtin=INVALID_GTIN, policy=POLICY.policy))
    assert world.reasons() == ["invalid_gtin"] * 2
    assert world.journal.position() == 0


def test_nothing_uncommitted_stays_in_memory_when_the_transaction_fails(world: World) -> None:
    world.commit(batch(1, [counted(10)]))
    world.journal.fails = True
    with pytest.raises(JournalFailed):
        world.commit(batch(2, [sold(3), received(4)]), POLICY)
    world.journal.fails = False
    committed = world.commit(batch(2, [sold(1)]))
    assert world.on_hand() == 9
    assert ack_of(committed).through_seq == 2
    (change,) = committed.changes
    assert [state.version for state in change.states] == [2]
    assert verify(world.journal).is_identical


def test_a_stale_owner_cannot_commit(world: World) -> None:
    stale = world.shard
    world.restart()
    with pytest.raises(OwnershipLost):
        stale.commit([batch(1, [counted(10)])], NOW_MS)
    assert world.state() is None


def test_passivated_sku_locations_come_back_from_the_journal() -> None:
    world = World(residents_max=2)
    known = gtins(20)
    world.commit(batch(1, [counted(5, gtin=gtin) for gtin in known]))
    assert world.shard.active == 2
    world.commit(batch(21, [sold(1, gtin=gtin) for gtin in known]))
    assert [world.on_hand(gtin) for gtin in known] == [4] * 20
    assert world.shard.active == 2


def test_a_restarted_shard_goes_on_where_it_was(world: World) -> None:
    world.commit(batch(1, [counted(10)]))
    world.restart()
    committed = world.commit(batch(2, [sold(1)]))
    assert world.on_hand() == 9
    assert committed.position == 2


def test_the_publish_position_rides_along_and_is_rarely_written_alone(world: World) -> None:
    world.commit(batch(1, [counted(10)]), Published(position=0))
    world.commit(Published(position=1), now_ms=NOW_MS + PUBLISHED_ALONE_EVERY_MS - 1)
    assert world.journal.published_through() == 0
    world.commit(Published(position=1), now_ms=NOW_MS + PUBLISHED_ALONE_EVERY_MS)
    assert world.journal.published_through() == 1
    world.commit(Published(position=2), now_ms=NOW_MS + PUBLISHED_ALONE_EVERY_MS + 1)
    world.commit(batch(2, [sold(1)]), now_ms=NOW_MS + PUBLISHED_ALONE_EVERY_MS + 2)
    assert world.journal.published_through() == 2


def test_a_flush_writes_the_publish_position_that_waited(world: World) -> None:
    world.commit(batch(1, [counted(10)]), Published(position=0))
    world.commit(Published(position=1))
    world.shard.flush(NOW_MS)
    assert world.journal.published_through() == 1


def redriven(world: World, received: BatchReceived | None, detail: str = "") -> Committed:
    (entry,) = world.quarantine()
    assert world.journal.request_redrive(entry.id)
    again = Redrive(quarantine_id=entry.id, batch=received, detail=detail)
    return world.commit(again, again)


def test_a_redriven_fact_applies_once_under_its_old_number(world: World) -> None:
    world.commit(batch(1, [health(), health(), counted(7)]))
    refused_by_an_older_logic = Quarantined(
        digest=b"d",
        topic="",
        store=STORE,
        epoch=EPOCH,
        seq=2,
        reason="measure_conflict",
        detail="",
        payload=encode_fact(counted(4, gtin=OTHER_GTIN)),
        received_at_ms=NOW_MS,
    )
    write = JournalWrite(quarantined=[refused_by_an_older_logic])
    world.journal.commit(world.shard.owner_epoch, write)
    redriven(world, None)
    state = world.state(OTHER_GTIN)
    assert state is not None
    assert state.cause is not None
    assert (state.on_hand, state.cause.epoch, state.cause.seq) == (4, EPOCH, 2)
    (entry,) = world.quarantine()
    assert entry.status == "redriven"
    assert not world.journal.request_redrive(entry.id)
    world.commit(Redrive(quarantine_id=entry.id, batch=None))
    assert world.state(OTHER_GTIN) == state
    assert verify(world.journal).is_identical


def test_a_redriven_fact_that_is_still_refused_stays(world: World) -> None:
    world.commit(batch(1, [counted(10), sold(500, measure="grams")]))
    redriven(world, None)
    (entry,) = world.quarantine()
    assert entry.status == "quarantined"
    assert world.journal.position() == 1


def test_a_redriven_payload_goes_the_way_of_every_batch(world: World) -> None:
    good = batch(1, [counted(10)])
    refused = PayloadRefused(
        topic="t",
        store=STORE,
        reason="malformed",
        detail="an older program refused it",
        payload=good.frame,
        received_at_ms=NOW_MS,
    )
    world.commit(refused)
    redriven(world, None, "still refused")
    (entry,) = world.quarantine()
    assert (entry.status, entry.content.detail) == ("quarantined", "still refused")
    committed = redriven(world, good)
    assert world.on_hand() == 10
    assert ack_of(committed).through_seq == 1
    assert [entry.status for entry in world.quarantine()] == ["redriven"]


def test_a_redrive_that_leaves_a_gap_stays_quarantined(world: World) -> None:
    early = batch(5, [counted(10)])
    world.commit(
        PayloadRefused(
            topic="t",
            store=STORE,
            reason="malformed",
            detail="",
            payload=early.frame,
            received_at_ms=NOW_MS,
        )
    )
    redriven(world, early)
    (entry,) = world.quarantine()
    assert entry.status == "quarantined"
    assert "1" in entry.content.detail


def test_nobody_redrives_what_nobody_asked_for(world: World) -> None:
    world.commit(batch(1, [counted(10), sold(500, measure="grams")]))
    (entry,) = world.quarantine()
    world.commit(Redrive(quarantine_id=entry.id, batch=None), Redrive(quarantine_id=99, batch=None))
    assert world.quarantine() == [entry]


FACTS = 40
deliveries = st.lists(
    st.lists(st.tuples(st.integers(0, FACTS - 1), st.integers(1, 12)), max_size=5), max_size=12
)


def facts_of_a_day() -> Sequence[AnyFact]:
    facts: list[AnyFact] = [counted(20), counted(30, gtin=OTHER_GTIN)]
    for number in range(2, FACTS):
        gtin = GTIN if number % 3 else OTHER_GTIN
        line = number // 2
        fact: AnyFact = received(number % 5 + 1, gtin=gtin)
        if number % 2:
            fact = sold(number % 4 + 1, gtin=gtin, transaction=f"day-{line}", line=1)
        facts.append(fact)
    return facts


def commands_of_a_day() -> Sequence[Submitted]:
    reserve = Reserve(
        store=STORE,
        reservation_id="r",
        order_id="o",
        channel="web",
        lines=[ReserveLine(gtin=GTIN, quantity=6), ReserveLine(gtin=OTHER_GTIN, quantity=1)],
        expires_at_ms=NOW_MS + 60_000,
    )
    advised = DespatchLine(gtin=GTIN, quantity=4)
    arrived = ReceivedLine(gtin=GTIN, quantity=5, condition="damaged")
    back = ReturnLine(gtin=GTIN, quantity=1, condition="inspect")
    commands: list[AnyCommand] = [
        reserve,
        Pick(store=STORE, reservation_id="r", lines=(Line(gtin=GTIN, quantity=2),)),
        Ship(store=STORE, reservation_id="r", lines=(Line(gtin=GTIN, quantity=1),)),
        AdviseDespatch(store=STORE, despatch_id="d", source="W01", lines=[advised]),
        ReceiveDespatch(store=STORE, despatch_id="d", receipt_id="g", lines=[arrived]),
        CloseDespatch(store=STORE, despatch_id="d"),
        AcceptReturn(store=STORE, return_id="b", order_id="o", lines=[back]),
    ]
    return [Submitted(ticket=n, command=command) for n, command in enumerate(commands)]


DAY_DIGESTS = {
    1: "83c23bf5bea9138c56699df8d1d383d1",
    2: "cb4e2ea4280aea5a331ff697a7dfba24",
    3: "936ed70c6bcb2de6a061e871e1277b65",
}
"""By era. To change a digest is to change history: raise `LOGIC_ERA` and add one instead."""


def test_a_day_leads_to_the_same_bytes_as_ever_in_its_era(world: World) -> None:
    evening: list[AnyFact] = [
        returned(2),
        sale_voided(1, transaction="void"),
        return_voided(1),
        moved("backroom", "sales_floor", 2),
        moved("sales_floor", "transit", 3),
        sold(250, gtin=gtins(1)[0], measure="grams"),
        counted(12),
        counted(9),
    ]
    world.commit(POLICY, batch(1, facts_of_a_day()), *commands_of_a_day())
    world.commit(batch(FACTS + 1, evening))
    digest = blake2b(digest_size=16)
    kept = [row.data for row in world.journal.states()]
    kept += [row.data for row in world.journal.all_records()]
    for data in kept:
        digest.update(data)
    assert digest.hexdigest() == DAY_DIGESTS[LOGIC_ERA]


@given(deliveries, st.sampled_from([1, 50]))
def test_any_delivery_of_any_slices_counts_every_fact_once(
    groups: list[list[tuple[int, int]]], residents_max: int
) -> None:
    facts = facts_of_a_day()
    world = World(residents_max)
    for group in groups:
        world.commit(*(batch(start + 1, facts[start : start + size]) for start, size in group))
    through = world.journal.watermark(STORE, EPOCH)
    straight = World()
    if through:
        straight.commit(batch(1, facts[:through]))
    for gtin in (GTIN, OTHER_GTIN):
        assert world.on_hand(gtin) == straight.on_hand(gtin)
    assert verify(world.journal).is_identical
    world.commit(batch(through + 1, facts[through:] or [health()]))
    straight.commit(batch(through + 1, facts[through:] or [health()]))
    assert world.state() == straight.state()
    assert world.state(OTHER_GTIN) == straight.state(OTHER_GTIN)
