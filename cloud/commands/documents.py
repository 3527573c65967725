"""Commands that set documents: rules, what they read, and what is known of locations."""

from typing import Annotated, Literal

from msgspec import Meta

from cloud.commands.command import Command
from protocol.facts import Name

DocumentKind = Literal["rules", "location", "product", "weather", "promotion", "routing"]


class SetDocument(Command, frozen=True, kw_only=True, tag=30):
    """Let this be the newest version of a document (an empty `body` removes it).

    `store` is the pseudo-location of the cloud. `body` is JSON. `if_version`: only when the
    present version is this one (0: there is none).
    """

    kind: DocumentKind
    id: Name
    body: Annotated[bytes, Meta(max_length=1_048_576)]
    if_version: Annotated[int, Meta(ge=0)] | None = None
