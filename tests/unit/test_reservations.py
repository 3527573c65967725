"""Reservations through a shard: what is granted, refused, kept, lost and told."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.documents import SetDocument
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Expire,
    Extend,
    HandOver,
    Pick,
    Release,
    Reserve,
    ReserveLine,
    Ship,
)
from cloud.commands.stock import AdjustStock
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import decode_state
from cloud.journal.verify import verify
from cloud.records import decode_record
from cloud.records.document import Document
from cloud.records.notice import Notice
from cloud.records.reservation import Reservation, ReservationLine
from cloud.shards.messages import Committed, Done, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.shards.stamping import Hidden
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.holds import NEAR_DEADLINE_MS
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import SkuLocation
from protocol.facts import AnyFact
from protocol.ids import CLOUD_STORE_ID
from tests.shard_inputs import (
    GTIN,
    INVALID_GTIN,
    NOW_MS,
    OTHER_GTIN,
    STORE,
    batch,
    counted,
    moved,
    sold,
)

MINUTE_MS = 60_000


class HideTwoFromTheMarket:
    def hidden(self, state: SkuLocation, channel: str, ship_by_ms: int, now_ms: int) -> Hidden:
        del state, ship_by_ms, now_ms
        return Hidden(2, "last-two", 4) if channel == "market" else Hidden()


class World:
    """A shard with ten of each of two GTINs, and what tests ask about it."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        owner_epoch = self.journal.take_ownership("s", LOGIC_ERA, NOW_MS)
        self.shard = Shard(self.journal, "s", owner_epoch, buffers=HideTwoFromTheMarket())
        self.tickets = count(1)
        self.now_ms = NOW_MS
        self.next_seq = 1
        self.facts([counted(10), counted(10, gtin=OTHER_GTIN)])

    def commit(self, *inputs: ShardInput) -> Committed:
        return self.shard.commit(inputs, self.now_ms)

    def facts(self, facts: Sequence[AnyFact]) -> Committed:
        committed = self.commit(batch(self.next_seq, facts))
        self.next_seq += len(facts)
        return committed

    def ask(self, command: AnyCommand) -> Done | Refused:
        committed = self.commit(Submitted(ticket=next(self.tickets), command=command))
        (reply,) = committed.replies
        return reply.answer

    def reserved(self, command: AnyCommand) -> Reservation:
        answer = self.ask(command)
        assert isinstance(answer, Done), answer
        assert isinstance(answer.record, Reservation)
        return answer.record

    def refusal(self, command: AnyCommand) -> Refusal:
        position = self.journal.position()
        before = list(self.journal.states()), list(self.journal.all_records())
        answer = self.ask(command)
        assert isinstance(answer, Refused)
        assert (list(self.journal.states()), list(self.journal.all_records())) == before
        assert self.journal.position() == position
        return answer.reason

    def state(self, gtin: str = GTIN) -> SkuLocation:
        row = self.journal.state(STORE, gtin)
        assert row is not None
        return decode_state(row.data)

    def reservation(self, name: str) -> Reservation:
        row = self.journal.record("reservation", STORE, name)
        assert row is not None
        return decode_record(Reservation, row.data)

    def line(self, name: str = "r1") -> ReservationLine:
        (line,) = self.reservation(name).lines
        return line


@pytest.fixture
def world() -> Any:
    made = World()
    yield made
    assert verify(made.journal).is_identical


def reserve(name: str = "r1", *lines: tuple[str, int], **changes: Any) -> Reserve:
    fields: dict[str, Any] = {
        "store": STORE,
        "reservation_id": name,
        "order_id": f"o-{name}",
        "channel": "web",
        "lines": [ReserveLine(gtin=g, quantity=q) for g, q in lines or [(GTIN, 4)]],
        "expires_at_ms": NOW_MS + MINUTE_MS,
    }
    return Reserve(**fields | changes)


def on(kind: Any, name: str = "r1", **fields: Any) -> Any:
    return kind(store=STORE, reservation_id=name, **fields)


def part(quantity: int, gtin: str = GTIN) -> tuple[Line, ...]:
    return (Line(gtin=gtin, quantity=quantity),)


def test_what_is_reserved_is_held_and_no_longer_sellable(world: World) -> None:
    reservation = world.reserved(reserve())
    assert (reservation.status, world.line().held) == ("held", 4)
    assert (world.state().reserved, world.state().sellable) == (4, 6)


def test_lines_of_one_gtin_are_summed_before_they_are_granted(world: World) -> None:
    command = reserve("r1", (GTIN, 6), (OTHER_GTIN, 1), (GTIN, 5))
    assert world.refusal(command) == Refusal.INSUFFICIENT
    reservation = world.reserved(reserve("r1", (GTIN, 6), (OTHER_GTIN, 1), (GTIN, 4)))
    assert [(line.gtin, line.quantity) for line in reservation.lines] == [
        (GTIN, 10),
        (OTHER_GTIN, 1),
    ]


def test_all_lines_are_held_or_none(world: World) -> None:
    assert world.refusal(reserve("r1", (GTIN, 1), (OTHER_GTIN, 11))) == Refusal.INSUFFICIENT
    assert world.refusal(reserve("r1", (GTIN, 1), (INVALID_GTIN, 1))) == Refusal.INVALID_GTIN


def test_what_a_rule_hides_is_not_granted_and_the_grant_says_which(world: World) -> None:
    market = {"channel": "market"}
    assert world.refusal(reserve("r1", (GTIN, 9), **market)) == Refusal.INSUFFICIENT
    world.reserved(reserve("r1", (GTIN, 8), **market))
    assert (world.line().buffer, world.line().rule, world.line().rules_version) == (
        2,
        "last-two",
        4,
    )
    world.reserved(reserve("r2", (GTIN, 2)))


def test_the_same_key_gets_the_first_answer_whatever_happened_since(world: World) -> None:
    first = world.reserved(reserve(key="k", digest=b"d"))
    world.reserved(on(Confirm))
    answer = world.ask(reserve(key="k", digest=b"d"))
    assert isinstance(answer, Done)
    assert (answer.is_replayed, answer.record) == (True, first)
    assert world.state().reserved == 4


def test_the_same_key_with_another_request_is_refused(world: World) -> None:
    world.reserved(reserve(key="k", digest=b"d"))
    assert world.refusal(reserve("r2", key="k", digest=b"e")) == Refusal.KEY_REUSED


def test_a_refused_attempt_may_be_repeated_under_its_key(world: World) -> None:
    assert world.refusal(reserve("r1", (GTIN, 11), key="k", digest=b"d")) == Refusal.INSUFFICIENT
    world.facts([counted(11)])
    world.reserved(reserve("r1", (GTIN, 11), key="k", digest=b"d"))


def test_a_caller_may_insist_on_the_version_that_it_saw(world: World) -> None:
    stale = [ReserveLine(gtin=GTIN, quantity=1, if_version=world.state().version + 1)]
    assert world.refusal(reserve(lines=stale)) == Refusal.VERSION_CONFLICT
    seen = [ReserveLine(gtin=GTIN, quantity=1, if_version=world.state().version)]
    world.reserved(reserve(lines=seen))


def test_an_id_names_one_reservation_for_ever(world: World) -> None:
    world.reserved(reserve())
    world.reserved(on(Release))
    assert world.refusal(reserve()) == Refusal.REPEATED_ID


def test_what_was_held_too_long_is_free_for_the_next_at_once(world: World) -> None:
    world.reserved(reserve("r1", (GTIN, 10)))
    world.now_ms += MINUTE_MS
    world.reserved(reserve("r2", (GTIN, 10), expires_at_ms=0))
    assert (world.reservation("r1").status, world.line("r1").expired) == ("expired", 10)
    assert world.refusal(on(Confirm)) == Refusal.EXPIRED


def test_the_sweep_takes_what_is_due_and_leaves_the_rest(world: World) -> None:
    world.reserved(reserve())
    world.reserved(on(Expire))
    assert world.reservation("r1").status == "held"
    world.now_ms += MINUTE_MS
    assert world.reserved(on(Expire)).status == "expired"
    assert world.state().reserved == 0


def test_a_hold_that_is_being_paid_is_never_swept_before_its_deadline(world: World) -> None:
    world.reserved(reserve())
    world.reserved(on(AwaitPayment, pay_by_ms=NOW_MS + 10 * MINUTE_MS))
    world.now_ms += 9 * MINUTE_MS
    world.reserved(on(Expire))
    assert world.refusal(reserve("r2", (GTIN, 7), expires_at_ms=0)) == Refusal.INSUFFICIENT
    world.now_ms += MINUTE_MS
    assert world.reserved(on(Expire)).status == "expired"


def test_awaiting_payment_never_shortens_a_hold(world: World) -> None:
    world.reserved(reserve())
    reservation = world.reserved(on(AwaitPayment, pay_by_ms=NOW_MS + 1))
    assert reservation.expires_at_ms == NOW_MS + MINUTE_MS


def test_a_confirmed_hold_and_a_picked_one_expire_no_more(world: World) -> None:
    world.reserved(reserve("r1", (GTIN, 2)))
    world.reserved(reserve("r2", (GTIN, 2)))
    world.reserved(on(Confirm, "r1"))
    world.reserved(on(Pick, "r2", lines=part(1)))
    world.now_ms += 60 * MINUTE_MS
    world.reserved(on(Expire, "r1"))
    world.reserved(on(Expire, "r2"))
    assert world.state().reserved == 4


def test_an_extended_hold_lives_on(world: World) -> None:
    world.reserved(reserve())
    world.reserved(on(Extend, expires_at_ms=NOW_MS + 5 * MINUTE_MS))
    world.now_ms += 2 * MINUTE_MS
    world.reserved(on(Expire))
    assert world.reservation("r1").status == "held"


@pytest.mark.parametrize("kind", [Ship, HandOver])
def test_goods_leave_in_parts_and_the_last_part_ends_it(world: World, kind: Any) -> None:
    world.reserved(reserve())
    world.reserved(on(Pick, lines=part(3)))
    assert world.reserved(on(kind, lines=part(3))).status == "held"
    assert (world.state().on_hand, world.state().sold, world.state().reserved) == (7, 3, 1)
    assert world.reserved(on(kind)).status == "fulfilled"
    assert (world.state().on_hand, world.state().sold, world.state().reserved) == (6, 4, 0)
    assert world.refusal(on(kind)) == Refusal.WRONG_STATUS


def test_tags_that_leave_by_the_dock_after_their_parcel_was_told_count_once(world: World) -> None:
    world.reserved(reserve())
    world.reserved(on(Ship))
    world.facts([moved("backroom", "transit", 3)])
    assert (world.state().on_hand, world.state().moved, world.state().backroom) == (6, 0, -3)
    world.facts([moved("backroom", "transit", 3)])
    assert (world.state().on_hand, world.state().moved) == (4, 2)


def test_goods_handed_over_in_the_store_leave_by_no_dock(world: World) -> None:
    world.reserved(reserve())
    world.reserved(on(HandOver))
    world.facts([moved("backroom", "transit", 1)])
    assert (world.state().on_hand, world.state().moved) == (5, 1)


def test_a_part_is_given_back_and_the_rest_stays(world: World) -> None:
    world.reserved(reserve())
    reservation = world.reserved(on(Release, lines=part(1)))
    assert (reservation.status, world.line().released, world.line().held) == ("held", 1, 3)
    assert world.reserved(on(Release)).status == "released"


def test_nobody_gets_more_than_is_held(world: World) -> None:
    world.reserved(reserve())
    for kind in (Release, Pick, Ship):
        assert world.refusal(on(kind, lines=part(5))) == Refusal.MORE_THAN_HELD
        assert world.refusal(on(kind, lines=part(1, OTHER_GTIN))) == Refusal.NOT_HELD
    assert world.refusal(on(Ship, "nobody")) == Refusal.UNKNOWN


def shortages(committed: Committed) -> list[tuple[str, int]]:
    assert all(isinstance(notice, Notice) for notice in committed.notices)
    return [
        (notice.order_id, notice.quantity)
        for notice in committed.notices
        if notice.kind == "reservation_short"
    ]


def test_a_sale_that_eats_reserved_stock_wins_and_the_newest_promise_loses(world: World) -> None:
    for number in range(3):
        world.reserved(reserve(f"r{number}", (GTIN, 3)))
        world.now_ms += 1
    committed = world.facts([sold(5)])
    assert shortages(committed) == [("o-r2", 3), ("o-r1", 1)]
    assert (world.state().on_hand, world.state().reserved) == (5, 5)
    assert world.reservation("r2").status == "short"
    assert (world.line("r1").short, world.line("r1").held) == (1, 2)


def test_an_order_whose_deadline_is_near_and_goods_that_are_picked_lose_last(world: World) -> None:
    near_ms = NOW_MS + NEAR_DEADLINE_MS
    world.reserved(reserve("old", (GTIN, 3), ship_by_ms=near_ms + 10 * MINUTE_MS))
    world.now_ms += 1
    world.reserved(reserve("urgent", (GTIN, 3), ship_by_ms=near_ms))
    world.reserved(reserve("picked", (GTIN, 3)))
    world.reserved(on(Pick, "picked"))
    assert shortages(world.facts([sold(4)])) == [("o-old", 3)]
    assert shortages(world.facts([sold(4)])) == [("o-urgent", 3), ("o-picked", 1)]


def test_what_was_held_too_long_goes_before_any_live_promise(world: World) -> None:
    world.reserved(reserve("old", (GTIN, 5), expires_at_ms=NOW_MS + 1))
    world.reserved(reserve("live", (GTIN, 5)))
    world.now_ms += 1
    assert shortages(world.facts([sold(5)])) == []
    assert world.reservation("old").status == "expired"
    assert world.line("live").held == 5


def test_nothing_that_comes_late_touches_a_confirmed_reservation(world: World) -> None:
    world.reserved(reserve())
    world.reserved(on(Confirm))
    world.reserved(on(AwaitPayment, pay_by_ms=NOW_MS + 1))
    world.reserved(on(Extend, expires_at_ms=NOW_MS + 1))
    world.now_ms += 60 * MINUTE_MS
    reservation = world.reserved(on(Expire))
    assert (reservation.status, reservation.expires_at_ms, world.line().held) == ("confirmed", 0, 4)


def test_an_extension_takes_no_time_from_who_is_paying(world: World) -> None:
    world.reserved(reserve())
    world.reserved(on(AwaitPayment, pay_by_ms=NOW_MS + 10 * MINUTE_MS))
    reservation = world.reserved(on(Extend, expires_at_ms=NOW_MS + 2 * MINUTE_MS))
    assert reservation.expires_at_ms == NOW_MS + 10 * MINUTE_MS


def test_a_hold_without_end_has_none_while_it_is_paid(world: World) -> None:
    world.reserved(reserve(expires_at_ms=0))
    reservation = world.reserved(on(AwaitPayment, pay_by_ms=NOW_MS + 1))
    assert (reservation.status, reservation.expires_at_ms) == ("awaiting_payment", 0)
    assert world.refusal(on(Extend, expires_at_ms=NOW_MS)) == Refusal.EXPIRED


def test_what_is_confirmed_must_be_there_whole(world: World) -> None:
    world.reserved(reserve("r1", (GTIN, 4), (OTHER_GTIN, 4)))
    world.reserved(on(Pick, lines=part(1, OTHER_GTIN)))
    world.now_ms += MINUTE_MS
    world.reserved(reserve("r2", (GTIN, 10), expires_at_ms=0))
    assert world.refusal(on(Confirm)) == Refusal.EXPIRED


def test_picked_goods_make_nothing_due(world: World) -> None:
    world.reserved(reserve("r1", (GTIN, 4), (OTHER_GTIN, 4)))
    world.reserved(on(Pick, lines=part(4)))
    assert world.reservation("r1").due_at_ms == NOW_MS + MINUTE_MS
    world.reserved(on(Pick))
    assert world.reservation("r1").due_at_ms is None


def test_many_holds_lose_at_once_in_one_version(world: World) -> None:
    world.facts([counted(3_000)])
    for number in range(2_000):
        world.reserved(reserve(f"r{number}", (GTIN, 1), expires_at_ms=0))
    version = world.state().version
    assert len(shortages(world.facts([counted(0)]))) == 2_000
    assert world.state().version == version + 2


def test_quantities_that_could_not_be_read_back_are_refused(world: World) -> None:
    command = reserve("r1", (GTIN, 600_000_000), (GTIN, 600_000_000))
    assert world.refusal(command) == Refusal.INVALID


def test_withheld_goods_shorten_promises_too(world: World) -> None:
    world.reserved(reserve("r1", (GTIN, 10)))
    withheld = AdjustStock(store=STORE, gtin=GTIN, quantity=3, action="withhold", reason="damaged")
    assert isinstance(world.ask(withheld), Done)
    assert world.line().short == 3
    back = AdjustStock(store=STORE, gtin=GTIN, quantity=4, action="reinstate", reason="damaged")
    assert world.refusal(back) == Refusal.MORE_THAN_UNAVAILABLE
    gone = AdjustStock(store=STORE, gtin=GTIN, quantity=3, action="write_off", reason="damaged")
    assert isinstance(world.ask(gone), Done)
    assert (world.state().on_hand, world.state().written_off, world.state().damaged) == (7, 3, 0)


def test_a_document_has_versions_and_a_stale_writer_is_refused(world: World) -> None:
    def document(body: bytes, if_version: int | None = None) -> SetDocument:
        return SetDocument(
            store=CLOUD_STORE_ID, kind="rules", id="rules", body=body, if_version=if_version
        )

    assert isinstance(world.ask(document(b"{}", 0)), Done)
    assert world.refusal(document(b"[]", 0)) == Refusal.VERSION_CONFLICT
    answer = world.ask(document(b"[]", 1))
    assert isinstance(answer, Done)
    assert isinstance(answer.record, Document)
    assert (answer.record.version, answer.record.body) == (2, b"[]")


def test_commands_and_facts_of_one_group_see_each_other(world: World) -> None:
    committed = world.commit(
        Submitted(ticket=1, command=reserve("r1", (GTIN, 10))),
        batch(world.next_seq, [sold(1)]),
        Submitted(ticket=2, command=reserve("r2", (GTIN, 1))),
        Submitted(ticket=3, command=on(Confirm)),
    )
    first, second, third = (reply.answer for reply in committed.replies)
    assert isinstance(first, Done)
    assert isinstance(second, Refused)
    assert isinstance(third, Done)
    assert shortages(committed) == [("o-r1", 1)]
