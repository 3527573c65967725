"""A PostgreSQL server of the tests' own, and databases in it."""

import os
from collections.abc import Iterator
from itertools import count

import pytest

from simulators.errors import DemoFailed
from simulators.fencing.private_postgres import PrivatePostgres, private_postgres

REQUIRED = os.environ.get("STOCKTRUTH_REQUIRE_POSTGRES") == "1"

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A running server, for all tests together."""
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


@pytest.fixture
def url(postgres: PrivatePostgres) -> str:
    """An empty database."""
    return postgres.database(f"journal_{os.getpid()}_{next(_numbers)}")
