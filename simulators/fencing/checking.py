"""Holds a journal against what its owners testified. Pure.

The rules. An owner's stretch of the journal begins after the position at which it took it and ends
where the next one's begins.

- Positions are contiguous from 1.
- Each input was made by the owner in whose stretch it lies: else it is a *stale commit*.
- What an owner was acknowledged is there, at the position that it was told, exactly once.
- What an owner was refused as stale is not there.
- What is there, somebody tried. What was tried and not answered is in doubt, and so is what a
  failed storage answered: it may be there once or not at all.
- Owner epochs only grow.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from simulators.fencing.testimony import Acknowledged, AnyNote, Refused, Taken, Tried

VIOLATIONS_NAMED_MAX: Final = 20
STALE: Final = "OwnershipLost"


class JournalledInput(NamedTuple):
    """One input, as far as it is compared."""

    position: int
    digest: str
    maker: int


@dataclass(slots=True)
class Findings:
    """What the comparison found; `violations` names the first of each kind."""

    inputs: int = 0
    acknowledged_groups: int = 0
    refused_stale: int = 0
    in_doubt: int = 0
    stale_commits: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_place: int = 0
    unknown: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Say whether nothing was violated."""
        return not self.violations

    def violate(self, text: str) -> None:
        """Name a violation while there is room."""
        if len(self.violations) < VIOLATIONS_NAMED_MAX:
            self.violations.append(text)


class _Stretch(NamedTuple):
    owner: int
    owner_epoch: int
    after: int


def check(
    testimony: Mapping[int, Sequence[AnyNote]], inputs: Iterable[JournalledInput]
) -> Findings:
    """Return what is wrong with a journal, given the notes of each owner by its number."""
    findings = Findings()
    stretches = list(_stretches(testimony, findings))
    rows = list(inputs)
    findings.inputs = len(rows)
    _check_positions(rows, findings)
    _check_makers(rows, stretches, findings)
    _check_groups(testimony, rows, findings)
    return findings


def _stretches(
    testimony: Mapping[int, Sequence[AnyNote]], findings: Findings
) -> Iterator[_Stretch]:
    """Yield whose the journal was, in the order of the owner epochs."""
    taken = [
        _Stretch(owner, note.owner_epoch, note.position)
        for owner, notes in testimony.items()
        for note in notes
        if isinstance(note, Taken)
    ]
    taken.sort(key=lambda stretch: stretch.owner_epoch)
    for before, after in pairwise(taken):
        if before.owner_epoch == after.owner_epoch:
            findings.violate(
                f"owner epoch {after.owner_epoch} was given to {before.owner} and {after.owner}"
            )
        if after.after < before.after:
            findings.violate(
                f"owner {after.owner} began at {after.after}, before {before.owner} did"
            )
    yield from taken


def _check_positions(rows: Sequence[JournalledInput], findings: Findings) -> None:
    for expected, row in enumerate(rows, 1):
        if row.position != expected:
            findings.out_of_place += 1
            findings.violate(f"position {expected} is missing: {row.position} follows")
            return


def _check_makers(
    rows: Sequence[JournalledInput], stretches: Sequence[_Stretch], findings: Findings
) -> None:
    ahead = iter([*stretches, None])
    present, following = None, next(ahead)
    for row in rows:
        while following is not None and row.position > following.after:
            present, following = following, next(ahead)
        owner = None if present is None else present.owner
        if row.maker != owner:
            findings.stale_commits += 1
            findings.violate(
                f"stale commit: position {row.position} was written by owner {row.maker}"
                f" when it was owner {owner}'s"
            )


def _check_groups(
    testimony: Mapping[int, Sequence[AnyNote]],
    rows: Sequence[JournalledInput],
    findings: Findings,
) -> None:
    there = Counter(row.digest for row in rows)
    at = {row.position: row.digest for row in rows}
    known: set[str] = set()
    for owner, notes in testimony.items():
        tried: Tried | None = None
        for note in notes:
            if isinstance(note, Tried):
                findings.in_doubt += tried is not None
                tried = note
                known.update(note.digests)
            elif isinstance(note, Acknowledged) and tried is not None:
                _check_acknowledged(owner, tried, note, at, findings)
                tried = None
            elif isinstance(note, Refused) and tried is not None:
                _check_refused(owner, tried, note, there, findings)
                tried = None
        findings.in_doubt += tried is not None
    for digest, times in there.items():
        if times > 1:
            findings.doubled += 1
            findings.violate(f"a batch is in the journal {times} times: {digest}")
        if digest not in known:
            findings.unknown += 1
            findings.violate(f"a batch is in the journal that nobody tried: {digest}")


def _check_acknowledged(
    owner: int, tried: Tried, note: Acknowledged, at: Mapping[int, str], findings: Findings
) -> None:
    findings.acknowledged_groups += 1
    first = note.position - len(tried.digests) + 1
    found = [at.get(position) for position in range(first, note.position + 1)]
    if found != tried.digests:
        findings.lost += 1
        findings.violate(
            f"group {tried.group} of owner {owner} was acknowledged at {first} to"
            f" {note.position}, and is not there"
        )


def _check_refused(
    owner: int, tried: Tried, note: Refused, there: Mapping[str, int], findings: Findings
) -> None:
    if note.error != STALE:
        findings.in_doubt += 1
        return
    findings.refused_stale += 1
    if any(there.get(digest) for digest in tried.digests):
        findings.stale_commits += 1
        findings.violate(f"group {tried.group} of owner {owner} was refused, and is there")
