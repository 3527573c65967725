"""A PostgreSQL server of a campaign's own, on a port of its own, gone when the campaign ends.

PostgreSQL refuses to run as root; started by root it becomes the user `postgres`, so its data is in
a folder that this user may enter. Main thread of the campaign.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from simulators.demo.broker import HOST, free_port
from simulators.errors import DemoFailed

BINARIES: Final = Path("/usr/lib/postgresql")
USER: Final = "postgres"
SUPERUSER: Final = "stocktruth"
START_DEADLINE_S: Final = 60.0
ADVICE: Final = "PostgreSQL is not installed: apt-get install postgresql, or name one with --url"


class PrivatePostgres:
    """A running server; each journal gets a database of its own."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries: Final = binaries
        self._folder: Final = folder
        self._port: Final = free_port()

    def start(self) -> None:
        """Make a cluster and start it; its durability is that of PostgreSQL's defaults."""
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-U", SUPERUSER, "-A", "trust", "--no-locale", "-E", "UTF8")
        options = f"-c listen_addresses={HOST} -p {self._port} -k {self._folder}"
        log = str(self._folder / "server.log")
        wait = ("-w", "-t", f"{START_DEADLINE_S:.0f}")
        self._run("pg_ctl", "-D", data, "-l", log, *wait, "-o", options, "start")

    def database(self, name: str) -> str:
        """Make a database, and return its URL."""
        where = ("-h", HOST, "-p", str(self._port), "-U", SUPERUSER)
        self._run("createdb", *where, name)
        return f"postgresql://{SUPERUSER}@{HOST}:{self._port}/{name}"

    def stop(self) -> None:
        """Stop at once: whatever still is connected is dropped."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        with (self._folder / "commands.log").open("ab") as log:
            done = subprocess.run(
                [str(self._binaries / program), *arguments],
                user=USER if os.geteuid() == 0 else None,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                # A pipe would be inherited by the server, and never end.
                stdout=subprocess.DEVNULL,
                stderr=log,
                timeout=2 * START_DEADLINE_S,
                check=False,
            )
        if done.returncode != 0:
            said = (self._folder / "commands.log").read_text(errors="replace")
            raise DemoFailed(f"{program} ended with {done.returncode}:\n{said}")


@contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """Run a server meanwhile. Raises `DemoFailed` when there is none, or it does not start."""
    binaries = _newest(list(BINARIES.glob("*/bin/initdb")))
    folder = Path(tempfile.mkdtemp(prefix="stocktruth-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
        server = PrivatePostgres(binaries, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _newest(programs: Sequence[Path]) -> Path:
    """Return the folder of the newest release's programs."""
    if not programs:
        raise DemoFailed(ADVICE)
    return max(programs, key=lambda program: float(program.parents[1].name)).parent
