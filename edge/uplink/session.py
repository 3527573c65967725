"""The conversation of one store with the cloud, as a pure state machine (P1, P2).

Theory of operation
===================

MQTT is a pipe that may lose, repeat and reorder, whatever its QoS. So the session trusts numbers
and content, never deliveries. It takes one input at a time and returns actions; whoever performs
them performs all of them, in order, before the next input. It never sees a fact, only numbers and,
at the handshake, digests.

    state        input                          next state     what happens
    -----------  -----------------------------  -------------  -----------------------------------
    any          Disconnected                   OFFLINE        all that was in flight is forgotten
    OFFLINE      Connected                      GREETING       hello; HELD if a hold is not over
    GREETING     Welcomed, see the rules below  STREAMING      trim, send from the watermark on
                                                GREETING       trim the verified part, hello again
                                                RENUMBERING    a new epoch is needed
    GREETING     no answer in time              GREETING       hello again, with back-off
    RENUMBERING  EpochStarted                   GREETING       hello in the new epoch
    STREAMING    Ack, progress                  STREAMING      trim, the window moves on
    STREAMING    Ack, gap                       STREAMING      go back N: send from there again
    STREAMING    Ack beyond what we sent        GREETING       compare before anything is trimmed
    STREAMING    Ack, seq_reused                GREETING       compare; HELD when it repeats
    STREAMING    Ack, session_over              GREETING       compare: somebody else said hello
    GREETING     Ack, session_over              GREETING       the cloud is there now: hello at once
    GREETING     Ack, refused and the like      HELD           alarm; nothing is dropped
    STREAMING    Ack, refused and the like      HELD           alarm; nothing is dropped
    STREAMING    no progress in time            STREAMING      one batch as a probe, with back-off
    HELD         the hold is over               GREETING       hello

What the table does not name changes nothing: a late answer, one about an old epoch, a second copy.

The rules for a `Welcome` with watermark W, for our numbers first … next - 1 (docs/decisions/0002):

1. Digests are equal: those facts are delivered. Trim them, go on at W + 1.
2. A digest differs, or W >= next: the outbox was rewound to an older image, or cloned. What follows
   the equal prefix is news that carries used numbers: it goes into a new epoch.
3. W < first - 1: the cloud lost facts that it had acknowledged. They cannot be brought back; what
   we hold goes into a new epoch, since in this one its numbers would for ever follow a gap. A late
   answer to an older hello looks the same, except that it repeats the older hello's first number.
4. The digests end early (there is a maximum): trim the verified part and say hello again.

Each hello begins a session of its epoch, under a number of its own, and ends the one before it. The
cloud applies batches of the newest session alone, which name the watermark that they were welcomed
with; and an acknowledgement counts for the session that it names. So of two gateways that live from
one image, neither has its facts applied behind what it has not compared, nor trims what only the
other has sent (docs/decisions/0011). An image is compared within its epoch: one from before a
renumbering is beyond these rules.

The window counts batches. While nothing is in flight, a batch leaves at once; otherwise it leaves
when it is full or has lingered. After a time-out the window is one batch until the cloud answers.
A gap is repeated once: every batch in flight behind the lost one provokes the same request.

A refusal that names our epoch is about our facts. One that does not may be: the cloud could not
read the epoch, or somebody else sent rubbish on our topic. It counts if a time-out confirms it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Final

from edge.backoff import Jitter, backoff_ms
from edge.outbox.port import OutboxStatus
from edge.uplink.handshake import Agreed, PartlyVerified, Renumber, Useless, judge
from edge.uplink.settings import UplinkSettings
from edge.uplink.steps import (
    Action,
    AlarmKind,
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
    Trim,
    Welcomed,
)
from protocol.ids import Epoch, Seq
from protocol.updates import Ack, Welcome

SESSION_MAX: Final = 2**53 - 2
SILENT_AFTER_TIMEOUTS: Final = 3
"""Unanswered in a row, before somebody should look."""

CLEARED_BY_PROGRESS: Final[tuple[AlarmKind, ...]] = (
    "cloud_silent",
    "seq_reused",
    "refused",
    "unsupported_version",
    "store_mismatch",
)
"""Alarms whose reason is gone once the cloud takes our facts. The others need a human."""

REFUSALS: Final[Mapping[str | None, AlarmKind]] = {
    "refused": "refused",
    "unsupported_version": "unsupported_version",
    "store_mismatch": "store_mismatch",
}
"""Problems that sending the same again cannot solve."""


class State(Enum):
    """Where a session stands."""

    OFFLINE = auto()
    GREETING = auto()
    RENUMBERING = auto()
    STREAMING = auto()
    HELD = auto()


class Session:
    """See the theory of operation above. All times are of one monotonic clock, in milliseconds."""

    def __init__(self, settings: UplinkSettings, jitter: Jitter) -> None:
        self.state = State.OFFLINE
        self._settings = settings
        self._jitter = jitter
        self._hello = SendHello(Epoch(0), Seq(1), Seq(1))
        self._acked_through = 0
        self._welcomed_through = 0
        self._send_from = 1
        self._sent_through = 0
        """The highest number sent since the handshake; `_send_from` may have gone back since."""
        self._in_flight: deque[int] = deque()
        """The last number of each batch in flight, oldest first."""
        self._sending = False
        """A `SendBatch` was asked for, and `BatchSent` has not come yet."""
        self._repeated_from: int | None = None
        self._timeouts = 0
        self._refusals = 0
        self._unconfirmed: Ack | None = None
        self._held_until_ms = 0
        self._deadline_ms: int | None = None
        self._linger_until_ms: int | None = None

    def handle(self, event: SessionInput, status: OutboxStatus, now_ms: int) -> list[Action]:
        """Take one input; `status` is where the outbox stands now. Return what to do, in order."""
        actions = self._react(event, status, now_ms)
        if self._deadline_ms is not None and now_ms >= self._deadline_ms:
            actions += self._time_out(status, now_ms)
        if self.state is State.STREAMING:
            actions += self._pump(status, now_ms)
        return actions

    def wake_at_ms(self) -> int | None:
        """Return when a `Tick` is due, unless something else happens before."""
        times = [t for t in (self._deadline_ms, self._linger_until_ms) if t is not None]
        return min(times, default=None)

    def _react(self, event: SessionInput, status: OutboxStatus, now_ms: int) -> list[Action]:
        match self.state, event:
            case _, Disconnected():
                self._enter(State.OFFLINE, None)
            case State.OFFLINE, Connected():
                return self._connected(status, now_ms)
            case State.GREETING, Welcomed(welcome, own):
                return self._welcomed(welcome, own, status, now_ms)
            case State.RENUMBERING, EpochStarted():
                return self._greet(status, now_ms)
            case State.STREAMING, BatchSent(_, through_seq):
                self._sent(through_seq, now_ms)
            case State.GREETING | State.STREAMING, Ack(problem=problem) as ack if (
                problem in REFUSALS
            ):
                return self._refused(ack, now_ms)
            case State.GREETING, Ack(problem="session_over") as ack if self._is_ours(ack):
                self._timeouts = 0
                return self._greet(status, now_ms)
            case State.STREAMING, Ack() as ack if self._is_ours(ack):
                return self._acked(ack, status, now_ms)
            case _:
                pass  # Late, repeated or out of place: it changes nothing.
        return []

    def _is_ours(self, ack: Ack) -> bool:
        """Say whether it answers what we sent; a cloud of before sessions does not say."""
        return ack.epoch == self._hello.epoch and ack.session in (0, self._hello.session)

    def _enter(self, state: State, deadline_ms: int | None) -> None:
        """Change the state. Only a handshake leads to `STREAMING`, so no flight survives this."""
        self.state = state
        self._deadline_ms = deadline_ms
        self._linger_until_ms = None
        self._in_flight.clear()
        self._sending = False
        self._repeated_from = None
        self._unconfirmed = None

    # The handshake.

    def _connected(self, status: OutboxStatus, now_ms: int) -> list[Action]:
        self._timeouts = 0
        if now_ms < self._held_until_ms:
            self._enter(State.HELD, self._held_until_ms)
            return []
        return self._greet(status, now_ms)

    def _greet(self, status: OutboxStatus, now_ms: int, trimmed_through: int = 0) -> list[Action]:
        first_seq = Seq(max(status.first_seq, trimmed_through + 1))
        session = 1 + int(self._jitter() * SESSION_MAX)
        self._hello = SendHello(status.epoch, first_seq, status.next_seq, session)
        self._enter(State.GREETING, now_ms + self._patience_ms(self._settings.hello_timeout_ms))
        return [self._hello]

    def _welcomed(
        self, welcome: Welcome, own: Sequence[OwnFact], status: OutboxStatus, now_ms: int
    ) -> list[Action]:
        verdict = judge(self._hello, welcome, own)
        if isinstance(verdict, Useless):
            return []
        self._timeouts = 0
        actions: list[Action] = [ClearAlarm("cloud_silent")]
        match verdict:
            case Agreed(through_seq):
                return actions + self._stream(through_seq)
            case PartlyVerified(through_seq):
                actions.append(Trim(self._hello.epoch, Seq(through_seq)))
                return actions + self._greet(status, now_ms, through_seq)
            case Renumber(alarm, detail, keep_from):
                self._enter(State.RENUMBERING, None)
                actions.append(RaiseAlarm(alarm, detail))
                if alarm == "cloud_lost_facts":
                    actions.append(ResetMirror())
                return [*actions, StartEpoch(Seq(keep_from))]

    def _stream(self, through_seq: int) -> list[Action]:
        self._enter(State.STREAMING, None)
        self._acked_through = self._sent_through = self._welcomed_through = through_seq
        self._send_from = through_seq + 1
        if through_seq < self._hello.first_seq:
            return []
        return [Trim(self._hello.epoch, Seq(through_seq))]

    # The stream.

    def _pump(self, status: OutboxStatus, now_ms: int) -> list[Action]:
        self._linger_until_ms, lingering_until_ms = None, self._linger_until_ms
        unsent = status.next_seq - self._send_from
        window = 1 if self._timeouts else self._settings.window_batches
        if self._sending or unsent <= 0 or len(self._in_flight) >= window:
            return []
        if self._in_flight and unsent < self._settings.batch_facts_max:
            if lingering_until_ms is None:
                lingering_until_ms = now_ms + self._settings.linger_ms
            if now_ms < lingering_until_ms:
                self._linger_until_ms = lingering_until_ms
                return []
        self._sending = True
        limits = self._settings.batch_facts_max, self._settings.batch_bytes_max
        ours = self._hello.session, self._welcomed_through
        return [SendBatch(self._hello.epoch, Seq(self._send_from), *limits, *ours)]

    def _sent(self, through_seq: int, now_ms: int) -> None:
        self._sending = False
        self._send_from = through_seq + 1
        self._sent_through = max(self._sent_through, through_seq)
        self._in_flight.append(through_seq)
        if self._deadline_ms is None:
            self._deadline_ms = now_ms + self._patience_ms(self._settings.ack_timeout_ms)

    def _acked(self, ack: Ack, status: OutboxStatus, now_ms: int) -> list[Action]:
        if ack.problem == "seq_reused":
            return self._reused(ack, status, now_ms)
        if ack.problem == "session_over":
            return self._greet(status, now_ms)
        if ack.through_seq > self._sent_through:
            return self._greet(status, now_ms)
        actions = self._progress(ack.through_seq, now_ms)
        if ack.resend_from is None:
            return actions
        if ack.resend_from <= self._acked_through:
            return actions + self._greet(status, now_ms, self._acked_through)
        self._repeat(ack.resend_from)
        return actions

    def _progress(self, through_seq: int, now_ms: int) -> list[Action]:
        if through_seq <= self._acked_through:
            return []
        self._acked_through = through_seq
        self._send_from = max(self._send_from, through_seq + 1)
        while self._in_flight and self._in_flight[0] <= through_seq:
            self._in_flight.popleft()
        recovered = self._timeouts > 0 or self._refusals > 0
        self._timeouts = self._refusals = 0
        self._unconfirmed = None
        self._deadline_ms = None
        if self._in_flight:
            self._deadline_ms = now_ms + self._patience_ms(self._settings.ack_timeout_ms)
        cleared = [ClearAlarm(kind) for kind in CLEARED_BY_PROGRESS] if recovered else []
        return [Trim(self._hello.epoch, Seq(through_seq)), *cleared]

    def _repeat(self, resend_from: int) -> None:
        """Go back N, once per gap: the batches behind a lost one all report the same gap."""
        if resend_from >= self._send_from or resend_from == self._repeated_from:
            return
        self._repeated_from = resend_from
        self._rewind()

    def _rewind(self) -> None:
        self._send_from = self._acked_through + 1
        self._in_flight.clear()

    # Refusals and silence.

    def _reused(self, ack: Ack, status: OutboxStatus, now_ms: int) -> list[Action]:
        """Compare at the handshake; if that finds nothing and it happens again, do not spin."""
        if self._refusals > 0:
            return self._hold("seq_reused", ack.detail, now_ms)
        self._refusals = 1
        return self._greet(status, now_ms)

    def _refused(self, ack: Ack, now_ms: int) -> list[Action]:
        if ack.epoch != self._hello.epoch:
            self._unconfirmed = ack
            return []
        return self._hold(REFUSALS[ack.problem], ack.detail, now_ms)

    def _hold(self, alarm: AlarmKind, detail: str, now_ms: int) -> list[Action]:
        first_ms, max_ms = self._settings.refusal_hold_ms, self._settings.refusal_hold_max_ms
        hold_ms = backoff_ms(self._refusals, first_ms, max(first_ms, max_ms), self._jitter)
        self._refusals += 1
        self._held_until_ms = now_ms + hold_ms
        self._enter(State.HELD, self._held_until_ms)
        return [RaiseAlarm(alarm, detail)]

    def _time_out(self, status: OutboxStatus, now_ms: int) -> list[Action]:
        if self.state is State.HELD:
            return self._greet(status, now_ms)
        if self._unconfirmed is not None:
            problem, detail = self._unconfirmed.problem, self._unconfirmed.detail
            return self._hold(REFUSALS[problem], detail, now_ms)
        self._timeouts += 1
        actions: list[Action] = []
        if self._timeouts == SILENT_AFTER_TIMEOUTS:
            detail = f"no answer to {self._timeouts} messages in a row"
            actions.append(RaiseAlarm("cloud_silent", detail))
        if self.state is State.GREETING:
            return actions + self._greet(status, now_ms)
        self._rewind()
        self._deadline_ms = None
        self._repeated_from = None
        return actions

    def _patience_ms(self, first_ms: int) -> int:
        # The random half comes on top: an answer has always at least the configured time.
        maximum_ms = max(first_ms, self._settings.timeout_max_ms)
        return 2 * backoff_ms(self._timeouts, first_ms, maximum_ms, self._jitter)
