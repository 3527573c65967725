"""Reads labels from a file, TOML or JSON, and names what is wrong with it."""

from pathlib import Path
from typing import Final

import msgspec

from edge.replay.errors import LabelsInvalid
from edge.replay.labels import Labels
from protocol.errors import SettingsInvalid
from protocol.strict_toml import decode_settings

FILE_BYTES_MAX: Final = 64 * 1_048_576


def load_labels(path: Path) -> Labels:
    """Return the labels in a file, or raise `LabelsInvalid`, with one line for each problem."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise LabelsInvalid(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LabelsInvalid(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise LabelsInvalid(f"{path}: not UTF-8: {error}") from error
    labels = _decoded(text, path)
    if not (labels.crossings or labels.in_box or labels.shelves):
        raise LabelsInvalid(f"{path}: it has no labels: expected crossings, in_box or shelves")
    return labels


def _decoded(text: str, path: Path) -> Labels:
    try:
        if path.suffix.lower() == ".json":
            return msgspec.json.decode(text.encode(), type=Labels)
        return decode_settings(text, str(path), Labels)
    except SettingsInvalid as error:
        raise LabelsInvalid(str(error)) from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise LabelsInvalid(f"{path}: {error}") from error
