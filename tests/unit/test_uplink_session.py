"""The session against a scripted cloud, and against a model of one behind a hostile channel."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.outbox.port import OutboxStatus
from edge.uplink.backoff import backoff_ms
from edge.uplink.digests import own_facts
from edge.uplink.session import SILENT_AFTER_TIMEOUTS, Session, State
from edge.uplink.settings import UplinkSettings
from edge.uplink.steps import (
    Action,
    BatchSent,
    ClearAlarm,
    Connected,
    Disconnected,
    EpochStarted,
    OwnFact,
    RaiseAlarm,
    ResetMirror,
    SendBatch,
    SendHello,
    SessionInput,
    StartEpoch,
    Tick,
    Trim,
    Welcomed,
)
from protocol.codec import MARKER_DIGEST, decode_fact, encode_fact, fact_digest
from protocol.facts import DeviceHealthChanged, FactsShed, StockCounted
from protocol.ids import Epoch, Seq
from protocol.updates import DIGESTS_PER_WELCOME_MAX, Ack, Welcome
from tests.memory_outbox import MemoryOutbox

STORE = "S001"
SETTINGS = UplinkSettings(
    window_batches=3,
    batch_facts_max=2,
    linger_ms=10,
    hello_timeout_ms=1_000,
    ack_timeout_ms=1_000,
    timeout_max_ms=8_000,
    refusal_hold_ms=60_000,
    refusal_hold_max_ms=600_000,
)


def status(first: int, following: int, epoch: int = 7) -> OutboxStatus:
    return OutboxStatus(Epoch(epoch), Seq(first), Seq(following), 0, 0, 0)


def ack(through: int, epoch: int = 7, **more: object) -> Ack:
    return Ack(store=STORE, epoch=epoch, through_seq=through, **more)  # type: ignore[arg-type]
    # A keyword of a struct, passed on: its type is checked where the session reads it.


def welcome(through: int, first: int, digests: Sequence[bytes] = (), epoch: int = 7) -> Welcome:
    return Welcome(
        store=STORE,
        epoch=epoch,
        through_seq=through,
        digests_from=first,
        digests=list(digests),
    )


def digest(letter: str) -> bytes:
    return letter.encode() * 8


def own(letters: str, telemetry: str = "") -> list[OwnFact]:
    """Facts of ours, one a letter; `.` is a shed marker."""
    return [
        OwnFact(MARKER_DIGEST if letter == "." else digest(letter), letter in telemetry)
        for letter in letters
    ]


def digests(letters: str) -> list[bytes]:
    return [fact.digest for fact in own(letters)]


class Conversation:
    """A session at virtual time, whose actions the test reads and answers."""

    def __init__(self, first: int = 1, following: int = 1, jitter: float = 0.0) -> None:
        self.session = Session(SETTINGS, lambda: jitter)
        self.status = status(first, following)
        self.now_ms = 1_000_000

    def feed(self, event: SessionInput) -> list[Action]:
        """Hand in one input; perform what needs no cloud; return all actions."""
        actions = self.session.handle(event, self.status, self.now_ms)
        performed = list(actions)
        for action in actions:
            performed += self._perform(action)
        return performed

    def wait(self, duration_ms: int) -> list[Action]:
        self.now_ms += duration_ms
        return self.feed(Tick())

    def append(self, count: int) -> list[Action]:
        self.status = self.status._replace(next_seq=Seq(self.status.next_seq + count))
        return self.feed(Tick())

    def streaming(self) -> "Conversation":
        """Shake hands with a cloud that has exactly what was trimmed here."""
        self.feed(Connected())
        self.feed(Welcomed(welcome(self.status.first_seq - 1, self.status.first_seq), []))
        assert self.session.state is State.STREAMING
        return self

    def _perform(self, action: Action) -> list[Action]:
        match action:
            case SendBatch(_, first_seq, facts_max, _):
                through = min(first_seq + facts_max, self.status.next_seq) - 1
                return self.feed(BatchSent(first_seq, through))
            case Trim(_, through_seq):
                self.status = self.status._replace(first_seq=Seq(through_seq + 1))
            case StartEpoch(keep_from):
                kept = self.status.next_seq - keep_from
                self.status = status(1, 1 + kept, self.status.epoch + 1)
                return self.feed(EpochStarted())
            case _:
                pass
        return []


def sent_from(actions: list[Action]) -> list[int]:
    return [action.first_seq for action in actions if isinstance(action, SendBatch)]


def alarms(actions: list[Action]) -> list[str]:
    return [action.kind for action in actions if isinstance(action, RaiseAlarm)]


def hellos(actions: list[Action]) -> list[SendHello]:
    return [action for action in actions if isinstance(action, SendHello)]


# The handshake.


def test_a_connection_begins_with_a_hello_and_nothing_else() -> None:
    talk = Conversation(5, 9)
    assert talk.feed(Connected()) == [SendHello(Epoch(7), Seq(5), Seq(9))]


def test_equal_digests_are_a_lost_acknowledgement_and_trim() -> None:
    talk = Conversation(5, 9)
    talk.feed(Connected())
    actions = talk.feed(Welcomed(welcome(6, 5, digests("ab")), own("abcd")))
    assert Trim(Epoch(7), Seq(6)) in actions
    assert sent_from(actions) == [7]
    assert alarms(actions) == []


def test_other_content_for_a_number_starts_an_epoch_at_that_number() -> None:
    talk = Conversation(5, 9)
    talk.feed(Connected())
    actions = talk.feed(Welcomed(welcome(7, 5, digests("axc")), own("abcd")))
    assert StartEpoch(Seq(6)) in actions
    assert alarms(actions) == ["outbox_rewound"]
    assert hellos(actions) == [SendHello(Epoch(8), Seq(1), Seq(4))]


def test_a_marker_of_ours_matches_what_the_cloud_got_before_it_was_shed() -> None:
    talk = Conversation(5, 7)
    talk.feed(Connected())
    assert alarms(talk.feed(Welcomed(welcome(6, 5, digests("ab")), own("a.")))) == []


def test_a_marker_of_the_cloud_matches_telemetry_and_never_a_sale() -> None:
    for telemetry, expected in (("b", []), ("", ["outbox_rewound"])):
        talk = Conversation(5, 7)
        talk.feed(Connected())
        answer = Welcomed(welcome(6, 5, digests("a.")), own("ab", telemetry))
        assert alarms(talk.feed(answer)) == expected


@pytest.mark.parametrize("through", [9, 10, 5_000])
def test_a_cloud_ahead_of_the_next_number_starts_an_epoch_with_nothing_known(through: int) -> None:
    talk = Conversation(9, 9)
    talk.feed(Connected())
    actions = talk.feed(Welcomed(welcome(through, 9), []))
    assert StartEpoch(Seq(9)) in actions
    assert alarms(actions) == ["outbox_rewound"]


def test_a_cloud_that_lost_acknowledged_facts_is_an_alarm_and_a_new_epoch() -> None:
    talk = Conversation(5, 9)
    talk.feed(Connected())
    actions = talk.feed(Welcomed(welcome(2, 5), []))
    assert alarms(actions) == ["cloud_lost_facts"]
    assert StartEpoch(Seq(5)) in actions
    assert ResetMirror() in actions


def test_a_late_welcome_does_not_look_like_a_cloud_that_lost_facts() -> None:
    talk = Conversation(5, 9)
    talk.feed(Connected())
    assert talk.feed(Welcomed(welcome(2, 3), [])) == []
    assert talk.session.state is State.GREETING


def test_a_welcome_of_another_epoch_is_ignored() -> None:
    talk = Conversation(5, 9)
    talk.feed(Connected())
    assert talk.feed(Welcomed(welcome(50, 5, epoch=6), [])) == []


def test_truncated_digests_are_settled_in_rounds() -> None:
    following = DIGESTS_PER_WELCOME_MAX + 100
    talk = Conversation(1, following)
    talk.feed(Connected())
    held = own("a" * (following - 1))
    first = talk.feed(Welcomed(welcome(8_200, 1, digests("a" * DIGESTS_PER_WELCOME_MAX)), held))
    assert Trim(Epoch(7), Seq(DIGESTS_PER_WELCOME_MAX)) in first
    assert hellos(first) == [SendHello(Epoch(7), Seq(8_193), Seq(following))]
    second = talk.feed(Welcomed(welcome(8_200, 8_193, digests("a" * 8)), held[8_192:]))
    assert sent_from(second)[0] == 8_201
    assert alarms(first + second) == []


def test_a_welcome_without_the_digests_it_needs_is_no_reason_to_spin() -> None:
    talk = Conversation(1, 9)
    talk.feed(Connected())
    assert talk.feed(Welcomed(welcome(5, 1), own("abcdefgh"))) == []
    assert hellos(talk.wait(999)) == []
    assert len(hellos(talk.wait(1))) == 1


def test_an_unanswered_hello_is_repeated_with_growing_patience_and_an_alarm() -> None:
    talk = Conversation()
    talk.feed(Connected())
    assert hellos(talk.wait(1_000))
    assert not hellos(talk.wait(1_999))
    assert hellos(talk.wait(1))
    actions = talk.wait(4_000)
    assert alarms(actions) == ["cloud_silent"]
    for _ in range(20):
        assert len(hellos(talk.wait(8_000))) == 1
    answered = talk.feed(Welcomed(welcome(0, 1), []))
    assert ClearAlarm("cloud_silent") in answered


# The stream.


def test_a_fact_leaves_at_once_while_nothing_is_in_flight() -> None:
    talk = Conversation().streaming()
    assert sent_from(talk.append(1)) == [1]


def test_while_busy_a_batch_waits_until_it_is_full_or_has_lingered() -> None:
    talk = Conversation().streaming()
    talk.append(1)
    assert sent_from(talk.append(1)) == []
    assert talk.session.wake_at_ms() == talk.now_ms + SETTINGS.linger_ms
    assert sent_from(talk.append(1)) == [2]
    assert sent_from(talk.append(1)) == []
    assert sent_from(talk.wait(SETTINGS.linger_ms)) == [4]


def test_the_window_bounds_what_is_in_flight() -> None:
    talk = Conversation().streaming()
    assert sent_from(talk.append(20)) == [1, 3, 5]
    assert sent_from(talk.wait(100)) == []
    assert sent_from(talk.feed(ack(2))) == [7]
    assert sent_from(talk.feed(ack(8))) == [9, 11, 13]


def test_an_acknowledgement_trims_and_a_second_copy_does_nothing() -> None:
    talk = Conversation().streaming()
    talk.append(2)
    assert talk.feed(ack(2)) == [Trim(Epoch(7), Seq(2))]
    assert talk.feed(ack(2)) == []
    assert talk.feed(ack(1)) == []


def test_an_acknowledgement_of_an_old_epoch_is_ignored() -> None:
    talk = Conversation().streaming()
    talk.append(2)
    assert talk.feed(ack(2, epoch=6)) == []


def test_an_acknowledgement_beyond_what_was_sent_is_compared_first() -> None:
    talk = Conversation().streaming()
    talk.append(2)
    actions = talk.feed(ack(3))
    assert [type(action) for action in actions] == [SendHello]


def test_a_gap_is_repeated_once_though_every_batch_behind_it_reports_it() -> None:
    talk = Conversation().streaming()
    talk.append(6)
    assert sent_from(talk.feed(ack(2, resend_from=3, problem="gap"))) == [3, 5]
    assert talk.feed(ack(2, resend_from=3, problem="gap")) == []
    talk.feed(ack(6))
    talk.append(4)
    assert sent_from(talk.feed(ack(6, resend_from=7, problem="gap"))) == [7, 9]


def test_a_gap_before_what_was_trimmed_goes_back_to_the_handshake() -> None:
    talk = Conversation(5, 7).streaming()
    assert len(hellos(talk.feed(ack(2, resend_from=3, problem="gap")))) == 1


def test_without_acknowledgements_one_batch_at_a_time_is_a_probe() -> None:
    talk = Conversation().streaming()
    talk.append(20)
    assert sent_from(talk.wait(1_000)) == [1]
    assert sent_from(talk.wait(1_999)) == []
    assert sent_from(talk.wait(1)) == [1]
    actions = talk.wait(4_000)
    assert alarms(actions) == ["cloud_silent"]
    answered = talk.feed(ack(2))
    assert ClearAlarm("cloud_silent") in answered
    assert sent_from(answered) == [3, 5, 7]


def test_a_connection_that_breaks_forgets_the_flight_and_resumes_at_the_watermark() -> None:
    talk = Conversation().streaming()
    talk.append(6)
    assert talk.feed(Disconnected()) == []
    assert talk.session.wake_at_ms() is None
    assert talk.append(2) == []
    talk.feed(Connected())
    answer = Welcomed(welcome(4, 1, digests("abcd")), own("abcdefgh"))
    assert sent_from(talk.feed(answer)) == [5, 7]


# Refusals.


def test_a_reused_number_goes_back_to_the_handshake_and_does_not_spin() -> None:
    talk = Conversation().streaming()
    talk.append(2)
    assert len(hellos(talk.feed(ack(0, problem="seq_reused")))) == 1
    talk.feed(Welcomed(welcome(0, 1), []))
    actions = talk.feed(ack(0, problem="seq_reused", detail="again"))
    assert actions == [RaiseAlarm("seq_reused", "again")]
    assert talk.session.state is State.HELD


@pytest.mark.parametrize("problem", ["refused", "unsupported_version", "store_mismatch"])
def test_a_refusal_holds_for_long_and_drops_nothing(problem: str) -> None:
    talk = Conversation().streaming()
    talk.append(2)
    actions = talk.feed(ack(0, problem=problem, detail="why"))
    assert [type(action) for action in actions] == [RaiseAlarm]
    assert talk.append(5) == []
    assert talk.wait(29_999) == []
    assert talk.wait(1) == [SendHello(Epoch(7), Seq(1), Seq(8))]
    talk.feed(Welcomed(welcome(0, 1), []))
    talk.feed(ack(0, problem=problem))
    assert talk.wait(59_999) == []
    assert len(hellos(talk.wait(1))) == 1


def test_a_reconnection_does_not_shorten_a_hold() -> None:
    talk = Conversation().streaming()
    talk.append(2)
    talk.feed(ack(0, problem="refused"))
    talk.feed(Disconnected())
    assert talk.feed(Connected()) == []
    assert len(hellos(talk.wait(30_000))) == 1


def test_a_refusal_that_names_no_epoch_of_ours_counts_only_when_a_time_out_confirms_it() -> None:
    talk = Conversation().streaming()
    talk.append(2)
    assert talk.feed(ack(0, epoch=1, problem="refused")) == []
    assert talk.feed(ack(2)) == [Trim(Epoch(7), Seq(2))]
    talk.append(2)
    talk.feed(ack(0, epoch=1, problem="unsupported_version", detail="2"))
    assert talk.wait(1_000) == [RaiseAlarm("unsupported_version", "2")]
    assert talk.session.state is State.HELD


def test_a_refused_hello_holds_as_well() -> None:
    talk = Conversation()
    talk.feed(Connected())
    assert alarms(talk.feed(ack(0, problem="unsupported_version"))) == ["unsupported_version"]


# Back-off.


def test_back_off_doubles_to_its_maximum_and_half_of_it_is_random() -> None:
    assert [backoff_ms(n, 50, 30_000, lambda: 0.0) for n in (0, 1, 2, 9, 10, 10_000)] == [
        25, 50, 100, 12_800, 15_000, 15_000,
    ]  # fmt: skip
    assert backoff_ms(0, 50, 30_000, lambda: 0.999) < 50


def test_the_silence_alarm_is_not_raised_at_every_time_out() -> None:
    talk = Conversation()
    talk.feed(Connected())
    raised = [alarms(talk.wait(8_000)) for _ in range(10)]
    assert sum(map(len, raised)) == 1
    assert raised[SILENT_AFTER_TIMEOUTS - 1] == ["cloud_silent"]


# The model.


class ModelCloud:
    """A cloud in its shortest form: a watermark and the contents of each epoch."""

    def __init__(self) -> None:
        self.contents: dict[int, list[bytes]] = {}
        self.applied: list[bytes] = []

    def hello(self, hello: SendHello) -> Welcome:
        known = self.contents.get(hello.epoch, [])
        through = len(known)
        overlap = known[hello.first_seq - 1 : min(through, hello.next_seq - 1)]
        # A small maximum lets every run meet truncated digests.
        digests = [fact_digest(content) for content in overlap[:3]]
        return welcome(through, hello.first_seq, digests, hello.epoch)

    def batch(self, epoch: int, first_seq: int, facts: list[bytes]) -> Ack:
        known = self.contents.setdefault(epoch, [])
        if first_seq > len(known) + 1:
            after = len(known)
            return ack(after, epoch, resend_from=after + 1, problem="gap")
        for content, fact in zip(known[first_seq - 1 :], facts, strict=False):
            digests = fact_digest(content), fact_digest(fact)
            if digests[0] != digests[1] and MARKER_DIGEST not in digests:
                return ack(len(known), epoch, problem="seq_reused")
        news = facts[len(known) - first_seq + 1 :]
        known += news
        self.applied += news
        return ack(len(known), epoch)

    def image(self) -> tuple[dict[int, list[bytes]], list[bytes]]:
        return {epoch: list(facts) for epoch, facts in self.contents.items()}, list(self.applied)

    def restore(self, image: tuple[dict[int, list[bytes]], list[bytes]]) -> None:
        contents, applied = image
        self.contents = {epoch: list(facts) for epoch, facts in contents.items()}
        self.applied = list(applied)


def counted(number: int) -> StockCounted:
    """A fact that changes a count."""
    return StockCounted(
        occurred_at_ms=number,
        source="d",
        gtin="00614141123452",
        quantity=number,
        measure="units",
        evidence="sweep",
    )


def health(number: int) -> DeviceHealthChanged:
    """A fact that an outbox may shed."""
    return DeviceHealthChanged(occurred_at_ms=number, source="d", health="healthy", detail="")


def shed_marker(number: int) -> FactsShed:
    return FactsShed(occurred_at_ms=number, source="outbox", telemetry=1, stock=0)


UpMessage = SendHello | tuple[int, int, list[bytes]]


class UplinkMachine(RuleBasedStateMachine):
    """One store, one cloud, a channel that loses, repeats and reorders; in the end all heals.

    Restoring an image and rolling the cloud back flush the channel, as the session's theory says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outbox = MemoryOutbox()
        self.cloud = ModelCloud()
        self.take_images()
        self.up: list[UpMessage] = []
        self.down: list[Welcome | Ack] = []
        self.expected: list[bytes] = []
        self.alarms: list[str] = []
        self.count = 0
        self.now_ms = 0
        self.jitter = random.Random(1)
        self.crash_and_restart_the_agent()

    def start_agent(self) -> None:
        self.session = Session(SETTINGS, self.jitter.random)
        self.connected = False

    def feed(self, event: SessionInput) -> None:
        for action in self.session.handle(event, self.outbox.status(), self.now_ms):
            self.perform(action)

    def perform(self, action: Action) -> None:
        match action:
            case SendHello():
                self.up.append(action)
            case SendBatch(epoch, first_seq, facts_max, bytes_max):
                facts = self.outbox.read(Seq(first_seq - 1), facts_max, bytes_max)
                assert facts, "a batch of nothing was asked for"
                assert facts[0].seq == first_seq
                self.up.append((epoch, first_seq, [fact.data for fact in facts]))
                self.feed(BatchSent(first_seq, facts[-1].seq))
            case Trim(epoch, through_seq):
                self.outbox.trim(epoch, through_seq)
            case StartEpoch(keep_from):
                self.outbox.start_epoch(keep_from)
                self.take_images()
                self.feed(EpochStarted())
            case RaiseAlarm(kind):
                self.alarms.append(kind)
            case ClearAlarm() | ResetMirror():
                pass

    def take_images(self) -> None:
        """The theory compares images within an epoch only: an older one is of no use."""
        self.edge_image = self.outbox.image()
        self.cloud_image = self.cloud.image()

    # What the store does.

    @rule(telemetry=st.lists(st.booleans(), min_size=1, max_size=5))
    def append(self, telemetry: list[bool]) -> None:
        for is_telemetry in telemetry:
            self.count += 1
            fact = (health if is_telemetry else counted)(self.count)
            self.outbox.append([fact])
            if not is_telemetry:
                self.expected.append(encode_fact(fact))
        self.feed(Tick())

    @rule()
    def shed_the_oldest_telemetry(self) -> None:
        """As an outbox does: in place, telemetry only; the cloud may have got it before."""
        first_seq = self.outbox.status().first_seq
        for fact in self.outbox.read(Seq(first_seq - 1), 1_000, 1_000_000):
            if isinstance(decode_fact(fact.data), DeviceHealthChanged):
                self.count += 1
                self.outbox.shed(fact.seq, encode_fact(shed_marker(self.count)))
                return

    @rule(duration_ms=st.sampled_from([5, 50, 1_500, 20_000, 700_000]))
    def wait(self, duration_ms: int) -> None:
        self.now_ms += duration_ms
        self.feed(Tick())

    @rule()
    def disconnect(self) -> None:
        self.connected = False
        self.feed(Disconnected())

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        self.feed(Connected())

    @rule()
    def crash_and_restart_the_agent(self) -> None:
        self.start_agent()
        self.connected = True
        self.feed(Connected())

    @rule()
    def take_an_image_of_the_gateway(self) -> None:
        self.edge_image = self.outbox.image()

    @rule(delivered=st.booleans(), news=st.lists(st.booleans(), max_size=4))
    def restore_the_image_of_the_gateway(self, delivered: bool, news: list[bool]) -> None:
        while self.up:
            message = self.up.pop(0)
            if delivered:
                self.arrive(message)
        self.down.clear()
        self.outbox.restore(self.edge_image)
        # What the former life had not delivered and the image does not hold is gone with the disk.
        held = {*self.edge_image[2], *self.cloud.applied}
        self.expected = [fact for fact in self.expected if fact in held]
        self.cloud_image = self.cloud.image()
        self.start_agent()
        self.append(news)

    # What the cloud does.

    @rule()
    def back_the_cloud_up(self) -> None:
        self.cloud_image = self.cloud.image()

    @rule()
    def roll_the_cloud_back(self) -> None:
        self.cloud.restore(self.cloud_image)
        self.edge_image = self.outbox.image()
        self.up.clear()
        self.down.clear()
        held = {*self.outbox.image()[2], *self.cloud.applied}
        self.expected = [fact for fact in self.expected if fact in held]
        self.start_agent()

    # What the channel does.

    def arrive(self, message: UpMessage) -> None:
        if isinstance(message, SendHello):
            self.down.append(self.cloud.hello(message))
        else:
            self.down.append(self.cloud.batch(*message))

    def hear(self, answer: Welcome | Ack) -> None:
        if isinstance(answer, Welcome):
            before = Seq(self.outbox.status().first_seq - 1)
            held = self.outbox.read(before, 10_000, 10_000_000)
            self.feed(Welcomed(answer, own_facts(held)))
        else:
            self.feed(answer)

    @rule(rounds=st.integers(1, 6))
    def carry_all_in_order(self, rounds: int) -> None:
        """Most of the time the channel behaves; without it, no run would get far."""
        for _ in range(rounds):
            for message in self.up[:]:
                self.up.remove(message)
                self.arrive(message)
            for answer in self.down[:]:
                self.down.remove(answer)
                if self.connected:
                    self.hear(answer)

    @precondition(lambda self: self.up)
    @rule(index=st.integers(0, 20), copies=st.sampled_from([0, 1, 1, 1, 2]))
    def carry_up(self, index: int, copies: int) -> None:
        message = self.up.pop(index % len(self.up))
        for _ in range(copies):
            self.arrive(message)

    @precondition(lambda self: self.up)
    @rule(index=st.integers(0, 20))
    def delay_a_copy_up(self, index: int) -> None:
        self.up.append(self.up[index % len(self.up)])

    @precondition(lambda self: self.down)
    @rule(index=st.integers(0, 20), copies=st.sampled_from([0, 1, 1, 1, 2]))
    def carry_down(self, index: int, copies: int) -> None:
        answer = self.down.pop(index % len(self.down))
        for _ in range(copies if self.connected else 0):
            self.hear(answer)

    @invariant()
    def nothing_counts_twice(self) -> None:
        assert max(Counter(self.cloud.applied).values(), default=1) == 1

    @invariant()
    def nothing_unacknowledged_is_forgotten(self) -> None:
        held = {*self.outbox.image()[2], *self.cloud.applied}
        assert [fact for fact in self.expected if fact not in held] == []

    def teardown(self) -> None:
        """Heal: a channel that delivers in order, and enough time. Everything must be there."""
        if not self.connected:
            self.connect()
        for _ in range(1_000):
            self.carry_all_in_order(6)
            if self.outbox.status().pending == 0:
                break
            self.wait(1_000)
        assert self.outbox.status().pending == 0, f"not drained in state {self.session.state}"
        self.nothing_counts_twice()
        applied = [fact for fact in self.cloud.applied if fact in self.expected]
        assert applied == self.expected


TestUplinkModel = UplinkMachine.TestCase
TestUplinkModel.settings = hypothesis_settings(
    max_examples=100, stateful_step_count=50, deadline=None
)


@pytest.mark.parametrize("seed", range(60))
def test_long_lives_lose_nothing_and_double_nothing(seed: int) -> None:
    """Hypothesis finds short counterexamples; a long life with likely events goes deeper."""
    chance = random.Random(seed)
    machine = UplinkMachine()
    for _ in range(400):
        chance.choices(*zip(*life_of(machine, chance), strict=True))[0]()
        machine.nothing_counts_twice()
        machine.nothing_unacknowledged_is_forgotten()
    machine.teardown()


def life_of(machine: UplinkMachine, chance: random.Random) -> list[tuple[Callable[[], None], int]]:
    """What may happen next, and how likely it is."""

    def some_facts(at_most: int) -> list[bool]:
        return [chance.random() < 0.3 for _ in range(chance.randint(1, at_most))]

    def carry(up: bool) -> None:
        if machine.up if up else machine.down:
            copies = chance.choice([0, 1, 1, 2])
            (machine.carry_up if up else machine.carry_down)(chance.randrange(20), copies)

    events: list[tuple[Callable[[], None], int]] = [
        (lambda: machine.append(some_facts(5)), 20),
        (machine.shed_the_oldest_telemetry, 3),
        (lambda: machine.wait(chance.choice([5, 50, 1_500, 20_000])), 10),
        (machine.disconnect, 1),
        (machine.crash_and_restart_the_agent, 2),
        (machine.take_an_image_of_the_gateway, 2),
        (
            lambda: machine.restore_the_image_of_the_gateway(chance.random() < 0.5, some_facts(4)),
            1,
        ),
        (machine.back_the_cloud_up, 2),
        (lambda: carry(up=True), 10),
        (lambda: carry(up=False), 10),
        (lambda: machine.carry_all_in_order(chance.randint(1, 4)), 20),
    ]
    if not machine.connected:
        events.append((machine.connect, 30))
    if machine.up:
        events.append((lambda: machine.delay_a_copy_up(chance.randrange(20)), 3))
    if chance.random() < 0.2:
        events.append((machine.roll_the_cloud_back, 1))
    return events
