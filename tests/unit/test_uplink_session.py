"""The session against a scripted cloud, step by step at virtual time."""

from collections.abc import Sequence

import pytest

from edge.backoff import backoff_ms
from edge.outbox.port import OutboxStatus
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
from protocol.codec import MARKER_DIGEST
from protocol.ids import Epoch, Seq
from protocol.updates import DIGESTS_PER_WELCOME_MAX, Ack, Welcome

STORE = "S001"
SESSION = 1
"""With a jitter of 0, each hello draws the same number."""
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
    assert talk.feed(Connected()) == [SendHello(Epoch(7), Seq(5), Seq(9), SESSION)]


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
    assert hellos(actions) == [SendHello(Epoch(8), Seq(1), Seq(4), SESSION)]


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
    assert hellos(first) == [SendHello(Epoch(7), Seq(8_193), Seq(following), SESSION)]
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
    assert talk.wait(1) == [SendHello(Epoch(7), Seq(1), Seq(8), SESSION)]
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


def test_an_acknowledgement_of_another_session_trims_nothing() -> None:
    talk = Conversation(1, 9).streaming()
    actions = talk.feed(ack(2, session=SESSION + 1))
    assert not [action for action in actions if isinstance(action, Trim)]
    assert Trim(Epoch(7), Seq(2)) in talk.feed(ack(2, session=SESSION))


def test_a_session_that_is_over_begins_anew_with_a_hello() -> None:
    talk = Conversation(1, 9).streaming()
    actions = talk.feed(ack(0, problem="session_over", session=SESSION))
    assert hellos(actions) == [SendHello(Epoch(7), Seq(1), Seq(9), SESSION)]


def test_batches_name_their_session_and_the_watermark_it_was_welcomed_with() -> None:
    talk = Conversation(5, 9)
    talk.feed(Connected())
    actions = talk.feed(Welcomed(welcome(4, 5), []))
    (batch, *_) = [action for action in actions if isinstance(action, SendBatch)]
    assert (batch.session, batch.welcomed_through) == (SESSION, 4)


def test_a_cloud_that_was_started_is_greeted_at_once() -> None:
    talk = Conversation(1, 9)
    talk.feed(Connected())
    talk.wait(60_000)
    called = talk.feed(ack(0, problem="session_over"))
    assert hellos(called) == [SendHello(Epoch(7), Seq(1), Seq(9), SESSION)]
    assert talk.session.wake_at_ms() == talk.now_ms + SETTINGS.hello_timeout_ms


def test_a_call_for_hello_of_another_epoch_changes_nothing() -> None:
    talk = Conversation(1, 9)
    talk.feed(Connected())
    assert talk.feed(ack(0, epoch=8, problem="session_over")) == []
