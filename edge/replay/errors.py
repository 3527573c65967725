"""What can be wrong with a replay. A user's mistake: the text is one line that says what."""

from edge.errors import Mistake


class LabelsInvalid(Mistake):
    """A labels file cannot be used; the text names path, value and what is allowed."""


class ReplayRefused(Mistake):
    """What was asked for does not fit the recording or the settings."""
