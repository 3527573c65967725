import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Broker, embedded_broker, mosquitto_binary, mosquitto_broker

pytest_plugins = ["tests.postgres"]

REQUIRE_MOSQUITTO = "STOCKTRUTH_REQUIRE_MOSQUITTO"


@pytest.fixture(params=["embedded", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A broker of each kind, in a process of its own that the test may kill."""
    folder = tmp_path / "broker"
    folder.mkdir()
    if request.param == "embedded":
        started = embedded_broker(folder)
    else:
        started = mosquitto_broker(folder, _needed_mosquitto())
    yield started
    started.stop()


def _needed_mosquitto() -> str:
    binary = mosquitto_binary()
    if binary is not None:
        return binary
    if os.environ.get(REQUIRE_MOSQUITTO) == "1":
        pytest.fail(f"mosquitto is not installed, and {REQUIRE_MOSQUITTO}=1 asks for it")
    pytest.skip("mosquitto is not installed")
