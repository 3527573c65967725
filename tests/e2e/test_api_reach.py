"""Tokens with locations reach only orders, reservations and stock of their own locations."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.api.access import Tokens
from tests.api_server import OPS, STORE_TOKEN, WEB, WMS, Api, entry, running
from tests.shard_inputs import GTIN, OTHER_GTIN, STORE, counted

OTHER_STORE = "S002"
LOCAL_WEB = "token-of-local-web"
TOKENS = Tokens(
    [
        entry("ops", OPS, "ops"),
        entry("web", WEB, "channel", channels=["web"]),
        entry("local-web", LOCAL_WEB, "channel", channels=["web"], locations=[OTHER_STORE]),
        entry("store", STORE_TOKEN, "store", locations=[STORE]),
        entry("wms", WMS, "wms"),
    ]
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path, tokens=TOKENS) as started:
        for store in (STORE, OTHER_STORE):
            started.offer(counted(5), store=store)
            await started.ops.put(f"/v1/locations/{store}", json={"latitude": 50, "longitude": 8})
        yield started


def order(order_id: str, collect_at: str = "") -> dict[str, Any]:
    body = {
        "channel": "web",
        "order_id": order_id,
        "customer": "c",
        "lines": [{"gtin": GTIN, "quantity": 1}],
    }
    return {**body, "method": "collect", "collect_at": collect_at} if collect_at else body


async def place(api: Api, client: httpx.AsyncClient, body: dict[str, Any]) -> int:
    return (await client.post("/v1/orders", json=body, headers=api.key())).status_code


async def test_a_store_places_only_orders_that_are_collected_there(api: Api) -> None:
    assert await place(api, api.store, order("here", STORE)) == 201
    assert await place(api, api.store, order("elsewhere", OTHER_STORE)) == 403
    assert await place(api, api.store, order("ships")) == 403
    local = api.client(LOCAL_WEB)
    assert await place(api, local, order("ships")) == 403
    assert await place(api, local, order("local", OTHER_STORE)) == 201
    assert (await local.post("/v1/orders/plan", json=order("p", STORE))).status_code == 403
    for client in (api.ops, api.web):
        assert await place(api, client, order(f"ships-{client is api.ops}")) == 201


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("extend", {"expires_at": "2099-01-01T00:00:00Z"}),
        ("await-payment", {"pay_by": "2099-01-01T00:00:00Z"}),
        ("confirm", None),
        ("release", {}),
    ],
)
async def test_a_store_changes_no_order_of_other_locations(
    api: Api, action: str, body: dict[str, Any] | None
) -> None:
    assert await place(api, api.ops, order("theirs", OTHER_STORE)) == 201
    assert await place(api, api.ops, order("ours", STORE)) == 201
    for name, status in (("theirs", 403), ("ours", 200)):
        path = f"/v1/orders/{name}/{action}"
        answer = await api.store.post(path, json=body, headers=api.key())
        assert answer.status_code == status, answer.text


async def test_a_store_reads_no_order_of_other_locations(api: Api) -> None:
    for name, place_id in (("theirs", OTHER_STORE), ("ours", STORE)):
        assert await place(api, api.ops, order(name, place_id)) == 201
    assert (await api.store.get("/v1/orders/theirs")).status_code == 403
    assert (await api.store.get("/v1/orders/ours")).status_code == 200
    for client, names in ((api.store, ["ours"]), (api.ops, ["ours", "theirs"])):
        listed = await client.get("/v1/orders", params={"customer": "c"})
        assert [each["order_id"] for each in listed.json()["items"]] == names


def reservation(location: str, reservation_id: str) -> dict[str, Any]:
    return {
        "location": location,
        "channel": "web",
        "order_id": "o",
        "reservation_id": reservation_id,
        "lines": [{"gtin": GTIN, "quantity": 1}],
    }


async def test_a_channel_with_locations_reserves_and_reads_only_there(api: Api) -> None:
    local = api.client(LOCAL_WEB)
    made = {}
    for place_id, status in ((STORE, 403), (OTHER_STORE, 201)):
        body = reservation(place_id, f"r-{place_id}")
        answer = await local.post("/v1/reservations", json=body, headers=api.key())
        assert answer.status_code == status
        made[place_id] = await api.ops.post("/v1/reservations", json=body, headers=api.key())
    path = f"/v1/reservations/{STORE}/r-{STORE}"
    assert (await local.get(path)).status_code == 403
    assert (await local.post(f"{path}/release", json={}, headers=api.key())).status_code == 403
    listed = await local.get("/v1/reservations", params={"order_id": "o"})
    assert [each["location"] for each in listed.json()["items"]] == [OTHER_STORE]


async def test_a_channel_with_locations_hears_of_stock_only_there(api: Api) -> None:
    local = api.client(LOCAL_WEB)
    asked: dict[str, Any] = {"gtin": GTIN, "channel": "web"}
    found = (await local.get("/v1/availability", params=asked)).json()["items"]
    assert [each["location"] for each in found] == [OTHER_STORE]
    near = await local.get("/v1/availability", params={**asked, "near": "50,8"})
    assert [each["location"] for each in near.json()["items"]] == [OTHER_STORE]
    named = await local.get("/v1/availability", params={**asked, "location": STORE})
    assert named.status_code == 403
    for place_id, status in ((STORE, 403), (OTHER_STORE, 200)):
        body = {"channel": "web", "items": [{"gtin": GTIN, "location": place_id}]}
        answer = await local.post("/v1/availability/query", json=body)
        assert answer.status_code == status
    everywhere = (await api.store.get("/v1/availability", params=asked)).json()["items"]
    assert [each["location"] for each in everywhere] == [STORE, OTHER_STORE]


@pytest.mark.parametrize("name", ["W4.1", "a.b.17", "x.0"])
async def test_nobody_takes_the_name_of_a_parcel_of_an_order(api: Api, name: str) -> None:
    body = reservation(STORE, name)
    answer = await api.web.post("/v1/reservations", json=body, headers=api.key())
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["at"] == "reservation_id"
    bulk = {"items": [body]}
    answer = await api.web.post("/v1/reservations/bulk", json=bulk, headers=api.key())
    assert answer.status_code == 400
    for good in ("W4.1a", "W4.", "W4-1"):
        body = reservation(STORE, good)
        answer = await api.web.post("/v1/reservations", json=body, headers=api.key())
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("number", [-1, 2**53, 2**63, 2**64, 10**25])
@pytest.mark.parametrize(
    "path", ["/v1/reorders", f"/v1/stock/{STORE}", "/v1/products", "/v1/reservations?order_id=o"]
)
async def test_a_cursor_that_we_never_made_is_refused(api: Api, path: str, number: int) -> None:
    cursor = encode_cursor_of(number)
    answer = await api.ops.get(path, params={"cursor": cursor, "order_id": "o"})
    assert answer.status_code == 400, answer.text


def encode_cursor_of(number: int) -> str:
    raw = f'["{STORE}","{OTHER_GTIN}",{number}]'
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")
