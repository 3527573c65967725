"""What sensing is given in a replay: the recording, decoded, in the order in which it came.

Pure types. `at_ms` is milliseconds since the recording began, on the gateway's monotonic clock.
Decoding does not depend on any parameter of sensing, so a search decodes once and senses often.
"""

from typing import NamedTuple

from edge.sensing.readings import TagReading


class Held(NamedTuple):
    """Checkpoints that sensing had when the recording began."""

    at_ms: int
    values: dict[str, bytes]


class Begins(NamedTuple):
    """Tag sensing is made, with what the checkpoints say, at this UTC."""

    at_ms: int
    utc_ms: int


class TagsRead(NamedTuple):
    """Tag sensing decides about these readings, which may be none, at this UTC."""

    at_ms: int
    utc_ms: int
    readings: list[TagReading]


class ScaleOpened(NamedTuple):
    """A scale was connected to: nothing that it told before counts as told."""

    at_ms: int
    device: str


class ShelvesWeighed(NamedTuple):
    """Input registers of a scale, from `address` on, read at this UTC."""

    at_ms: int
    utc_ms: int
    device: str
    address: int
    registers: list[int]


class Document(NamedTuple):
    """A till's document."""

    at_ms: int
    device: str
    data: bytes


Input = Held | Begins | TagsRead | ScaleOpened | ShelvesWeighed | Document
