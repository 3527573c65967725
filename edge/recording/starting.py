"""Begins a recording: opens its file, or says why it cannot.

A running agent must never overwrite what it recorded before it was restarted, nor fill the disk by
restarting: each start takes the next free name, and all files of one recording share its limit.
"""

import logging
from itertools import count
from pathlib import Path
from typing import Final

from edge.config import EdgeSettings
from edge.recording.errors import RecordingRefused
from edge.recording.file import MAX_BYTES_LEAST, RecordingFile
from edge.recording.header import header_of
from edge.recording.recorder import ClockMs, Recorder
from edge.recording.settings import RecordingSettings

FILES_MAX: Final = 1_000

_log = logging.getLogger(__name__)


def recorder_at(
    path: Path,
    settings: EdgeSettings,
    recording: RecordingSettings,
    clock_ms: ClockMs,
    monotonic_ms: ClockMs,
) -> Recorder:
    """Return a recorder into a new file at `path`. Raises `RecordingRefused`."""
    header = header_of(settings, monotonic_ms(), clock_ms())
    try:
        file = RecordingFile(path, header, max_bytes=recording.max_bytes, is_gzip=recording.gzip)
    except FileExistsError as error:
        raise RecordingRefused(f"{path}: there is such a file already; choose another") from error
    except OSError as error:
        raise RecordingRefused(f"{path}: {error.strerror or error}") from error
    return Recorder(file, clock_ms, monotonic_ms, keeps_documents=recording.documents)


def agent_recorder(
    settings: EdgeSettings, clock_ms: ClockMs, monotonic_ms: ClockMs
) -> Recorder | None:
    """Return the running agent's recorder, or `None` if it has none or cannot have one now.

    An agent that cannot record is told in the log, and runs all the same.
    """
    recording = settings.recording
    if recording.path is None:
        return None
    try:
        path, left_bytes = _next_file(Path(recording.path), recording.max_bytes)
        recording = RecordingSettings(
            path=str(path),
            max_bytes=left_bytes,
            gzip=recording.gzip,
            documents=recording.documents,
        )
        recorder = recorder_at(path, settings, recording, clock_ms, monotonic_ms)
    except RecordingRefused as error:
        _log.warning("nothing is recorded: %s", error)
        return None
    _log.info("recording into %s, at most %d bytes", path, left_bytes)
    return recorder


def _next_file(path: Path, max_bytes: int) -> tuple[Path, int]:
    """Return the next free name and what is left of the limit. Raises `RecordingRefused`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        left_bytes = max_bytes
        for number in count(1):
            file = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            if not file.exists():
                break
            left_bytes -= file.stat().st_size
    except OSError as error:
        raise RecordingRefused(f"{path}: {error.strerror or error}") from error
    if left_bytes < MAX_BYTES_LEAST or number > FILES_MAX:
        raise RecordingRefused(
            f"{path}: {number - 1} earlier files have used its limit of {max_bytes} bytes; "
            "move them away"
        )
    return file, left_bytes
