"""Errors of the edge. The name says whose fault it is."""


class EdgeError(Exception):
    """Base class of everything the edge raises."""


class ConfigInvalid(EdgeError):
    """The configuration cannot be used; the text names path, value and what is allowed."""


class Mistake(EdgeError):
    """The user asked for what cannot be done; the text is one line that says why."""


class DeviceFault(EdgeError):
    """A device, or what answers at its address, misbehaved.

    The text is one line for the log and the health report. The supervisor restarts the device.
    """


class OutboxFull(EdgeError):
    """The disk budget admits no fact of this class now; none of the facts was recorded."""


class OutboxFailed(EdgeError):
    """The outbox's storage failed. Nothing more can be promised: the process must stop."""
