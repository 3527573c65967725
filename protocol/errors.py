"""Errors of the wire. Each says what arrived, what was wrong with it and whose fault it is."""

from enum import StrEnum


class FrameFault(StrEnum):
    """Why a frame was rejected. The value is stored with quarantined payloads and never renamed."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_A_FRAME = "not_a_frame"
    UNSUPPORTED_VERSION = "unsupported_version"
    MALFORMED = "malformed"


class ProtocolError(Exception):
    """Base class of everything this package raises."""


class FrameRejected(ProtocolError):
    """A remote peer sent bytes that are not one of our frames.

    `fault` is the machine-readable reason, `detail` says where in the frame and what to do.
    """

    def __init__(self, fault: FrameFault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


class InvalidIdentifier(ProtocolError, ValueError):
    """A GTIN, EPC or store id that does not satisfy its standard; `text` is the offender."""

    def __init__(self, kind: str, text: str, detail: str) -> None:
        super().__init__(f"{text!r} is not a valid {kind}: {detail}")
        self.kind = kind
        self.text = text
        self.detail = detail


class InvalidTopic(ProtocolError, ValueError):
    """A topic that is not one of ours; `topic` is the offender."""

    def __init__(self, topic: str, detail: str) -> None:
        super().__init__(f"topic {topic!r}: {detail}")
        self.topic = topic
        self.detail = detail


class SettingsInvalid(ProtocolError, ValueError):
    """An operator's settings cannot be used; each line names path, value and what is allowed."""
