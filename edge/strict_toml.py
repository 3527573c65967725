"""Reading a TOML file into typed settings; what is wrong with it raises `ConfigInvalid`."""

from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from edge.errors import ConfigInvalid
from protocol.errors import SettingsInvalid
from protocol.strict_toml import decode_settings, shown

__all__ = ["read_toml", "shown"]

FILE_BYTES_MAX: Final = 64 * 1_048_576

S = TypeVar("S", bound=Struct)


def read_toml(path: Path, settings_type: type[S]) -> S:
    """Return the settings in a file, or raise `ConfigInvalid` with one line per problem."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigInvalid(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        return decode_settings(path.read_text(encoding="utf-8"), str(path), settings_type)
    except OSError as error:
        raise ConfigInvalid(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not UTF-8: {error}") from error
    except SettingsInvalid as error:
        raise ConfigInvalid(str(error)) from error
