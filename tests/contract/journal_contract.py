"""What every journal adapter promises. Subclass it with the fixtures `journal` and `reopen`."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from cloud.commands.reservations import Reserve, ReserveLine, Ship
from cloud.errors import JournalIncompatible, OwnershipLost
from cloud.journal.history import ERA_OPENED, history
from cloud.journal.port import (
    QUARANTINE_BYTES_PER_STORE_MAX,
    QUARANTINE_ENTRIES_PER_STORE_MAX,
    Journal,
    QuarantineDesk,
)
from cloud.journal.rows import (
    QUARANTINE_FULL,
    BusinessKeyRow,
    CommandKeyRow,
    EffectRow,
    InputRow,
    JournalWrite,
    Quarantined,
    RecordRow,
    ReorderRow,
    Settlement,
    StateRow,
    StoreRow,
    WatermarkRow,
    decode_state,
)
from cloud.journal.verify import verify
from cloud.shards.messages import SetPolicy, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.state import Policy
from protocol.facts import AnyFact
from tests.shard_inputs import (
    GTIN,
    INVALID_GTIN,
    NOW_MS,
    OTHER_GTIN,
    STORE,
    batch,
    counted,
    health,
    received,
    sold,
)

SHARD = "0-of-1"
OTHER_STORE = "S002"


def input_row(position: int, store: str = STORE, **changes: Any) -> InputRow:
    row = InputRow(
        position=position,
        kind="batch",
        store=store,
        epoch=7,
        first_seq=position,
        last_seq=position,
        stamped_at_ms=NOW_MS,
        payload=b"frame",
    )
    return row._replace(**changes)


def quarantined(digest: bytes = b"d", **changes: Any) -> Quarantined:
    row = Quarantined(
        digest=digest,
        topic="st/1/S001/up/facts",
        store=STORE,
        epoch=0,
        seq=0,
        reason="malformed",
        detail="fact 3",
        payload=b"\x00\xff",
        received_at_ms=NOW_MS,
    )
    return row._replace(**changes)


EVERYTHING = JournalWrite(
    inputs=[input_row(1), input_row(2, OTHER_STORE), input_row(3)],
    watermarks=[WatermarkRow(STORE, 7, 3), WatermarkRow(OTHER_STORE, 7, 2)],
    states=[
        StateRow(STORE, OTHER_GTIN, 3, b"s3"),
        StateRow(STORE, GTIN, 1, b"s1"),
        StateRow(OTHER_STORE, GTIN, 2, b"s2"),
    ],
    stores=[StoreRow(STORE, 3, 7), StoreRow(OTHER_STORE, 2, 7)],
    business_keys=[
        BusinessKeyRow(STORE, "t\x00'\N{SNOWMAN}", 1, 1, 1, b"k"),
        BusinessKeyRow(STORE, "t", 2, 3, 3, b"k2"),
    ],
    reorders=[
        ReorderRow(STORE, GTIN, 1, 3, "units", b"r"),
        ReorderRow(OTHER_STORE, GTIN, 1, 2, "grams", b"r2"),
    ],
    quarantined=[quarantined()],
    published_through=1,
)


def record_row(record_id: str, store: str = STORE, **changes: Any) -> RecordRow:
    row = RecordRow(
        kind="reservation",
        store=store,
        id=record_id,
        position=1,
        is_open=True,
        due_at_ms=None,
        refs=(),
        data=b"record",
    )
    return row._replace(**changes)


class JournalContract:
    """The promises. `reopen` gives a journal of the same contents, as after a restart."""

    @pytest.fixture
    def owner_epoch(self, journal: Journal) -> int:
        return journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)

    def test_a_new_journal_is_empty(self, journal: Journal) -> None:
        assert journal.position() == journal.published_through() == journal.era().number == 0
        assert journal.owner_epoch() == 0
        assert journal.state(STORE, GTIN) is None
        assert journal.store(STORE) is None
        assert journal.watermark(STORE, 7) == 0
        assert not list(journal.inputs())
        assert not list(journal.states())
        assert not list(journal.quarantine())

    def test_what_was_committed_is_read_back(
        self, journal: Journal, owner_epoch: int, reopen: Callable[[], Journal]
    ) -> None:
        journal.commit(owner_epoch, EVERYTHING)
        for reader in (journal, reopen()):
            assert (reader.position(), reader.published_through()) == (3, 1)
            assert list(reader.inputs()) == EVERYTHING.inputs
            assert list(reader.inputs(after=1, store=STORE)) == [EVERYTHING.inputs[2]]
            assert reader.watermark(STORE, 7) == 3
            assert list(reader.watermarks()) == EVERYTHING.watermarks
            assert reader.stores() == EVERYTHING.stores
            assert reader.store(OTHER_STORE) == EVERYTHING.stores[1]

    def test_states_are_read_by_key_by_store_and_by_change(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        journal.commit(owner_epoch, EVERYTHING)
        other, first, elsewhere = EVERYTHING.states
        assert list(journal.states()) == [first, other, elsewhere]
        assert list(journal.states(OTHER_STORE)) == [elsewhere]
        assert list(journal.states_changed(STORE, 0)) == [first, other]
        assert list(journal.states_changed(STORE, 1)) == [other]
        assert journal.state(STORE, GTIN) == first
        assert journal.states_of(STORE, [INVALID_GTIN, GTIN]) == [first]
        journal.commit(owner_epoch, JournalWrite(states=[first._replace(position=9, data=b"n")]))
        assert [row.data for row in journal.states_changed(STORE, 0)] == [b"s3", b"n"]

    def test_reorders_are_read_by_key_and_by_change(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        journal.commit(owner_epoch, EVERYTHING)
        first, elsewhere = EVERYTHING.reorders
        assert list(journal.reorders()) == [first, elsewhere]
        assert list(journal.reorders_changed(0)) == [elsewhere, first]
        changed = elsewhere._replace(updated_position=9, data=b"new")
        journal.commit(owner_epoch, JournalWrite(reorders=[changed]))
        assert list(journal.reorders_changed(3)) == [changed]

    def test_till_lines_are_found_by_transaction_whatever_it_is_called(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        journal.commit(owner_epoch, EVERYTHING)
        odd, plain = EVERYTHING.business_keys
        found = journal.business_keys_of(STORE, ["t\x00'\N{SNOWMAN}", "nothing"])
        assert found == {(odd.transaction, 1): odd}
        assert journal.business_keys_of(STORE, ["t"]) == {("t", 2): plain}
        assert journal.business_keys_of(OTHER_STORE, ["t"]) == {}
        assert set(journal.business_keys()) == {odd, plain}

    def test_records_are_read_by_key_by_store_and_while_they_are_open(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        first, closed = record_row("a"), record_row("b", is_open=False, position=2)
        elsewhere, other_kind = record_row("a", OTHER_STORE, position=3), record_row("a", kind="o")
        rows = [elsewhere, closed, first, other_kind]
        journal.commit(owner_epoch, JournalWrite(records=rows))
        assert journal.record("reservation", STORE, "b") == closed
        assert journal.record("reservation", STORE, "z") is None
        assert list(journal.records("reservation")) == [first, closed, elsewhere]
        assert list(journal.records("reservation", STORE)) == [first, closed]
        assert list(journal.records("reservation", after=(STORE, "a"))) == [closed, elsewhere]
        assert list(journal.records("reservation", STORE, after=(STORE, "a"))) == [closed]
        assert list(journal.records_open("reservation")) == [first, elsewhere]
        assert list(journal.records_open("reservation", STORE)) == [first]
        assert list(journal.records_open("reservation", after=(STORE, "a"))) == [elsewhere]
        assert list(journal.records_open("reservation", STORE, after=(STORE, "a"))) == []
        assert list(journal.records_changed("reservation", 1)) == [closed, elsewhere]
        assert list(journal.all_records()) == [other_kind, first, closed, elsewhere]

    def test_records_are_found_by_what_they_refer_to_and_by_when_they_are_due(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        late = record_row("a", due_at_ms=90, refs=("order:1", "customer:\N{SNOWMAN}"))
        soon = record_row("b", due_at_ms=50, refs=("order:1",))
        never = record_row("c")
        journal.commit(owner_epoch, JournalWrite(records=[late, soon, never]))
        assert journal.records_by_ref("reservation", "order:1") == [late, soon]
        assert journal.records_by_ref("reservation", "customer:\N{SNOWMAN}") == [late]
        assert journal.records_by_ref("order", "order:1") == []
        assert journal.records_due("reservation", 90, 10) == [soon, late]
        assert journal.records_due("reservation", 90, 1) == [soon]
        assert journal.records_due("reservation", 49, 10) == []
        settled = soon._replace(due_at_ms=None, is_open=False, position=2, data=b"new")
        journal.commit(owner_epoch, JournalWrite(records=[settled]))
        assert journal.records_due("reservation", 90, 10) == [late]
        assert journal.record("reservation", STORE, "b") == settled

    def test_accepted_commands_are_found_by_key_and_effects_by_sku_location(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        key = CommandKeyRow("web:k\N{SNOWMAN}", 1, NOW_MS, b"digest", b"answer")
        effects = [
            EffectRow(STORE, GTIN, 1, 0, NOW_MS, 0, "Reserve", b"m1"),
            EffectRow(STORE, GTIN, 2, 0, NOW_MS, 0, "Confirm", b"m2"),
            EffectRow(STORE, GTIN, 2, 1, NOW_MS, 0, "Confirm", b"m3"),
            EffectRow(OTHER_STORE, GTIN, 2, 0, NOW_MS, 0, "Confirm", b"m4"),
        ]
        journal.commit(owner_epoch, JournalWrite(command_keys=[key], effects=effects))
        assert journal.command_key(key.key) == key
        assert journal.command_key("web:other") is None
        assert list(journal.command_keys()) == [key]
        assert list(journal.effects(STORE, GTIN, 0)) == effects[:3]
        assert list(journal.effects(STORE, GTIN, 1)) == effects[1:3]

    def test_a_new_era_opens_with_the_records_as_they_are(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        journal.commit(owner_epoch, JournalWrite(records=[record_row("a")]))
        journal.take_ownership(SHARD, LOGIC_ERA + 1, NOW_MS)
        assert list(journal.opening_records()) == [record_row("a")]

    def test_history_names_the_commands_that_changed_a_sku_location(self, journal: Journal) -> None:
        shard = a_day_in(journal)
        line = ReserveLine(gtin=GTIN, quantity=2)
        reserve = Reserve(
            store=STORE,
            reservation_id="r",
            order_id="o",
            channel="web",
            lines=[line],
            expires_at_ms=0,
        )
        ship = Ship(store=STORE, reservation_id="r")
        submitted = [Submitted(ticket=1, command=reserve), Submitted(ticket=2, command=ship)]
        shard.commit(submitted, NOW_MS + 9)
        shard.commit([batch(8, [sold(1)])], NOW_MS + 10)
        *_, held, fulfilled, sale = history(journal, STORE, GTIN)
        events = [(entry.event, entry.cause and entry.cause.kind) for entry in (held, fulfilled)]
        assert events == [("Held", "Reserve"), ("Fulfilled", "Ship")]
        row = journal.state(STORE, GTIN)
        assert row is not None
        assert sale.state == decode_state(row.data)
        assert verify(journal).is_identical

    def test_batches_are_found_by_any_fact_in_them(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        rows = [
            input_row(1, first_seq=1, last_seq=4),
            input_row(2, first_seq=1, last_seq=4, epoch=8),
            input_row(3, first_seq=5, last_seq=9),
            input_row(4, kind="command", epoch=0, first_seq=0, last_seq=0),
        ]
        journal.commit(owner_epoch, JournalWrite(inputs=rows))
        assert list(journal.batches(STORE, 7, 2, 3)) == [rows[0]]
        assert list(journal.batches(STORE, 7, 4, 5)) == [rows[0], rows[2]]
        assert list(journal.batches(STORE, 7, 10, 12)) == []
        assert list(journal.batches(OTHER_STORE, 7, 1, 9)) == []

    def test_everybody_can_read_who_owns_it(self, journal: Journal, owner_epoch: int) -> None:
        assert journal.owner_epoch() == owner_epoch
        assert journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS) == journal.owner_epoch()

    def test_a_stale_owner_writes_nothing(self, journal: Journal, owner_epoch: int) -> None:
        newer = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
        assert newer == owner_epoch + 1
        with pytest.raises(OwnershipLost):
            journal.commit(owner_epoch, EVERYTHING)
        assert journal.position() == 0
        assert list(journal.quarantine()) == []
        journal.commit(newer, EVERYTHING)

    def test_another_shard_cannot_own_it(
        self, journal: Journal, owner_epoch: int, reopen: Callable[[], Journal]
    ) -> None:
        with pytest.raises(JournalIncompatible, match="belongs to shard 0-of-1"):
            reopen().take_ownership("1-of-2", LOGIC_ERA, NOW_MS)
        journal.commit(owner_epoch, EVERYTHING)

    def test_the_same_logic_goes_on_in_its_era_and_another_opens_a_new_one(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        journal.commit(owner_epoch, EVERYTHING)
        era = journal.era()
        assert (era.number, era.logic, era.opened_after) == (1, LOGIC_ERA, 0)
        journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS + 1)
        assert journal.era() == era
        journal.take_ownership(SHARD, LOGIC_ERA + 1, NOW_MS + 2)
        era = journal.era()
        assert era == (2, LOGIC_ERA + 1, 3, NOW_MS + 2)
        assert list(journal.opening_states()) == list(journal.states())
        assert list(journal.opening_watermarks()) == list(journal.watermarks())
        assert journal.opening_state(STORE, GTIN) == journal.state(STORE, GTIN)

    def test_an_equal_payload_is_quarantined_once_and_counted(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        journal.commit(owner_epoch, JournalWrite(quarantined=[quarantined(), quarantined(b"e")]))
        later = quarantined(received_at_ms=NOW_MS + 5)
        journal.commit(owner_epoch, JournalWrite(quarantined=[later]))
        journal.commit(owner_epoch, JournalWrite(quarantined=[quarantined(store="")]))
        first, second, unknown = journal.quarantine()
        assert (first.times, first.last_received_at_ms) == (2, NOW_MS + 5)
        assert first.content == quarantined()
        assert (second.times, unknown.times) == (1, 1)
        assert list(journal.quarantine("")) == [unknown]
        assert journal.quarantine_entry(first.id) == first
        assert journal.quarantine_entry(999) is None

    def test_a_redrive_that_ends_as_its_payload_comes_again_has_the_last_word(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        journal.commit(owner_epoch, JournalWrite(quarantined=[quarantined()]))
        (entry,) = journal.quarantine()
        settled = [Settlement(entry.id, "redriven", "")]
        journal.commit(owner_epoch, JournalWrite(quarantined=[quarantined()], settled=settled))
        (entry,) = journal.quarantine()
        assert (entry.times, entry.status) == (2, "redriven")

    def test_a_full_quarantine_counts_what_it_cannot_keep(
        self, journal: Journal, owner_epoch: int
    ) -> None:
        many = [
            quarantined(number.to_bytes(4, "big"))
            for number in range(QUARANTINE_ENTRIES_PER_STORE_MAX + 7)
        ]
        journal.commit(owner_epoch, JournalWrite(quarantined=many))
        journal.commit(owner_epoch, JournalWrite(quarantined=[quarantined(store=OTHER_STORE)]))
        entries = list(journal.quarantine(STORE))
        assert len(entries) == QUARANTINE_ENTRIES_PER_STORE_MAX + 1
        assert (entries[-1].content.reason, entries[-1].times) == (QUARANTINE_FULL, 7)
        assert len(list(journal.quarantine(OTHER_STORE))) == 1
        journal.commit(owner_epoch, JournalWrite(quarantined=[many[0]]))
        assert next(journal.quarantine(STORE)).times == 2

    def test_a_quarantine_is_bounded_in_bytes_too(self, journal: Journal, owner_epoch: int) -> None:
        large = bytes(QUARANTINE_BYTES_PER_STORE_MAX // 2)
        payloads = [quarantined(b"%d" % number, payload=large) for number in range(3)]
        journal.commit(owner_epoch, JournalWrite(quarantined=payloads))
        *kept, full = journal.quarantine()
        assert len(kept) == 2
        assert (full.content.reason, full.content.payload) == (QUARANTINE_FULL, b"")

    def test_an_operator_s_request_reaches_the_owner_and_is_settled_with_the_commit(
        self, journal: Journal, owner_epoch: int, desk: QuarantineDesk
    ) -> None:
        journal.commit(owner_epoch, EVERYTHING)
        (entry,) = journal.quarantine()
        assert journal.redrive_requests(10) == []
        assert desk.request_redrive(entry.id)
        assert [requested.id for requested in journal.redrive_requests(10)] == [entry.id]
        settled = JournalWrite(settled=[Settlement(entry.id, "redriven", "applied")])
        journal.commit(owner_epoch, settled)
        (entry,) = journal.quarantine()
        assert (entry.status, entry.content.detail) == ("redriven", "applied")
        assert not desk.request_redrive(entry.id)
        journal.commit(owner_epoch, JournalWrite(quarantined=[quarantined()]))
        assert next(journal.quarantine()).status == "quarantined"

    def test_an_operator_drops_an_entry(
        self, journal: Journal, owner_epoch: int, desk: QuarantineDesk
    ) -> None:
        journal.commit(owner_epoch, EVERYTHING)
        (entry,) = journal.quarantine()
        assert desk.drop(entry.id)
        assert not desk.drop(entry.id)
        assert not desk.request_redrive(entry.id)
        assert list(journal.quarantine()) == []

    def test_the_owner_still_commits_after_an_operator_has_written(
        self, journal: Journal, owner_epoch: int, desk: QuarantineDesk
    ) -> None:
        journal.commit(owner_epoch, EVERYTHING)
        assert desk.drop(1)
        journal.commit(owner_epoch, JournalWrite(published_through=3))
        assert journal.published_through() == 3

    def test_verify_finds_a_day_s_work_identical(self, journal: Journal) -> None:
        a_day_in(journal)
        report = verify(journal)
        assert report.is_identical, report.differences
        assert report.inputs_replayed == len(list(journal.inputs())) == 6
        assert (report.states_compared, report.reorders_compared) == (2, 1)
        assert (report.watermarks_compared, report.till_lines_compared) == (2, 2)

    def test_verify_starts_from_the_snapshot_of_its_era(self, journal: Journal) -> None:
        shard = a_day_in(journal, logic=LOGIC_ERA + 1)
        assert journal.era().logic == LOGIC_ERA + 1
        with pytest.raises(JournalIncompatible, match="decided by logic"):
            verify(journal)
        owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
        assert verify(journal).inputs_replayed == 0
        shard = Shard(journal, SHARD, owner_epoch)
        shard.commit([batch(8, [sold(1, transaction="day", line=1), sold(1)])], NOW_MS)
        report = verify(journal)
        assert report.is_identical, report.differences
        assert report.inputs_replayed == 1
        opened, *after = history(journal, STORE, GTIN)
        assert (opened.event, opened.fact) == (ERA_OPENED, None)
        assert [entry.version for entry in after] == [opened.version + 1]

    def test_verify_names_what_differs(self, journal: Journal) -> None:
        shard = a_day_in(journal)
        row = journal.state(STORE, GTIN)
        assert row is not None
        spoilt = [row._replace(data=row.data.replace(b"units", b"grams"))]
        keys = [BusinessKeyRow(STORE, "never", 1, 1, 1, b"")]
        marks = [WatermarkRow(STORE, 7, 99)]
        write = JournalWrite(states=spoilt, business_keys=keys, watermarks=marks)
        journal.commit(shard.owner_epoch, write)
        report = verify(journal)
        assert report.difference_count == 3
        state, watermark, till_line = report.differences
        assert state.startswith(f"{GTIN}@{STORE}: journal has ")
        assert "99" in watermark
        assert "never" in till_line

    def test_verify_leaves_the_journal_as_it_was(self, journal: Journal) -> None:
        shard = a_day_in(journal)
        before = (list(journal.states()), list(journal.inputs()))
        verify(journal)
        assert (list(journal.states()), list(journal.inputs())) == before
        shard.commit([batch(8, [sold(1)])], NOW_MS)
        assert verify(journal).is_identical

    def test_history_names_the_facts_that_made_a_count(self, journal: Journal) -> None:
        a_day_in(journal)
        entries = list(history(journal, STORE, GTIN))
        row = journal.state(STORE, GTIN)
        told = [(entry.version, entry.event, entry.on_hand) for entry in entries]
        assert told == [
            (1, "OpeningCounted", 10),
            (2, "PolicySet", 10),
            (3, "Sold", 4),
            (4, "ReorderOpened", 4),
            (5, "Received", 8),
            (6, "ReorderFilled", 8),
        ]
        assert row is not None
        assert entries[-1].position == row.position
        assert [entry.cause and entry.cause.seq for entry in entries] == [1, 0, 4, 4, 7, 7]
        fact = entries[2].fact
        assert fact is not None
        assert replace(fact, occurred_at_ms=5) == sold(6, transaction="day")
        assert entries[1].fact is None
        assert list(history(journal, STORE, INVALID_GTIN)) == []


def a_day_in(journal: Journal, logic: int = LOGIC_ERA) -> Shard:
    """Let a shard live through a bit of everything."""
    shard = Shard(journal, SHARD, journal.take_ownership(SHARD, logic, NOW_MS))
    policy = SetPolicy(store=STORE, gtin=GTIN, policy=Policy(reorder_point=5, order_up_to=20))
    facts: list[AnyFact] = [
        counted(10),
        counted(3, gtin=OTHER_GTIN),
        sold(1, gtin=INVALID_GTIN),
        sold(6, transaction="day"),
        sold(6, transaction="day"),
        health(),
        received(4),
    ]
    shard.commit([batch(1, facts[:2]), policy], NOW_MS)
    shard.commit([batch(3, facts[2:3]), batch(2, facts[1:6])], NOW_MS + 1)
    shard.commit([batch(1, [sold(1, gtin=OTHER_GTIN, transaction="x")], epoch=8)], NOW_MS + 2)
    shard.commit([batch(7, facts[6:]), batch(1, facts[:2])], NOW_MS + 3)
    return shard
