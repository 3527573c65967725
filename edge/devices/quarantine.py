"""Files that could not be taken, kept with the reason until a person has looked.

Nothing is ever overwritten: a name that is taken gets a number. Moving a file back into its spool
tries it again. Used by one device's thread; several devices may share a directory.
"""

import os
from pathlib import Path
from typing import Final

REASON_SUFFIX: Final = ".reason.txt"
COPIES_MAX: Final = 10_000
"""Files of one name that a quarantine holds; the next one is an error of its device."""

_NAME_BYTES_MAX: Final = 200


class Quarantine:
    """A directory of refused files, on the file system of the spool they come from."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def take(self, path: Path, reason: str) -> Path:
        """Move a file here, its reason beside it, and return where it is now. Raises `OSError`.

        The reason is written first and under a name that nobody else has: it reserves the name of
        the file, and a crash in between leaves the file in its spool, to be refused again.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        name = _short_name(path.name)
        for copy in range(COPIES_MAX):
            target = self.directory / (name if copy == 0 else f"{name}.{copy}")
            if target.exists() or target.is_symlink():
                continue
            reason_path = target.with_name(target.name + REASON_SUFFIX)
            try:
                _write_new(reason_path, reason)
            except FileExistsError:
                continue
            try:
                path.rename(target)
            except OSError:
                reason_path.unlink()
                raise
            return target
        raise OSError(f"{self.directory} holds {COPIES_MAX} files named {name!r}")


def _write_new(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def _short_name(name: str) -> str:
    # A file system's 255 bytes must suffice for the number and the suffix as well.
    encoded = os.fsencode(name)
    return name if len(encoded) <= _NAME_BYTES_MAX else os.fsdecode(encoded[:_NAME_BYTES_MAX])
