"""A PostgreSQL server of a campaign's own, on a port of its own, gone when the campaign ends.

PostgreSQL refuses to run as root; started by root it becomes the user `postgres`, so its data is in
a folder that this user may enter. Main thread of the campaign.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from simulators.demo.broker import HOST, free_port
from simulators.errors import DemoFailed

BINARIES: Final = Path("/usr/lib/postgresql")
USER: Final = "postgres"
SUPERUSER: Final = "stocktruth"
START_DEADLINE_S: Final = 60.0
POLL_S: Final = 0.005
SAID_MAX: Final = 2_000
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
        self.start_again()

    def start_again(self) -> None:
        """Start it on the cluster that it has; it recovers by itself. Raises `DemoFailed`."""
        options = f"-c listen_addresses={HOST} -p {self._port} -k {self._folder}"
        log = str(self._folder / "server.log")
        wait = ("-w", "-t", f"{START_DEADLINE_S:.0f}")
        data = str(self._folder / "data")
        self._run("pg_ctl", "-D", data, "-l", log, *wait, "-o", options, "start")

    def kill(self) -> None:
        """End the server and everything it has started with SIGKILL; return when they are gone."""
        pid = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGSTOP)  # It shall start nobody whom we do not see.
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ended = [pid, *map(int, children)]
        for each in ended:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        while any(_runs(each) for each in ended):
            time.sleep(POLL_S)
        # Whoever adopted it may bury it late, and a server does not start beside the lock files of
        # a process that is still listed.
        (self._folder / "data" / "postmaster.pid").unlink()
        (self._folder / f".s.PGSQL.{self._port}.lock").unlink()

    def program(self, name: str) -> str:
        """Return the path of a program of the server's release."""
        return str(self._binaries / name)

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
            logs = (self._folder / name for name in ("commands.log", "server.log"))
            said = "".join(
                log.read_text(errors="replace")[-SAID_MAX:] for log in logs if log.exists()
            )
            raise DemoFailed(f"{program} ended with {done.returncode}:\n{said}")


def _runs(pid: int) -> bool:
    """Say whether a process that was killed is still at it; a corpse is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


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
