"""What a shard stamps on a command besides the time: what the rules said at that moment. Pure.

A replay must not depend on rules that have changed since, so the command is journalled with what
they said. The rules may read how much there is; that is why they are asked here, at the state on
which the command is decided, and not by whoever sent it.
"""

from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from cloud.commands import AnyCommand
from cloud.commands.reservations import Reserve, ReserveLine
from cloud.commands.returns import AcceptReturn
from cloud.journal.port import JournalReader
from cloud.reservations.handlers import summed
from cloud.returns.receipts import with_what_was_sold
from cloud.shards.changes import Changes
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation


class Hidden(NamedTuple):
    """How much is hidden from a channel, by which rule of which version of the rules."""

    quantity: int = 0
    rule: str = ""
    rules_version: int = 0


class Buffers(Protocol):
    """The rules that hide stock from channels."""

    def hidden(self, state: SkuLocation, channel: str, ship_by_ms: int, now_ms: int) -> Hidden:
        """Return what is hidden of a SKU-location from a channel, now. Never raises."""


class NoBuffers:
    """No rules: nothing is hidden."""

    def hidden(self, state: SkuLocation, channel: str, ship_by_ms: int, now_ms: int) -> Hidden:
        """Return that nothing is hidden."""
        del state, channel, ship_by_ms, now_ms
        return Hidden()


class Stamping:
    """Stamps commands before they are decided."""

    def __init__(self, buffers: Buffers, journal: JournalReader) -> None:
        self._buffers: Final = buffers
        self._journal: Final = journal

    def stamped(self, command: AnyCommand, changes: Changes, now_ms: int) -> AnyCommand:
        """Return the command as it is decided and journalled."""
        if isinstance(command, AcceptReturn):
            return with_what_was_sold(command, self._journal)
        if not isinstance(command, Reserve):
            return command
        lines = [self._line(command, line, changes, now_ms) for line in summed(command.lines)]
        return replace(command, lines=lines)

    def _line(
        self, command: Reserve, line: ReserveLine, changes: Changes, now_ms: int
    ) -> ReserveLine:
        state = changes.state(command.store, line.gtin)
        if isinstance(state, Refused):
            return line
        hidden = self._buffers.hidden(state, command.channel, command.ship_by_ms, now_ms)
        return replace(
            line,
            buffer=hidden.quantity,
            rule=hidden.rule,
            rules_version=hidden.rules_version,
        )
