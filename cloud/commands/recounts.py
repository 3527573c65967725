"""Commands about what is believed of counts."""

from typing import Annotated

from msgspec import Meta

from cloud.commands.command import LINES_MAX, Command
from protocol.facts import GtinText

Gtins = Annotated[tuple[GtinText, ...], Meta(max_length=LINES_MAX)]


class ReviewCounts(Command, frozen=True, kw_only=True, tag=80):
    """The day's look at a store's counts: let the book follow `settled`, ask staff for `doubtful`.

    Both were chosen by whoever looked; the SKU-locations decide anew by their own belief.
    """

    settled: Gtins = ()
    doubtful: Gtins = ()
