"""A tag that came with a despatch. It counts once, until another despatch brings it again."""

from typing import ClassVar

from cloud.records.record import Record


class ReceivedTag(Record, frozen=True, kw_only=True):
    """The newest despatch that brought a tag to a location. Its id is the EPC in hexadecimal.

    `twice_in` is the discrepancy that named it as received twice; empty if none has.
    """

    KIND: ClassVar[str] = "received_tag"

    despatch_id: str
    twice_in: str = ""
