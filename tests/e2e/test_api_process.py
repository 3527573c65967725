"""The API of the whole cloud, as a process between a broker and a channel."""

import re
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from cloud.__main__ import app
from tests.brokers import Broker
from tests.cloud_process import CloudProcess, store_at
from tests.shard_inputs import GTIN, STORE, counted

EPOCH = 7


def with_api(folder: Path, broker: Broker) -> tuple[CloudProcess, str]:
    """Return a cloud that serves an API, and a token for it."""
    cloud = CloudProcess(folder, broker)
    with cloud.config.open("a") as config:
        config.write('[api]\ntokens_file = "tokens.toml"\nport = 0\n')
    made = CliRunner().invoke(app, ["token", "ops", "--role", "ops"])
    assert made.exit_code == 0, made.stderr
    (folder / "tokens.toml").write_text(made.stdout)
    return cloud, made.stderr.split()[-1]


def url_of(cloud: CloudProcess) -> str:
    """Return where it listens in its present life."""
    found: list[str] = re.findall(r"api: listening on (\S+)", cloud.log.read_text())
    return found[-1]


async def test_a_fact_from_a_store_can_be_reserved_and_survives_a_crash(
    tmp_path: Path, broker: Broker
) -> None:
    cloud, token = with_api(tmp_path, broker)
    headers = {"Authorization": f"Bearer {token}"}
    body: dict[str, Any] = {
        "location": STORE,
        "channel": "web",
        "order_id": "o1",
        "lines": [{"gtin": GTIN, "quantity": 3}],
    }
    keyed = {"Idempotency-Key": "k1"}
    cloud.start()
    try:
        async with store_at(broker, STORE) as store:
            await store.send_facts(EPOCH, 1, counted(5))
            await store.acknowledged(EPOCH, 1)
            async with httpx.AsyncClient(base_url=url_of(cloud), headers=headers) as client:
                first = await client.post("/v1/reservations", json=body, headers=keyed)
                assert first.status_code == 201, first.text
            await store.until(lambda: store.states.get(GTIN, {}).get("reserved") == 3)
        cloud.kill()
        cloud.start()
        async with httpx.AsyncClient(base_url=url_of(cloud), headers=headers) as client:
            again = await client.post("/v1/reservations", json=body, headers=keyed)
            assert again.headers["Idempotency-Replayed"] == "true"
            assert again.json() == first.json()
            stock = (await client.get(f"/v1/stock/{STORE}/{GTIN}")).json()
            assert (stock["on_hand"], stock["reserved"]) == (5, 3)
        assert cloud.terminate() == 0
    finally:
        cloud.kill()
    assert cloud.json("verify")[0]["difference_count"] == 0
