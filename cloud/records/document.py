"""A versioned document: rules, what they read, what is known of locations."""

from typing import ClassVar

from cloud.records.record import Record


class Document(Record, frozen=True, kw_only=True):
    """The newest version of a document, as JSON; empty when it was removed. Its id is `kind/id`."""

    KIND: ClassVar[str] = "document"

    kind: str
    body: bytes

    @property
    def is_open(self) -> bool:
        """Whether it is there."""
        return bool(self.body)

    @property
    def refs(self) -> tuple[str, ...]:
        """Its kind."""
        return (f"kind:{self.kind}",)
