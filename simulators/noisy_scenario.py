"""Scenarios of noisy stores: shipped ones by name, others by file."""

from pathlib import Path
from typing import Final

import msgspec

from simulators.errors import ScenarioInvalid
from simulators.world.noisy_settings import NoisySettings

FOLDER: Final = Path(__file__).parent / "scenarios" / "noisy"


def shipped() -> list[str]:
    """Return the names of the scenarios that we ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_noisy(name: str) -> NoisySettings:
    """Return a scenario by name or file. Raises `ScenarioInvalid`, naming what is wrong."""
    path = FOLDER / f"{name}.toml"
    if name not in shipped():
        path = Path(name)
        if path.suffix != ".toml":
            names = ", ".join(shipped())
            raise ScenarioInvalid(f"{name}: neither a scenario of ours ({names}) nor a TOML file")
    try:
        return msgspec.toml.decode(path.read_bytes(), type=NoisySettings)
    except OSError as error:
        raise ScenarioInvalid(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ScenarioInvalid(f"{path}: {error}") from error
