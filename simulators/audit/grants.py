"""What clients were told, held against what the journal says: one key, one grant. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from simulators.audit.auditor import JournalledGrant, Violations


class ToldGrant(NamedTuple):
    """A reservation as a client was told of it. `answer` digests its body."""

    store: str
    reservation_id: str
    lines: Mapping[str, int]
    answer: bytes


class Witness:
    """Everything that clients were told, by key. A key's second answer must be its first.

    Of answers on several connections, the first may come last.
    """

    def __init__(self) -> None:
        self.told: Final[dict[str, ToldGrant]] = {}
        self.asked: Final[dict[str, Mapping[str, int]]] = {}
        self._originals: Final[set[str]] = set()
        self.violations: Final = Violations()

    def asks(self, key: str, lines: Mapping[str, int]) -> None:
        """Note what is asked under a new key."""
        self.asked[key] = lines

    def saw(self, key: str, grant: ToldGrant, *, is_replay: bool) -> None:
        """Note a grant that a client was told of."""
        first = self.told.setdefault(key, grant)
        if first.reservation_id != grant.reservation_id:
            detail = f"first {first.reservation_id}, then {grant.reservation_id}"
            self.violations.note(f"key {key} was granted twice: {detail}")
        elif first.answer != grant.answer:
            self.violations.note(f"key {key} was answered in two ways")
        if not is_replay and key in self._originals:
            self.violations.note(f"key {key}: two answers say that they are the first")
        elif not is_replay:
            self._originals.add(key)
        if dict(grant.lines) != dict(self.asked.get(key, grant.lines)):
            self.violations.note(f"key {key}: granted is not what was asked")

    def saw_refusal(self, key: str, reason: str) -> None:
        """Note a refusal; after a grant there can be none, since the first answer is repeated."""
        if key in self.told:
            self.violations.note(f"key {key} was granted and then refused: {reason}")


def compare_grants(
    journalled: Iterable[JournalledGrant], told: Mapping[str, ToldGrant]
) -> Violations:
    """Return what differs between the journal's grants and those that clients know.

    Every client must have asked until it was answered, so that both sides are complete.
    """
    violations = Violations()
    by_key: dict[str, JournalledGrant] = {}
    for grant in journalled:
        first = by_key.setdefault(grant.key, grant)
        if first is not grant:
            positions = f"inputs {first.position} and {grant.position}"
            violations.note(f"key {grant.key} has two grants in the journal: {positions}")
    for key, seen in told.items():
        kept = by_key.get(key)
        if kept is None:
            detail = f"{seen.reservation_id} was granted and is not in the journal"
            violations.note(f"key {key}: {detail}")
        elif (kept.store, kept.reservation_id) != (seen.store, seen.reservation_id):
            detail = f"{seen.reservation_id} was told, {kept.reservation_id} is in the journal"
            violations.note(f"key {key}: {detail}")
        elif dict(kept.lines) != dict(seen.lines):
            violations.note(f"key {key}: the journal has other lines than were told")
    for key in by_key.keys() - told.keys():
        grant = by_key[key]
        detail = f"{grant.reservation_id} (input {grant.position}) is in the journal"
        violations.note(f"key {key}: {detail} and no client was told")
    return violations
