"""The auditor can fail: planted oversells, double grants and lost replays are found and named."""

from collections.abc import Sequence

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Expire,
    Extend,
    Pick,
    Release,
    Reserve,
    ReserveLine,
    Ship,
)
from cloud.commands.returns import InspectReturn
from cloud.commands.stock import AdjustStock
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import InputRow, encode_command
from cloud.shards.messages import Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from protocol.codec import encode_up
from protocol.envelope import FactBatch
from protocol.facts import AnyFact
from simulators.audit.auditor import Auditor
from simulators.audit.books import Book, Promise
from simulators.audit.grants import ToldGrant, Witness, compare_grants
from simulators.audit.report import audit
from tests.shard_inputs import (
    EPOCH,
    GTIN,
    NOW_MS,
    OTHER_GTIN,
    STORE,
    batch,
    counted,
    received,
    sold,
)

WEB = {"web": 2}


def reserve(
    quantity: int,
    name: str = "r1",
    *,
    key: str = "",
    channel: str = "app",
    buffer: int = 0,
    expires_at_ms: int = 0,
    gtin: str = GTIN,
) -> Reserve:
    return Reserve(
        store=STORE,
        key=f"token:{key or name}",
        reservation_id=name,
        order_id="o1",
        channel=channel,
        lines=[ReserveLine(gtin=gtin, quantity=quantity, buffer=buffer)],
        expires_at_ms=expires_at_ms,
    )


class JournalOf:
    """Inputs with positions, and an auditor who reads them."""

    def __init__(self, buffers: dict[str, int] | None = None) -> None:
        self.auditor = Auditor(buffers=buffers or {})
        self._position = 0
        self._seq = 1

    def facts(self, *facts: AnyFact, now_ms: int = NOW_MS) -> None:
        message = FactBatch(
            store=STORE, epoch=EPOCH, first_seq=self._seq, sent_at_ms=now_ms, facts=list(facts)
        )
        last_seq = self._seq + len(facts) - 1
        self._take("batch", self._seq, last_seq, now_ms, encode_up(message))
        self._seq = last_seq + 1

    def command(self, command: AnyCommand, now_ms: int = NOW_MS) -> None:
        self._take("command", 0, 0, now_ms, encode_command(command))

    def _take(self, kind: str, first_seq: int, last_seq: int, now_ms: int, payload: bytes) -> None:
        self._position += 1
        epoch = EPOCH if kind == "batch" else 0
        is_batch = kind == "batch"
        self.auditor.take(
            InputRow(
                position=self._position,
                kind="batch" if is_batch else "command",
                store=STORE,
                epoch=epoch,
                first_seq=first_seq,
                last_seq=last_seq,
                stamped_at_ms=now_ms,
                payload=payload,
            )
        )

    @property
    def violations(self) -> list[str]:
        return self.auditor.violations.named


def test_what_is_there_may_be_granted_to_the_last() -> None:
    journal = JournalOf()
    journal.facts(counted(5))
    journal.command(reserve(3, "r1"))
    journal.command(reserve(2, "r2"))
    assert journal.violations == []
    assert journal.auditor.held(STORE, "r2") == {GTIN: 2}


def test_an_oversell_is_named_with_its_input() -> None:
    journal = JournalOf()
    journal.facts(counted(5))
    journal.command(reserve(3, "r1"))
    journal.command(reserve(3, "r2"))
    assert journal.violations == [f"input 3: {GTIN}@{STORE}: oversold, 3 granted, 2 allowed"]


def test_an_oversell_of_what_was_sold_at_a_till_is_found() -> None:
    journal = JournalOf()
    journal.facts(counted(5), sold(3))
    journal.command(reserve(3))
    assert "oversold, 3 granted, 2 allowed" in journal.violations[0]


def test_an_oversell_of_what_is_withheld_is_found() -> None:
    journal = JournalOf()
    journal.facts(counted(5))
    withheld = AdjustStock(store=STORE, gtin=GTIN, quantity=4, action="withhold", reason="damaged")
    journal.command(withheld)
    journal.command(reserve(2))
    assert "oversold, 2 granted, 1 allowed" in journal.violations[0]


def test_an_oversell_of_what_a_rule_hides_is_found() -> None:
    journal = JournalOf(WEB)
    journal.facts(counted(5))
    journal.command(reserve(4, channel="web", buffer=2))
    assert "oversold, 4 granted, 3 allowed" in journal.violations[0]


def test_a_buffer_that_was_stamped_wrong_is_found() -> None:
    journal = JournalOf(WEB)
    journal.facts(counted(5))
    journal.command(reserve(1, channel="web"))
    assert journal.violations == [f"input 2: {GTIN}@{STORE}: 0 hidden from web, the rules say 2"]


def test_a_reservation_that_is_made_twice_is_found() -> None:
    journal = JournalOf()
    journal.facts(counted(5))
    journal.command(reserve(1, "r1", key="k1"))
    journal.command(reserve(1, "r1", key="k2"))
    assert journal.violations == ["input 3: r1 is reserved a second time"]


def test_what_expired_may_be_granted_again_and_not_before() -> None:
    for now_ms, is_oversold in ((NOW_MS + 999, True), (NOW_MS + 1_000, False)):
        journal = JournalOf()
        journal.facts(counted(5))
        journal.command(reserve(5, "r1", expires_at_ms=NOW_MS + 1_000))
        journal.command(reserve(5, "r2"), now_ms)
        assert bool(journal.violations) is is_oversold


def test_what_is_paid_or_in_hand_does_not_expire() -> None:
    for ask in (
        Confirm(store=STORE, reservation_id="r1"),
        Pick(store=STORE, reservation_id="r1"),
        Extend(store=STORE, reservation_id="r1", expires_at_ms=0),
        AwaitPayment(store=STORE, reservation_id="r1", pay_by_ms=NOW_MS + 9_000),
    ):
        journal = JournalOf()
        journal.facts(counted(5))
        journal.command(reserve(5, "r1", expires_at_ms=NOW_MS + 1_000))
        journal.command(ask)
        journal.command(Expire(store=STORE, reservation_id="r1"), NOW_MS + 2_000)
        journal.command(reserve(1, "r2"), NOW_MS + 2_000)
        assert "oversold, 1 granted, 0 allowed" in journal.violations[0]


def test_what_was_released_or_shipped_is_off_the_books() -> None:
    journal = JournalOf()
    journal.facts(counted(5))
    journal.command(reserve(5, "r1"))
    line = (Line(gtin=GTIN, quantity=2),)
    journal.command(Ship(store=STORE, reservation_id="r1", lines=line))
    assert journal.auditor.book(STORE, GTIN).on_hand == 3
    journal.command(Release(store=STORE, reservation_id="r1"))
    journal.command(reserve(3, "r2"))
    assert journal.violations == []
    journal.command(reserve(1, "r3"))
    assert "oversold" in journal.violations[0]


def test_more_shipped_than_promised_is_found() -> None:
    journal = JournalOf()
    journal.facts(counted(5))
    journal.command(reserve(2, "r1"))
    line = (Line(gtin=GTIN, quantity=3),)
    journal.command(Ship(store=STORE, reservation_id="r1", lines=line))
    assert journal.violations == [f"input 3: a Ship took 1 more of {GTIN} than it had"]


def test_a_sale_takes_from_the_newest_promise_that_is_not_in_hand() -> None:
    journal = JournalOf()
    journal.facts(counted(5))
    journal.command(reserve(2, "r1"), NOW_MS)
    journal.command(reserve(2, "r2"), NOW_MS + 1)
    journal.command(reserve(1, "r3"), NOW_MS + 2)
    journal.command(Pick(store=STORE, reservation_id="r3"), NOW_MS + 3)
    journal.facts(sold(3), now_ms=NOW_MS + 4)
    held = [journal.auditor.held(STORE, name) for name in ("r1", "r2", "r3")]
    assert held == [{GTIN: 1}, {}, {GTIN: 1}]


def test_a_till_line_and_a_known_number_count_once() -> None:
    journal = JournalOf()
    journal.facts(counted(5))
    again = sold(2, transaction="t-again")
    journal.facts(again, again)
    assert journal.auditor.book(STORE, GTIN).on_hand == 3


def test_a_command_that_nobody_can_audit_is_a_violation() -> None:
    journal = JournalOf()
    command = InspectReturn(store=STORE, return_id="x", gtin=GTIN, quantity=1, verdict="sellable")
    journal.command(command)
    assert journal.violations == ["input 1: nobody here can audit a InspectReturn"]


def test_a_count_is_as_of_its_moment() -> None:
    book = Book()
    book.count(NOW_MS, 10, NOW_MS)
    book.move(NOW_MS - 5, -3, NOW_MS + 1)
    assert book.on_hand == 10, "the count has seen that sale"
    book.move(NOW_MS + 5, -3, NOW_MS + 6)
    book.count(NOW_MS + 2, 9, NOW_MS + 7)
    assert book.on_hand == 6, "what moved after the count stays on top"
    book.count(NOW_MS + 1, 99, NOW_MS + 8)
    assert book.on_hand == 6, "an older count says nothing any more"


def test_promises_near_their_deadline_lose_last() -> None:
    book = Book()
    book.count(NOW_MS, 2, NOW_MS)
    book.grant(Promise("old", 1, NOW_MS, 0, 0), NOW_MS)
    book.grant(Promise("near", 1, NOW_MS + 1, 0, NOW_MS + 60_000), NOW_MS + 1)
    book.move(NOW_MS + 2, -1, NOW_MS + 2)
    assert set(book.promises) == {"near"}


def told(name: str = "r1", quantity: int = 1, answer: bytes = b"{}") -> ToldGrant:
    return ToldGrant(STORE, name, {GTIN: quantity}, answer)


def grants_of(*commands: Reserve) -> Auditor:
    journal = JournalOf()
    journal.facts(counted(50))
    for command in commands:
        journal.command(command)
    return journal.auditor


def test_each_grant_is_known_on_both_sides() -> None:
    grants = grants_of(reserve(1, "r1", key="k1"), reserve(2, "r2", key="k2")).grants
    assert compare_grants(grants, {"k1": told("r1"), "k2": told("r2", 2)}).named == []


def test_a_key_with_two_grants_is_found() -> None:
    grants = grants_of(reserve(1, "r1", key="k1"), reserve(1, "r2", key="k1")).grants
    (named,) = compare_grants(grants, {"k1": told("r1")}).named
    assert named == "key k1 has two grants in the journal: inputs 2 and 3"


def test_a_grant_that_the_journal_lost_is_found() -> None:
    (named,) = compare_grants([], {"k1": told("r1")}).named
    assert named == "key k1: r1 was granted and is not in the journal"


def test_a_grant_that_nobody_was_told_of_is_found() -> None:
    grants = grants_of(reserve(1, "r1", key="k1")).grants
    (named,) = compare_grants(grants, {}).named
    assert named == "key k1: r1 (input 2) is in the journal and no client was told"


def test_a_grant_of_other_goods_than_were_told_is_found() -> None:
    grants = grants_of(reserve(1, "r1", key="k1")).grants
    assert "other lines" in compare_grants(grants, {"k1": told("r1", 2)}).named[0]
    assert "r9 was told" in compare_grants(grants, {"k1": told("r9")}).named[0]


def saw(*answers: tuple[ToldGrant, bool]) -> Sequence[str]:
    witness = Witness()
    for grant, is_replay in answers:
        witness.saw("k1", grant, is_replay=is_replay)
    return witness.violations.named


def test_a_replay_is_the_first_answer_whichever_comes_first() -> None:
    assert saw((told(), False), (told(), True)) == []
    assert saw((told(), True), (told(), False)) == []


def test_a_lost_replay_is_found() -> None:
    assert saw((told("r1"), False), (told("r2"), False)) == [
        "key k1 was granted twice: first r1, then r2",
        "key k1: two answers say that they are the first",
    ]
    assert saw((told(), False), (told(answer=b"x"), True)) == ["key k1 was answered in two ways"]


def test_a_refusal_after_a_grant_is_found_and_one_before_is_not() -> None:
    witness = Witness()
    witness.asks("k1", {GTIN: 1})
    witness.saw_refusal("k1", "insufficient")
    witness.saw("k1", told(), is_replay=False)
    assert witness.violations.named == []
    witness.saw_refusal("k1", "insufficient")
    assert witness.violations.named == ["key k1 was granted and then refused: insufficient"]


def test_a_grant_of_something_else_than_was_asked_is_found() -> None:
    witness = Witness()
    witness.asks("k1", {OTHER_GTIN: 1})
    witness.saw("k1", told(), is_replay=False)
    assert witness.violations.named == ["key k1: granted is not what was asked"]


def shard_with(*commands: AnyCommand) -> MemoryJournal:
    """Return the journal of a real shard that was given stock and then these commands."""
    journal = MemoryJournal()
    owner_epoch = journal.take_ownership("shard-0", LOGIC_ERA, NOW_MS)
    shard = Shard(journal, "shard-0", owner_epoch)
    shard.commit([batch(1, [counted(5), received(1)])], NOW_MS)
    for number, command in enumerate(commands):
        shard.commit([Submitted(ticket=number, command=command)], NOW_MS + number + 1)
    shard.commit([batch(3, [sold(3)])], NOW_MS + 100)
    return journal


def test_the_books_end_as_a_real_shard_ends() -> None:
    journal = shard_with(
        reserve(2, "r1", key="k1"),
        reserve(2, "r2", key="k2"),
        Pick(store=STORE, reservation_id="r1"),
        reserve(9, "r3", key="k3"),
    )
    witness = Witness()
    witness.told["k1"] = told("r1", 2)
    witness.told["k2"] = told("r2", 2)
    report = audit(journal, witness, {})
    assert report.named == []
    assert (report.grants, report.inputs) == (2, 5)
    assert report.endings == {"held": 2}


def test_a_state_that_ends_otherwise_than_the_books_is_found() -> None:
    journal = shard_with(reserve(2, "r1", key="k1"))
    witness = Witness()
    witness.told["k1"] = told("r1", 2)
    refused_in_the_books_only = Auditor(buffers={}, refused={(STORE, EPOCH, 3)})
    refused_in_the_books_only.take_all(journal.inputs())
    assert refused_in_the_books_only.book(STORE, GTIN).on_hand == 6
    assert audit(journal, witness, {}).is_clean
    report = audit(journal, Witness(), {})
    assert not report.is_clean
    assert list(report.lines())[-1].startswith("audit: 1 violations")
