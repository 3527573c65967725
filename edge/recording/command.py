"""`stocktruth-edge record`: keeps what the devices of a store send, without an agent.

For a gateway whose agent is stopped: a reader talks to one client only. A till's documents stay
where they are. While the agent runs, `[recording]` in store.toml records.
"""

import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from edge.config import load_settings
from edge.errors import EdgeError
from edge.recording.settings import RecordingSettings

SECONDS_MAX: Final = 31_536_000
DEFAULT_CONFIG: Final = Path("store.toml")
DEFAULT_MAX_BYTES: Final = 1_073_741_824

Config = Annotated[Path, typer.Option("--config", "-c", help="The agent's store.toml.")]
Out = Annotated[Path, typer.Argument(help="The file to make; it must not exist.")]
ForS = Annotated[
    float | None,
    typer.Option("--for", min=0.1, max=SECONDS_MAX, help="Stop after so many seconds."),
]
Devices = Annotated[
    list[str] | None, typer.Option("--device", help="Record this device only; repeatable.")
]
MaxBytes = Annotated[
    int, typer.Option("--max-bytes", min=65_536, max=2**40, help="The file's limit.")
]
Gzip = Annotated[bool, typer.Option("--gzip", help="Compress; the default for a name in .gz.")]
Documents = Annotated[bool, typer.Option(help="Keep the text of tills' documents.")]


def record(
    out: Out,
    config: Config = DEFAULT_CONFIG,
    for_s: ForS = None,
    device: Devices = None,
    max_bytes: MaxBytes = DEFAULT_MAX_BYTES,
    *,
    gzip: Gzip = False,
    documents: Documents = True,
) -> None:
    """Record what devices send, raw and timestamped, until Ctrl-C, SIGTERM or --for."""
    # Imported here only: the other commands load no driver.
    from edge.recording.session import RecordingSession, only  # noqa: PLC0415

    settings = only(load_settings(config), device or [])
    recording = RecordingSettings(
        path=str(out), max_bytes=max_bytes, gzip=gzip or out.suffix == ".gz", documents=documents
    )
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    stopping = _stopping_at_signals()
    session = RecordingSession(settings, out, recording)
    session.run(stopping, for_s)
    for line in session.told():
        typer.echo(line)
    if session.failure:
        raise EdgeError(f"{out}: {session.failure}")


def _stopping_at_signals() -> threading.Event:
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        stopping.set()
        signal.signal(number, signal.SIG_DFL)  # A second signal ends the process at once.

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping
