"""What one event of the live stream looks like."""

from typing import Annotated

from msgspec import Meta, Struct


class StreamEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Server-Sent Event (WHATWG HTML, 9.2).

    `data` is JSON: the document of what changed. `id` is where to resume; it also comes alone.
    """

    event: Annotated[
        str, Meta(description="stock, reorder, notice, reservation; reset or closed, with a reason")
    ] = ""
    id: Annotated[str, Meta(description="a journal position")] = ""
    data: Annotated[str, Meta(description="JSON")] = ""
