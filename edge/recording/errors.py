"""What can be wrong with a recording. A user's mistake: the text is one line that says what."""

from edge.errors import Mistake


class RecordingInvalid(Mistake):
    """A file is no recording, or is damaged where a crash cannot have damaged it."""


class RecordingRefused(Mistake):
    """A recording cannot be made as asked, for example because its file exists already."""
