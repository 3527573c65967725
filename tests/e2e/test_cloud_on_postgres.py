"""`stocktruth-cloud` with its journal in PostgreSQL: the same process, the same commands."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from protocol.facts import StockCounted, UnitsSold
from tests.brokers import Broker, embedded_broker
from tests.cloud_process import CloudProcess, store_at
from tests.e2e.test_api_process import url_of, with_api

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


def on_postgres(process: CloudProcess, url: str) -> CloudProcess:
    text = process.config.read_text().replace('path = "data/journal.db"', f'url = "{url}"')
    process.config.write_text(text)
    return process


@pytest.fixture
def cloud(tmp_path: Path, broker: Broker, url: str) -> Iterator[CloudProcess]:
    process = on_postgres(CloudProcess(tmp_path, broker), url)
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


async def test_the_api_reserves_once_and_answers_after_a_crash(
    tmp_path: Path, broker: Broker, url: str
) -> None:
    cloud, token = with_api(tmp_path, broker)
    on_postgres(cloud, url)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"}
    lines = [{"gtin": GTIN, "quantity": 3}]
    body = {"location": "S001", "channel": "web", "order_id": "o1", "lines": lines}
    try:
        cloud.start()
        async with store_at(broker, "S001") as store:
            await store.send_facts(EPOCH, 1, COUNTED)
            await store.acknowledged(EPOCH, 1)
        answers = []
        for _ in range(2):
            async with httpx.AsyncClient(base_url=url_of(cloud), headers=headers) as client:
                answers.append((await client.post("/v1/reservations", json=body)).json())
                stock = (await client.get(f"/v1/stock/S001/{GTIN}")).json()
                assert (stock["on_hand"], stock["reserved"]) == (10, 3)
            cloud.kill()
            cloud.start()
        assert answers[0] == answers[1]
    finally:
        cloud.kill()
    assert cloud.json("verify")[0]["difference_count"] == 0
    assert cloud.command("explain", f"{GTIN}@S001").returncode == 0


def test_a_database_that_goes_away_stops_the_cloud_and_its_password_is_told_to_nobody(
    tmp_path: Path, broker: Broker, url: str
) -> None:
    cloud = on_postgres(CloudProcess(tmp_path, broker), url.replace("@", ":hidden-word@"))
    cloud.start()
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert cloud.wait() == 1
    cloud.start()
    assert cloud.terminate() == 0
    told = [cloud.log.read_text()]
    for arguments in (
        ["check"],
        ["verify"],
        ["migrate"],
        ["stock"],
        ["migrate", "--to", "9", "--yes"],
    ):
        result = cloud.command(*arguments)
        told += [result.stdout, result.stderr]
    cloud.config.write_text(cloud.config.read_text().replace("hidden-word@", "hidden-word%zz@"))
    result = cloud.command("check")
    assert result.returncode == 2
    assert "journal.url: cannot be read" in result.stderr
    assert "hidden" not in "".join([*told, result.stdout, result.stderr])


def test_the_schema_is_led_back_only_by_who_is_sure(cloud: CloudProcess) -> None:
    assert cloud.terminate() == 0
    assert cloud.command("migrate", "--to", "1").returncode == 2
    assert cloud.command("verify").returncode == 0
    led_back = cloud.command("migrate", "--to", "1", "--yes")
    assert led_back.stdout.endswith("schema version 1\n")
    refused = cloud.command("verify")
    assert refused.returncode == 1
    assert "stocktruth-cloud migrate" in refused.stderr
    assert cloud.command("migrate").returncode == 0
    assert cloud.command("verify").returncode == 0
