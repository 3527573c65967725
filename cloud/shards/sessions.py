"""Who may send facts of an epoch now: the session that said hello last (decision 11).

An outbox image may live twice, as a clone or a restored backup beside its original. Each compares
its facts with the journal's when it says hello, and only from there on does it know that what it
sends follows what the cloud has. So a hello ends the session before it, and a batch is taken from
the newest session alone, if it names the watermark that this session was welcomed with: a late copy
of an old hello begins a session that nobody knows to be compared.

In memory only: after a restart everybody says hello again. Pure; belongs to the shard's thread.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from protocol.envelope import FactBatch, Hello

SESSIONS_MAX: Final = 100_000
"""Of epochs; the one that was begun longest ago is over when there is no room."""


class _Session(NamedTuple):
    number: int
    welcomed_through: int


class Sessions:
    """The newest session of each epoch."""

    def __init__(self, sessions_max: int = SESSIONS_MAX) -> None:
        self._sessions_max: Final = sessions_max
        self._newest: Final[OrderedDict[tuple[str, int], _Session]] = OrderedDict()

    def begin(self, hello: Hello, welcomed_through: int) -> None:
        """Let a hello's session be the one, and every other of its epoch be over."""
        key = (hello.store, hello.epoch)
        self._newest[key] = _Session(hello.session, welcomed_through)
        self._newest.move_to_end(key)
        if len(self._newest) > self._sessions_max:
            self._newest.popitem(last=False)

    def admits(self, batch: FactBatch) -> bool:
        """Say whether a batch is of the newest session. Agents of before sessions always are."""
        if not batch.session:
            return True
        known = self._newest.get((batch.store, batch.epoch))
        return known == (batch.session, batch.welcomed_through)
