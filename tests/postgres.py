"""PostgreSQL servers of the tests' own, and databases in them."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from simulators.errors import DemoFailed
from simulators.fencing.private_postgres import PrivatePostgres, private_postgres
from tests.brokers import wait_for

REQUIRED = os.environ.get("STOCKTRUTH_REQUIRE_POSTGRES") == "1"
DEADLINE_S = 30.0

_numbers = count(1)


@contextmanager
def running_server() -> Iterator[PrivatePostgres]:
    """A server that the test may kill; the test is skipped where PostgreSQL is not installed."""
    server = private_postgres()
    try:
        running = server.__enter__()
    except DemoFailed as error:
        if REQUIRED:
            raise
        pytest.skip(str(error))
    try:
        yield running
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A running server, for all tests together."""
    with running_server() as running:
        yield running


@pytest.fixture
def url(postgres: PrivatePostgres) -> str:
    """An empty database."""
    return postgres.database(f"journal_{os.getpid()}_{next(_numbers)}")


def kill_server(server: PrivatePostgres) -> None:
    """End the server and all its sessions at one moment, with SIGKILL."""
    postmaster = int((server._folder / "data" / "postmaster.pid").read_text().split()[0])
    children = [pid for pid in _processes() if _parent_of(pid) == postmaster]
    # Stopped first, so that nobody does anything after another one's death.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in (postmaster, *children):
            os.kill(pid, number)
    for pid in (postmaster, *children):
        wait_for(partial(_is_gone, pid), DEADLINE_S, f"process {pid} is gone")
    # Where nobody reaps orphans, as in some containers, the dead still have their numbers, and a
    # server that starts takes the lock files for a living one's.
    (server._folder / "data" / "postmaster.pid").unlink()
    (server._folder / f".s.PGSQL.{server._port}.lock").unlink()


def restart_server(server: PrivatePostgres) -> None:
    """Start a server again on the data that a kill has left."""
    data = str(server._folder / "data")
    options = f"-c listen_addresses=127.0.0.1 -p {server._port} -k {server._folder}"
    log = str(server._folder / "server.log")
    server._run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")


def set_server(url: str, settings: Mapping[str, str]) -> None:
    """Change settings of the whole server, and wait until new sessions see them."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        connection.execute("SELECT pg_reload_conf()")

    def are_seen() -> bool:
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute("SELECT name, setting FROM pg_settings").fetchall()
        return settings.items() <= dict(found).items()

    wait_for(are_seen, DEADLINE_S, f"the server runs with {settings}")


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = conninfo_to_dict(url)
    return str(parts["host"]), int(parts["port"] or 5432)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return 0


def _is_gone(pid: int) -> bool:
    """A killed process may stay for a while as a zombie, which runs nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
