"""`stocktruth-cloud` with its journal in PostgreSQL: the same process, the same commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.facts import StockCounted, UnitsSold
from tests.brokers import Broker, embedded_broker
from tests.cloud_process import CloudProcess, store_at

GTIN = "00614141123452"
EPOCH = 7
COUNTED = StockCounted(
    occurred_at_ms=1,
    source="sweep",
    gtin=GTIN,
    quantity=10,
    measure="units",
    evidence="sweep",
)


def sold(transaction: str) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=2,
        source="till-1",
        gtin=GTIN,
        quantity=1,
        measure="units",
        transaction=transaction,
        line=1,
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    started = embedded_broker(folder)
    yield started
    started.stop()


@pytest.fixture
def cloud(tmp_path: Path, broker: Broker, url: str) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path, broker)
    text = process.config.read_text().replace('path = "data/journal.db"', f'url = "{url}"')
    process.config.write_text(text)
    assert process.command("migrate").returncode == 0
    process.start()
    yield process
    process.kill()


async def test_facts_are_counted_killed_and_verified(cloud: CloudProcess, broker: Broker) -> None:
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, COUNTED, sold("one"))
        await store.acknowledged(EPOCH, 2)
        cloud.kill()
        cloud.start()
        await store.send_facts(EPOCH, 1, COUNTED, sold("one"))
        await store.send_facts(EPOCH, 3, sold("two"))
        await store.acknowledged(EPOCH, 3)
    (state,) = cloud.json("stock", f"{GTIN}@S001")
    assert state["on_hand"] == 8
    verified = cloud.command("verify")
    assert verified.returncode == 0, verified.stdout
    assert cloud.command("history", f"{GTIN}@S001").returncode == 0
    assert cloud.command("quarantine", "list").returncode == 0
    assert cloud.terminate() == 0


def test_a_second_cloud_ends_the_first(cloud: CloudProcess, tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "other").mkdir()
    newcomer = CloudProcess(tmp_path / "other", broker)
    newcomer.config.write_text(cloud.config.read_text())
    newcomer.start()
    assert cloud.wait() == 1
    last_lines = cloud.log.read_text().splitlines()[-12:]
    assert any("owner epoch 2 has taken over from 1" in line for line in last_lines)
    newcomer.kill()
