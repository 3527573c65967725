"""The checker of hand-overs: each kind of violation is named, and a clean journal is clean."""

from collections.abc import Sequence
from random import Random

from simulators.fencing.checking import Findings, JournalledInput, check
from simulators.fencing.load import EPOCH, Load, digest_of, facts_in, maker_of
from simulators.fencing.moments import MOMENTS, draw_plan
from simulators.fencing.testimony import (
    Acknowledged,
    AnyNote,
    Refused,
    Taken,
    Tried,
    decode_note,
    encode_note,
)

FIRST: list[AnyNote] = [
    Taken(owner_epoch=1, position=0),
    Tried(group=1, owner_epoch=1, digests=["a", "b"]),
    Acknowledged(group=1, position=2),
    Tried(group=2, owner_epoch=1, digests=["x"]),
    Refused(group=2, error="OwnershipLost", detail=""),
]
SECOND: list[AnyNote] = [
    Taken(owner_epoch=2, position=2),
    Tried(group=1, owner_epoch=2, digests=["c"]),
    Acknowledged(group=1, position=3),
]


def rows(*makers_and_digests: tuple[int, str]) -> list[JournalledInput]:
    return [
        JournalledInput(position, digest, maker)
        for position, (maker, digest) in enumerate(makers_and_digests, 1)
    ]


def findings_of(
    journal: list[JournalledInput],
    first: Sequence[AnyNote] = FIRST,
    second: Sequence[AnyNote] = SECOND,
) -> Findings:
    return check({1: first, 2: second}, journal)


def test_a_journal_that_holds_what_was_acknowledged_is_clean() -> None:
    findings = findings_of(rows((1, "a"), (1, "b"), (2, "c")))
    assert findings.is_clean
    assert (findings.acknowledged_groups, findings.refused_stale) == (2, 1)


def test_a_stale_owner_s_input_in_the_next_one_s_stretch_is_a_stale_commit() -> None:
    findings = findings_of(rows((1, "a"), (1, "b"), (2, "c"), (1, "x")))
    assert findings.stale_commits == 2, "it is out of its stretch, and it was refused"


def test_an_acknowledged_stale_commit_is_a_stale_commit() -> None:
    first = [*FIRST[:-1], Acknowledged(group=2, position=4)]
    findings = findings_of(rows((1, "a"), (1, "b"), (2, "c"), (1, "x")), first)
    assert findings.stale_commits == 1


def test_a_missing_acknowledged_group_is_lost() -> None:
    assert findings_of(rows((1, "a"), (1, "b"))).lost == 1


def test_a_group_at_another_position_than_acknowledged_is_lost_there() -> None:
    assert findings_of(rows((1, "b"), (1, "a"), (2, "c"))).lost == 1


def test_a_batch_that_is_there_twice_is_doubled() -> None:
    findings = findings_of(rows((1, "a"), (1, "b"), (2, "c"), (2, "c")))
    assert findings.doubled == 1


def test_a_batch_that_nobody_tried_is_unknown() -> None:
    assert findings_of(rows((1, "a"), (1, "b"), (2, "c"), (2, "z"))).unknown == 1


def test_a_gap_in_the_positions_is_a_violation() -> None:
    journal = rows((1, "a"), (1, "b"), (2, "c"))
    journal[2] = journal[2]._replace(position=4)
    assert findings_of(journal).out_of_place == 1


def test_one_owner_epoch_for_two_is_a_violation() -> None:
    second = [Taken(owner_epoch=1, position=2), *SECOND[1:]]
    assert not findings_of(rows((1, "a"), (1, "b"), (2, "c")), second=second).is_clean


def test_what_a_failed_storage_answered_is_in_doubt_and_may_be_there_once() -> None:
    second = [*SECOND, Tried(group=2, owner_epoch=2, digests=["d"])]
    refused = [*second, Refused(group=2, error="JournalFailed", detail="")]
    for notes in (second, refused):
        without, with_it = rows((1, "a"), (1, "b"), (2, "c")), (2, "d")
        for journal in (without, [*without, JournalledInput(4, with_it[1], with_it[0])]):
            findings = findings_of(journal, second=notes)
            assert findings.is_clean, findings.violations
            assert findings.in_doubt == 1


def test_batches_name_their_maker_and_differ() -> None:
    load = Load(5, Random(1))
    first = load.group(EPOCH, 0)
    second = load.group(EPOCH, facts_in(first))
    frames = [received.frame for received in (*first, *second)]
    assert {maker_of(frame) for frame in frames} == {5}
    assert len({digest_of(frame) for frame in frames}) == len(frames)
    assert second[0].batch.first_seq == facts_in(first) + 1


def test_a_seed_draws_every_moment_and_always_the_same_plans() -> None:
    plans = [draw_plan(Random(1)), *(draw_plan(rng) for rng in [Random(2)] * 200)]
    assert {plan.moment for plan in plans} == set(MOMENTS)
    assert draw_plan(Random(1)) == plans[0]
    assert any(plan.is_stubborn for plan in plans)


def test_testimony_is_read_back_as_it_was_told() -> None:
    for note in FIRST:
        line = encode_note(note)
        assert line.count(b"\n") == 1
        assert decode_note(line) == note
