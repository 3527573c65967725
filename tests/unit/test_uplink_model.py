"""The session against a model of the cloud, behind a channel that loses, repeats and reorders."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.uplink.digests import own_facts
from edge.uplink.session import Session
from edge.uplink.settings import UplinkSettings
from edge.uplink.steps import (
    Action,
    BatchSent,
    ClearAlarm,
    Connected,
    Disconnected,
    EpochStarted,
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
from protocol.ids import Seq
from protocol.updates import Ack, Welcome
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


def ack(through: int, epoch: int, **more: object) -> Ack:
    return Ack(store=STORE, epoch=epoch, through_seq=through, **more)  # type: ignore[arg-type]
    # A keyword of a struct, passed on: its type is checked where the session reads it.


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
        return Welcome(
            store=STORE,
            epoch=hello.epoch,
            through_seq=through,
            digests_from=hello.first_seq,
            digests=digests,
        )

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
