"""What goes into an uplink session and what comes out. Pure data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from protocol.ids import Epoch, Seq
from protocol.updates import Ack, Welcome

AlarmKind = Literal[
    "outbox_rewound",
    "cloud_lost_facts",
    "cloud_silent",
    "seq_reused",
    "refused",
    "unsupported_version",
    "store_mismatch",
]


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection to the broker stands and the answers are subscribed to."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone, and whatever was under way on it may be."""


class OwnFact(NamedTuple):
    """What the handshake compares of one of our facts."""

    digest: bytes
    telemetry: bool


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The cloud answered a hello; `own` are our facts from the hello's first number on."""

    welcome: Welcome
    own: Sequence[OwnFact]


@dataclass(frozen=True, slots=True)
class BatchSent:
    """The facts `first_seq … through_seq` went out."""

    first_seq: int
    through_seq: int


@dataclass(frozen=True, slots=True)
class EpochStarted:
    """The outbox has renumbered what it holds."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed, or facts were appended."""


SessionInput = Connected | Disconnected | Welcomed | Ack | BatchSent | EpochStarted | Tick


@dataclass(frozen=True, slots=True)
class SendHello:
    """Say where the outbox stands. Answered by a `Welcome`."""

    epoch: Epoch
    first_seq: Seq
    next_seq: Seq
    session: int = 0


@dataclass(frozen=True, slots=True)
class SendBatch:
    """Send facts from `first_seq` on, within the limits; then tell the session `BatchSent`."""

    epoch: Epoch
    first_seq: Seq
    facts_max: int
    bytes_max: int
    session: int = 0
    welcomed_through: int = 0


@dataclass(frozen=True, slots=True)
class Trim:
    """The cloud has committed these facts: forget them."""

    epoch: Epoch
    through_seq: Seq


@dataclass(frozen=True, slots=True)
class StartEpoch:
    """Renumber what the outbox holds from `keep_from` on; then tell the session `EpochStarted`."""

    keep_from: Seq


@dataclass(frozen=True, slots=True)
class ResetMirror:
    """The cloud is older than our mirror: fetch the mirror anew."""


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Somebody should look at this. Raising what is raised already changes only the detail."""

    kind: AlarmKind
    detail: str


@dataclass(frozen=True, slots=True)
class ClearAlarm:
    """The reason for an alarm is gone. Clearing what is not raised does nothing."""

    kind: AlarmKind


Action = SendHello | SendBatch | Trim | StartEpoch | ResetMirror | RaiseAlarm | ClearAlarm
