"""What an owner testifies, line by line, to whoever started it. Pure.

It tells a group before it commits it and again when the journal has acknowledged it, so that what
the journal holds in the end can be compared with what each process believes.
"""

from typing import Final

import msgspec
from msgspec import Struct

from simulators.fencing.moments import Moment


class Note(Struct, frozen=True, kw_only=True, tag_field="note"):
    """One thing that an owner testifies."""


class Ready(Note, frozen=True, kw_only=True, tag="ready"):
    """The process has loaded its program."""


class Taken(Note, frozen=True, kw_only=True, tag="taken"):
    """It owns the journal since `owner_epoch`, which begins after `position`."""

    owner_epoch: int
    position: int


class NotTaken(Note, frozen=True, kw_only=True, tag="not_taken"):
    """It could not become the owner; `waited_ms` after it was told to."""

    error: str
    detail: str
    waited_ms: int


class Tried(Note, frozen=True, kw_only=True, tag="tried"):
    """It is about to commit a group under `owner_epoch`: the digests of its batches, in order."""

    group: int
    owner_epoch: int
    digests: list[str]


class Stopping(Note, frozen=True, kw_only=True, tag="stopping"):
    """It suspends itself now."""

    moment: Moment


class Acknowledged(Note, frozen=True, kw_only=True, tag="acknowledged"):
    """The journal has made a group durable; `position` is that of its last batch."""

    group: int
    position: int


class Refused(Note, frozen=True, kw_only=True, tag="refused"):
    """The journal has raised `error` instead."""

    group: int
    error: str
    detail: str


AnyNote = Ready | Taken | NotTaken | Tried | Stopping | Acknowledged | Refused

_decoder: Final[msgspec.json.Decoder[AnyNote]] = msgspec.json.Decoder(AnyNote)
_encoder: Final = msgspec.json.Encoder()


def encode_note(note: AnyNote) -> bytes:
    """Return a line, with its end."""
    return _encoder.encode(note) + b"\n"


def decode_note(line: bytes) -> AnyNote:
    """Return what a line says. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return _decoder.decode(line)
