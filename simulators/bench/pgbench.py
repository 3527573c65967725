"""The peer of reservations: PostgreSQL, told to take one unit and to write a row about it."""

import re
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from simulators.errors import BenchmarkFailed, DemoFailed
from simulators.fencing.private_postgres import PrivatePostgres, private_postgres

CLIENTS: Final = 8
TABLES: Final = """\
CREATE TABLE stock (sku integer PRIMARY KEY, qty integer NOT NULL);
INSERT INTO stock SELECT sku, 1000000000 FROM generate_series(1, 1000) AS sku;
CREATE TABLE reservations (
    id bigserial PRIMARY KEY, sku integer NOT NULL, quantity integer NOT NULL,
    expires_at timestamptz NOT NULL DEFAULT now() + interval '1 hour'
);
"""
HOT: Final = """\
BEGIN;
INSERT INTO reservations (sku, quantity) VALUES (1, 1);
UPDATE stock SET qty = qty - 1 WHERE sku = 1 AND qty > 0;
COMMIT;
"""
_TPS: Final = re.compile(r"tps = ([0-9.]+)")
_LATENCY: Final = re.compile(r"latency average = ([0-9.]+) ms")


class Peer(NamedTuple):
    """Reservations a second of one hot row, and how long each took on average."""

    per_s: float
    mean_ms: float


def hot_row(folder: Path, seconds: int) -> Peer | None:
    """Let eight clients reserve the same article; `None` where there is no PostgreSQL."""
    try:
        with private_postgres() as server:
            return _measure(server, folder, seconds)
    except DemoFailed:
        return None


def _measure(server: PrivatePostgres, folder: Path, seconds: int) -> Peer:
    url = server.database("bench")
    script = folder / "reserve.sql"
    script.write_text(HOT)
    _run([server.program("psql"), "-q", "-d", url, "-c", TABLES])
    arguments = ["-n", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), "-f", str(script)]
    said = _run([server.program("pgbench"), *arguments, url])
    rate, latency = _TPS.search(said), _LATENCY.search(said)
    if rate is None or latency is None:
        raise BenchmarkFailed(f"pgbench says something else:\n{said}")
    return Peer(float(rate[1]), float(latency[1]))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkFailed(f"{command[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout
