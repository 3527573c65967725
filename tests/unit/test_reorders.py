"""Reorders beyond one SKU-location: their names, commands, escalation, review, settings."""

from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.commands import AnyCommand
from cloud.commands.reorders import Escalate, Review, SetReorderStatus
from cloud.config import load_policies
from cloud.errors import ConfigInvalid
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import decode_reorder, decode_state, encode_state
from cloud.journal.verify import verify
from cloud.reorders.escalation import HOUR_MS, Patience, due_at_ms
from cloud.reorders.ids import parse_reorder_id, reorder_number
from cloud.reorders.watching import NO_TICKET, ReorderWatcher
from cloud.shards.messages import Committed, Done, SetPolicy, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA, cause_of_command, decide
from cloud.sku_location.events import AnyEvent
from cloud.sku_location.evolve import evolve
from cloud.sku_location.messages import Announce, TakeIn, Unannounce
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.reorders import DAY_MS, missing_quantity
from cloud.sku_location.state import Policy, Reorder, SkuLocation, reorder_id
from protocol.ids import STORE_ID_PATTERN
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, batch, counted, received, sold

STORE: Final = "S-001"
POLICY: Final = Policy(reorder_point=5, order_up_to=20, source="W1")
FIRST: Final = f"{STORE}-{GTIN}-1"


class World:
    """A shard that commits at once what its inbox is offered."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS)
        self.shard = Shard(self.journal, "0-of-1", epoch)
        self.now_ms = NOW_MS
        self.offered: list[AnyCommand] = []
        self.seq = 0
        self.watcher = self.new_watcher()

    def new_watcher(self) -> ReorderWatcher:
        return ReorderWatcher(self.journal, shard_of=lambda _: self, now_ms=lambda: self.now_ms)

    def offer(self, item: ShardInput) -> bool:
        assert isinstance(item, Submitted)
        assert item.ticket == NO_TICKET
        self.offered.append(item.command)
        self.commit(item)
        return True

    def commit(self, *inputs: ShardInput) -> Committed:
        return self.shard.commit(inputs, self.now_ms)

    def facts(self, *facts: Any) -> Committed:
        self.seq += len(facts)
        first_seq = self.seq - len(facts) + 1
        return self.commit(batch(first_seq, facts, store=STORE))

    def ask(self, command: AnyCommand) -> Done | Refused:
        (reply,) = self.commit(Submitted(ticket=1, command=command)).replies
        return reply.answer

    def with_a_reorder(self, policy: Policy = POLICY) -> "World":
        self.commit(SetPolicy(store=STORE, gtin=GTIN, policy=policy))
        self.facts(counted(4))
        return self

    def reorder(self) -> Reorder:
        reorder = state_of(self).reorder
        assert reorder is not None
        return reorder


def state_of(world: World) -> SkuLocation:
    row = world.journal.state(STORE, GTIN)
    assert row is not None
    return decode_state(row.data)


def events(state: SkuLocation, message: Any, now_ms: int = NOW_MS) -> list[AnyEvent]:
    cause = cause_of_command("Test", now_ms)
    decided = decide(state, message, cause, now_ms)
    assert not isinstance(decided, Refused)
    return decided


def after(state: SkuLocation, message: Any) -> SkuLocation:
    for event in events(state, message):
        state = evolve(state, event)
    return state


def announce(quantity: int, reorder_number: int = 1) -> Announce:
    return Announce(
        store=STORE, gtin=GTIN, quantity=quantity, measure="units", reorder_number=reorder_number
    )


def take_in(quantity: int, reorder_number: int = 1) -> TakeIn:
    return TakeIn(
        store=STORE,
        gtin=GTIN,
        quantity=quantity,
        measure="units",
        to_backroom=0,
        from_incoming=quantity,
        occurred_at_ms=NOW_MS,
        reorder_number=reorder_number,
    )


@pytest.fixture
def world() -> World:
    return World()


def status(status: Any, name: str = FIRST, **fields: Any) -> SetReorderStatus:
    return SetReorderStatus(store=STORE, reorder_id=name, status=status, **fields)


# Names.


@given(
    st.from_regex(STORE_ID_PATTERN, fullmatch=True),
    st.sampled_from([GTIN, OTHER_GTIN]),
    st.integers(1, 999_999_999),
)
def test_a_reorders_name_is_read_back_whatever_hyphens_its_store_has(
    store: str, gtin: str, number: int
) -> None:
    assert parse_reorder_id(reorder_id(store, gtin, number)) == (store, gtin, number)
    assert reorder_number(reorder_id(store, gtin, number), store, gtin) == number
    assert reorder_number(reorder_id(store, gtin, number), f"x{store}", gtin) == 0


@pytest.mark.parametrize(
    "text",
    ["", "S001", f"S001-{GTIN}", f"S001-{GTIN}-0", f"S001-{GTIN}-01", f"S001-{GTIN}-+1",
     f"-{GTIN}-1", f"S001-{GTIN[1:]}-1", f"S001-{GTIN}-1\n", f"S/1-{GTIN}-1",
     f"S001-{GTIN}-9999999999", f"S001-{'٤' * 14}-1"],
)  # fmt: skip
def test_what_is_no_name_of_a_reorder_is_refused(text: str) -> None:
    assert parse_reorder_id(text) is None


# What suppliers say.


def test_a_reorder_is_acknowledged_despatched_and_received(world: World) -> None:
    world.with_a_reorder()
    world.ask(status("acknowledged", reference="PO-7", expected_at_ms=NOW_MS + 9))
    world.ask(status("despatched"))
    reorder = world.reorder()
    assert (reorder.status, reorder.reference, reorder.revision) == ("despatched", "PO-7", 3)
    assert reorder.expected_at_ms == NOW_MS + 9
    (told,) = world.facts(received(16)).reorders
    assert (told.reorder.status, told.reorder.received) == ("received", 16)
    assert verify(world.journal).is_identical


def test_the_same_word_twice_changes_nothing(world: World) -> None:
    world.with_a_reorder()
    world.ask(status("acknowledged"))
    answer = world.ask(status("acknowledged"))
    assert isinstance(answer, Done)
    assert answer.is_idle
    assert world.reorder().revision == 2


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (status("received"), Refusal.WRONG_STATUS),
        (status("open", quantity=3), Refusal.WRONG_STATUS),
        (status("acknowledged", f"{STORE}-{GTIN}-2"), Refusal.UNKNOWN),
        (status("acknowledged", f"{STORE}-{OTHER_GTIN}-1"), Refusal.UNKNOWN),
        (status("acknowledged", "PO-7"), Refusal.INVALID),
        (status("acknowledged", f"S002-{GTIN}-1"), Refusal.INVALID),
    ],
)
def test_a_word_that_makes_no_sense_is_refused(
    world: World, command: SetReorderStatus, reason: Refusal
) -> None:
    world.with_a_reorder()
    answer = world.ask(command)
    assert isinstance(answer, Refused)
    assert answer.reason == reason
    assert world.reorder().revision == 1


def test_a_late_word_about_an_older_reorder_does_not_touch_the_present_one(world: World) -> None:
    world.with_a_reorder()
    world.facts(received(16), sold(16))
    assert world.reorder().number == 2
    answer = world.ask(status("despatched"))
    assert isinstance(answer, Refused)
    assert answer.reason == Refusal.WRONG_STATUS


def test_what_a_supplier_cancels_is_ordered_again_at_the_next_change_or_review(
    world: World,
) -> None:
    world.with_a_reorder()
    world.ask(status("cancelled"))
    assert (world.reorder().number, world.reorder().status) == (1, "cancelled")
    world.ask(Review(store=STORE, gtin=GTIN))
    assert (world.reorder().number, world.reorder().status) == (2, "open")


def test_a_supplier_who_sends_no_more_than_has_come_ends_the_reorder(world: World) -> None:
    world.with_a_reorder()
    world.facts(received(10))
    world.ask(status("acknowledged", quantity=10))
    assert (world.reorder().number, world.reorder().status) == (1, "received")


# Late facts.


def test_a_delivery_from_before_the_reorder_withdraws_it_and_does_not_fill_it(
    world: World,
) -> None:
    world.with_a_reorder()
    world.now_ms += 3 * DAY_MS
    late = replace(received(9), occurred_at_ms=NOW_MS - 2 * HOUR_MS)
    state = state_of(world)
    uncounted = replace(state, counted=False)
    (event, *more) = events(uncounted, late, world.now_ms)
    assert [type(each).__name__ for each in (event, *more)] == ["Received", "ReorderWithdrawn"]
    on_time = replace(received(9), occurred_at_ms=NOW_MS + HOUR_MS)
    names = [type(each).__name__ for each in events(state, on_time, world.now_ms)]
    assert names == ["Received", "ReorderFilled"]


def test_goods_that_name_another_reorder_fill_none(world: World) -> None:
    world.with_a_reorder()
    state = after(state_of(world), take_in(16, reorder_number=7))
    assert state.reorder is not None
    assert (state.reorder.status, state.reorder.received) == ("cancelled", 0)


def test_an_announced_reorder_is_not_counted_twice(world: World) -> None:
    world.with_a_reorder()
    state = state_of(world)
    assert (state.on_order, state.position) == (16, 20)
    state = after(state, announce(10))
    assert (state.incoming, state.on_order, state.position) == (10, 6, 20)
    assert state.reorder is not None
    assert (state.reorder.status, state.reorder.revision) == ("despatched", 2)
    state = after(state, take_in(4))
    assert (state.on_hand, state.incoming, state.on_order, state.position) == (8, 6, 6, 20)
    state = after(state, Unannounce(store=STORE, gtin=GTIN, quantity=6, reorder_number=1))
    assert (state.incoming, state.on_order, state.position) == (0, 12, 20)


def test_goods_announced_for_no_reorder_leave_less_to_order(world: World) -> None:
    world.with_a_reorder()
    state = after(state_of(world), announce(1, reorder_number=0))
    assert state.reorder is not None
    assert (state.reorder.quantity, state.position) == (15, 20)
    state = after(state, announce(1, reorder_number=0))
    assert state.reorder is not None
    assert (state.reorder.status, state.position) == ("cancelled", 6)


# Escalation.


def test_patience_doubles_to_a_bound_from_the_last_escalation() -> None:
    patience = Patience(first_ms=24 * HOUR_MS, max_ms=72 * HOUR_MS)
    waits_h = []
    for escalations in (0, 1, 2, 3, 400):
        reorder = Reorder(
            number=1, revision=1, status="open", quantity=1, received=0, opened_at_ms=NOW_MS,
            updated_at_ms=NOW_MS, escalations=escalations,
            escalated_at_ms=NOW_MS + HOUR_MS if escalations else 0,
        )  # fmt: skip
        waits_h.append((due_at_ms(reorder, patience) - NOW_MS) // HOUR_MS)
    assert waits_h == [24, 49, 73, 73, 73]


async def test_what_nobody_acknowledges_is_escalated_once_each_time(world: World) -> None:
    world.with_a_reorder()
    await world.watcher.escalate()
    assert world.offered == []
    world.now_ms += DAY_MS
    await world.watcher.escalate()
    await world.watcher.escalate()
    assert world.offered == [Escalate(store=STORE, reorder_id=FIRST, if_escalations=0)]
    assert (world.reorder().escalations, world.reorder().revision) == (1, 2)
    world.now_ms += DAY_MS
    await world.watcher.escalate()
    world.now_ms += DAY_MS
    await world.watcher.escalate()
    assert world.reorder().escalations == 2
    notices = list(world.journal.records("notice"))
    assert len(notices) == 2
    assert verify(world.journal).is_identical


async def test_a_watcher_that_restarts_escalates_nothing_twice(world: World) -> None:
    world.with_a_reorder()
    world.now_ms += DAY_MS
    await world.watcher.escalate()
    await world.new_watcher().escalate()
    assert len(world.offered) == 1


def test_a_finding_that_is_old_by_now_escalates_nothing(world: World) -> None:
    world.with_a_reorder()
    finding = Escalate(store=STORE, reorder_id=FIRST, if_escalations=0)
    (notice,) = world.commit(Submitted(ticket=1, command=finding)).notices
    assert (notice.kind, notice.subject, notice.quantity) == ("reorder_escalated", FIRST, 16)
    committed = world.commit(Submitted(ticket=2, command=finding))
    assert (committed.notices, committed.reorders) == ([], [])


@pytest.mark.parametrize("word", ["acknowledged", "despatched", "cancelled"])
async def test_what_somebody_answered_is_not_escalated(world: World, word: str) -> None:
    world.with_a_reorder()
    world.ask(status(word))
    world.now_ms += 30 * DAY_MS
    await world.watcher.escalate()
    assert world.offered == []


# Review days.


async def test_on_a_review_day_what_is_missing_is_ordered_once(world: World) -> None:
    today = (NOW_MS // DAY_MS + 3) % 7
    tomorrow = Policy(reorder_point=5, order_up_to=20, review_weekdays=((today + 1) % 7,))
    world.commit(SetPolicy(store=STORE, gtin=GTIN, policy=tomorrow))
    world.facts(counted(4), counted(50, gtin=OTHER_GTIN))
    await world.watcher.look()
    assert world.offered == []
    world.now_ms += DAY_MS
    await world.watcher.look()
    await world.watcher.look()
    assert world.offered == [Review(store=STORE, gtin=GTIN)]
    assert (world.reorder().number, world.reorder().quantity) == (1, 16)
    (row,) = world.journal.reorders()
    assert decode_reorder(row.data) == world.reorder()


# Quantities and settings.


@given(st.integers(-50, 50), st.integers(0, 40), st.integers(0, 60), st.integers(-1, 12))
def test_a_reorder_is_whole_packs_and_brings_the_position_to_the_level(
    position: int, point: int, level: int, pack: int
) -> None:
    policy = Policy(reorder_point=point, order_up_to=level, pack_size=pack, minimum_order=7)
    quantity = missing_quantity(policy, position)
    if position > point or position >= level:
        assert quantity == 0
    else:
        assert quantity % max(1, pack) == 0
        assert quantity >= 7
        assert position + quantity >= level


def test_a_state_from_before_policies_had_calendars_is_read_with_defaults() -> None:
    old = msgspec.msgpack.decode(encode_state(SkuLocation(store=STORE, gtin=GTIN, policy=POLICY)))
    where = SkuLocation.__struct_fields__.index("policy")
    old[where] = [5, 20]
    state = decode_state(msgspec.msgpack.encode(old))
    assert state.policy == Policy(reorder_point=5, order_up_to=20)


def policies(folder: Path, text: str) -> list[SetPolicy]:
    path = folder / "policies.toml"
    path.write_text(f'[[policies]]\nstore = "S001"\ngtin = "{GTIN}"\n{text}')
    return load_policies(path)


def test_a_policy_file_takes_everything_that_a_policy_has(tmp_path: Path) -> None:
    text = """
        reorder_point = 5
        order_up_to = 20
        pack_size = 6
        minimum_order = 12
        lead_time_h = 48
        review_weekdays = ["monday", "thursday"]
        source = "W1"
        is_on = false
        replenish_at = 3
    """
    (command,) = policies(tmp_path, text)
    assert command.policy == Policy(
        reorder_point=5,
        order_up_to=20,
        pack_size=6,
        minimum_order=12,
        lead_time_h=48,
        review_weekdays=(0, 3),
        source="W1",
        is_on=False,
        replenish_at=3,
    )


def test_every_wrong_setting_of_a_policy_is_named(tmp_path: Path) -> None:
    text = """
        reorder_point = 5
        order_up_to = 20
        pack_size = 0
        lead_time_h = -1
        review_weekdays = ["monday", "mon"]
        is_on = "yes"
        replenish_at = -2
    """
    with pytest.raises(ConfigInvalid) as invalid:
        policies(tmp_path, text)
    path = tmp_path / "policies.toml"
    lines = [line.removeprefix(f"{path}: policies[0].") for line in str(invalid.value).splitlines()]
    assert [line.partition(":")[0] for line in lines] == [
        "pack_size = 0",
        "lead_time_h = -1",
        'review_weekdays[1] = "mon"',
        'is_on = "yes"',
        "replenish_at = -2",
    ]


def test_a_weekday_twice_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="each weekday at most once"):
        policies(
            tmp_path,
            'reorder_point = 5\norder_up_to = 20\nreview_weekdays = ["monday", "monday"]',
        )


def test_a_reorder_waits_until_the_count_is_sure_enough() -> None:
    world = World()
    careful = Policy(reorder_point=4, order_up_to=10, confidence_min=0.97)
    world.commit(SetPolicy(store=STORE, gtin=GTIN, policy=careful))
    told = world.facts(counted(3))
    assert not told.reorders
    assert [(notice.kind, notice.gtin) for notice in told.notices] == [("recount", GTIN)]
    assert len(world.facts(counted(3)).reorders) == 1
