"""What a `Welcome` means for an outbox: the four rules of the session's theory, as one function.

Pure: numbers and digests in, a verdict out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.uplink.steps import AlarmKind, OwnFact, SendHello
from protocol.codec import MARKER_DIGEST
from protocol.updates import Welcome


@dataclass(frozen=True, slots=True)
class Agreed:
    """Rule 1: what the cloud has is ours. Everything through this number is delivered."""

    through_seq: int


@dataclass(frozen=True, slots=True)
class Renumber:
    """Rules 2 and 3: go on in a new epoch with the facts from `keep_from` on."""

    alarm: AlarmKind
    detail: str
    keep_from: int


@dataclass(frozen=True, slots=True)
class PartlyVerified:
    """Rule 4: equal as far as the digests went, but they ended early."""

    through_seq: int


@dataclass(frozen=True, slots=True)
class Useless:
    """A late answer to another hello, or one without the digests it needs: wait for a better."""


Verdict = Agreed | Renumber | PartlyVerified | Useless


def judge(hello: SendHello, welcome: Welcome, own: Sequence[OwnFact]) -> Verdict:
    """Compare an answer with what we said; `own` are our facts from `hello.first_seq` on."""
    if welcome.epoch != hello.epoch or welcome.session not in (0, hello.session):
        return Useless()
    equal_through, differs = _compare(hello, welcome, own)
    if differs:
        detail = f"the cloud knows other content for fact {equal_through + 1}"
        return Renumber("outbox_rewound", detail, equal_through + 1)
    if equal_through < min(welcome.through_seq, hello.next_seq - 1):
        verified = equal_through >= hello.first_seq
        return PartlyVerified(equal_through) if verified else Useless()
    if welcome.through_seq >= hello.next_seq:
        detail = f"the cloud has facts through {welcome.through_seq}, we gave {hello.next_seq - 1}"
        return Renumber("outbox_rewound", detail, hello.next_seq)
    if welcome.through_seq < hello.first_seq - 1:
        return _cloud_lost_facts(hello, welcome)
    return Agreed(welcome.through_seq)


def _compare(hello: SendHello, welcome: Welcome, own: Sequence[OwnFact]) -> tuple[int, bool]:
    """Return the last number of the equal prefix, and whether the next one differs."""
    equal_through = hello.first_seq - 1
    skip = hello.first_seq - welcome.digests_from
    if skip < 0:
        return equal_through, False
    for mine, theirs in zip(own, welcome.digests[skip:], strict=False):
        if not _same(mine, theirs):
            return equal_through, True
        equal_through += 1
    return equal_through, False


def _same(mine: OwnFact, theirs: bytes) -> bool:
    """Return whether both can be the same fact, given that telemetry is shed in place.

    Our marker matches whatever the cloud got before we shed it. The cloud's marker matches our
    telemetry, which an image brought back; it must not swallow a sale that took its number.
    """
    if mine.digest == MARKER_DIGEST:
        return True
    return mine.digest == theirs or (theirs == MARKER_DIGEST and mine.telemetry)


def _cloud_lost_facts(hello: SendHello, welcome: Welcome) -> Verdict:
    if welcome.digests_from != hello.first_seq:
        return Useless()
    detail = f"the cloud has facts through {welcome.through_seq}, we trimmed {hello.first_seq - 1}"
    return Renumber("cloud_lost_facts", detail, hello.first_seq)
