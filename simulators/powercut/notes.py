"""What a guest testifies, line by line, to the host that will cut its power. Pure.

Whatever says that something is durable is told after the call that promised it has returned.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

Part = Literal["outbox", "journal"]


class Note(Struct, frozen=True, kw_only=True, tag_field="note"):
    """One thing that a guest testifies."""


class Up(Note, frozen=True, kw_only=True, tag="up"):
    """The program runs, `uptime_s` after the guest's kernel."""

    uptime_s: float


class Opening(Note, frozen=True, kw_only=True, tag="opening"):
    """It is about to mount the disk and to open the data set."""


class Emptied(Note, frozen=True, kw_only=True, tag="emptied"):
    """The old data set is gone for good; a new one is about to be made or migrated."""


class Opened(Note, frozen=True, kw_only=True, tag="opened"):
    """Everything that was found has been told, after `took_s`."""

    took_s: float


class Loading(Note, frozen=True, kw_only=True, tag="loading"):
    """Writing begins."""


class Moving(Note, frozen=True, kw_only=True, tag="moving"):
    """A write-ahead log is about to be moved into its database."""

    part: Part


class DiskGone(Note, frozen=True, kw_only=True, tag="disk_gone"):
    """The disk is about to fail or to vanish: nothing that comes later is on it."""


class Failed(Note, frozen=True, kw_only=True, tag="failed"):
    """A part says that its storage has failed, and has stopped."""

    part: Part
    detail: str


class Problem(Note, frozen=True, kw_only=True, tag="problem"):
    """Something that must not be."""

    detail: str


class Numbered(Struct, frozen=True, array_like=True):
    """A fact as it was read: its number, its name, and the digest of its bytes in hexadecimal."""

    seq: int
    name: str
    digest: str


class Input(Struct, frozen=True, array_like=True):
    """A row of the journal. A batch has the `names` of its new facts, a command its key.

    `digest` is that of the payload, `content` that of the new facts' digests.
    """

    position: int
    kind: str
    epoch: int
    first_seq: int
    last_seq: int
    digest: str
    content: str
    names: list[str]


class Appended(Note, frozen=True, kw_only=True, tag="appended"):
    """`append` number `n` of a line has returned."""

    line: str
    n: int


class Sent(Note, frozen=True, kw_only=True, tag="sent"):
    """These facts were read from the outbox to be sent: from now on their numbers are used."""

    epoch: int
    facts: list[Numbered]


class Minted(Note, frozen=True, kw_only=True, tag="minted"):
    """The outbox asked for a new epoch, which it may begin."""

    epoch: int


class EpochStarted(Note, frozen=True, kw_only=True, tag="epoch_started"):
    """`start_epoch` has returned."""

    epoch: int


class Owned(Note, frozen=True, kw_only=True, tag="owned"):
    """`take_ownership` has returned."""

    owner_epoch: int


class Committed(Note, frozen=True, kw_only=True, tag="committed"):
    """A group commit has returned: digests of its new batches, positions of its commands by key."""

    position: int
    batches: list[str]
    commands: dict[str, int]


class FoundOutbox(Note, frozen=True, kw_only=True, tag="found_outbox"):
    """Where the outbox stands after it was opened; `marks` are its checkpoints."""

    integrity: str
    epoch: int
    first_seq: int
    next_seq: int
    marks: dict[str, int]


class FoundFacts(Note, frozen=True, kw_only=True, tag="found_facts"):
    """Some of the facts that are pending."""

    epoch: int
    facts: list[Numbered]


class FoundInputs(Note, frozen=True, kw_only=True, tag="found_inputs"):
    """Some of the journal's inputs."""

    rows: list[Input]


class FoundJournal(Note, frozen=True, kw_only=True, tag="found_journal"):
    """Where the journal stands after it was opened, and what a replay says."""

    integrity: str
    position: int
    published_through: int
    watermarks: dict[int, int]
    inputs_replayed: int
    difference_count: int
    differences: list[str]


AnyNote = (
    Up
    | Opening
    | Emptied
    | Opened
    | Loading
    | Moving
    | DiskGone
    | Failed
    | Problem
    | Appended
    | Sent
    | Minted
    | EpochStarted
    | Owned
    | Committed
    | FoundOutbox
    | FoundFacts
    | FoundInputs
    | FoundJournal
)

_decoder: Final[msgspec.json.Decoder[AnyNote]] = msgspec.json.Decoder(AnyNote)
_encoder: Final = msgspec.json.Encoder()


def encode_note(note: AnyNote) -> bytes:
    """Return a line, with its end."""
    return _encoder.encode(note) + b"\n"


def decode_note(line: bytes) -> AnyNote:
    """Return what a line says. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return _decoder.decode(line)
