"""Which of several matching rules decides: a total order, whatever order the rules are written in.

Most conditions first; then soonest to expire, never being last; then narrowest scope, that is more
kinds of scope named, then fewer combinations of them; then the name, which no two rules share.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from cloud.rules.documents import Rule

Precedence = tuple[int, float, int, int, str]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def precedence_of(rule: Rule) -> Precedence:
    """Return a key that sorts the deciding rule first."""
    scopes = [
        len(set(entries))
        for entries in (rule.channels, rule.locations, rule.gtins, rule.demand_classes)
        if entries
    ]
    expires_at_ms = math.inf if rule.expires_at is None else epoch_ms(rule.expires_at)
    return (-len(rule.when), expires_at_ms, -len(scopes), math.prod(scopes), rule.name)


def epoch_ms(time: datetime) -> int:
    """Return whole milliseconds since 1970; `time` has a zone."""
    return (time - _EPOCH) // _MS
