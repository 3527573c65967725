"""Despatches, returns, reorders and orders through the API: the whole way of the goods."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_server import Api, running
from tests.shard_inputs import GTIN, OTHER_GTIN, STORE, counted, sold


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path) as started:
        yield started


async def post(
    api: Api, client: httpx.AsyncClient, path: str, body: Any, status: int = 200
) -> dict[str, Any]:
    answer = await client.post(path, json=body, headers=api.key())
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_despatch_is_advised_received_and_its_discrepancy_resolved(api: Api) -> None:
    lines = [{"gtin": GTIN, "quantity": 10, "sscc": "0" * 18}]
    body = {"location": STORE, "source": "DC1", "lines": lines, "strict": True}
    advised = await post(api, api.wms, "/v1/despatch-advices", body, 201)
    path = f"/v1/despatch-advices/{STORE}/{advised['despatch_id']}"
    stock = (await api.store.get(f"/v1/stock/{STORE}/{GTIN}")).json()
    assert (stock["incoming"], stock["on_hand"]) == (10, 0)
    receipt = {"lines": [{"gtin": GTIN, "quantity": 8}, {"gtin": OTHER_GTIN, "quantity": 1}]}
    received = await post(api, api.store, f"{path}/receipts", receipt)
    assert (received["status"], received["discrepancies"]) == ("receiving", 1)
    closed = await post(api, api.store, f"{path}/close", None)
    assert (closed["status"], closed["lines"][0]["short"]) == ("closed", 2)
    open_ones = (await api.store.get("/v1/discrepancies", params={"location": STORE})).json()
    kinds = {item["kind"]: item["discrepancy_id"] for item in open_ones["items"]}
    assert set(kinds) == {"wrong_item", "short"}
    wrong = f"/v1/discrepancies/{STORE}/{kinds['wrong_item']}"
    settled = await post(api, api.store, f"{wrong}/resolution", {"resolution": "accepted"})
    assert (settled["status"], settled["unsettled"]) == ("resolved", 0)
    notices = (await api.store.get("/v1/notices")).json()["items"]
    assert {notice["kind"] for notice in notices} == {"discrepancy_found"}


async def test_a_transfer_leaves_here_and_arrives_there(api: Api) -> None:
    api.offer(counted(10))
    body = {
        "origin": STORE,
        "destination": "S002",
        "lines": [{"gtin": GTIN, "quantity": 4}],
        "transfer_id": "t1",
    }
    sent = await post(api, api.store, "/v1/transfers", body, 201)
    assert (sent["origin"], sent["location"]) == (STORE, "S002")
    listed = (await api.store.get(f"/v1/transfers/{STORE}")).json()
    assert [item["despatch_id"] for item in listed["items"]] == ["t1"]
    receipt = {"lines": [{"gtin": GTIN, "quantity": 4}]}
    await post(api, api.ops, "/v1/despatch-advices/S002/t1/receipts", receipt)
    there = (await api.ops.get(f"/v1/stock/S002/{GTIN}")).json()
    here = (await api.ops.get(f"/v1/stock/{STORE}/{GTIN}")).json()
    assert (here["on_hand"], there["on_hand"]) == (6, 4)
    assert (await api.store.get("/v1/transfers/S002/t1")).json()["status"] == "received"


async def test_nothing_is_returned_twice(api: Api) -> None:
    api.offer(counted(10), sold(2, transaction="r1"))
    receipt = f"{STORE}/r1"
    found = (await api.store.get("/v1/sales", params={"receipt": receipt})).json()
    assert [line["left"] for line in found["items"][0]["lines"]] == [2]
    line = {"gtin": GTIN, "quantity": 2, "condition": "inspect"}
    body = {"location": STORE, "receipt": receipt, "lines": [line]}
    taken = await post(api, api.store, "/v1/returns", body, 201)
    assert taken["status"] == "open"
    again = await api.store.post("/v1/returns", json=body, headers=api.key())
    assert (again.status_code, again.json()["reason"]) == (409, "already_returned")
    path = f"/v1/returns/{STORE}/{taken['return_id']}/inspections"
    verdict = {"gtin": GTIN, "quantity": 2, "verdict": "sellable"}
    assert (await post(api, api.store, path, verdict))["status"] == "settled"
    stock = (await api.store.get(f"/v1/stock/{STORE}/{GTIN}")).json()
    assert (stock["on_hand"], stock["sellable"]) == (10, 10)


async def test_a_reorder_is_acknowledged_and_despatched_by_the_warehouse(api: Api) -> None:
    api.offer(counted(3))
    policy = {"reorder_point": 5, "order_up_to": 20, "source": "DC1"}
    assert (await api.ops.put(f"/v1/policies/{STORE}/{GTIN}", json=policy)).is_success
    listed = (await api.wms.get("/v1/reorders")).json()["items"]
    reorder = listed[0]["reorder_id"]
    assert (listed[0]["quantity"], listed[0]["status"]) == (17, "open")
    path = f"/v1/reorders/{reorder}"
    seen = await post(api, api.wms, f"{path}/acknowledge", {"reference": "PO-1"})
    assert (seen["status"], seen["reference"]) == ("acknowledged", "PO-1")
    lines = [{"gtin": GTIN, "quantity": 17}]
    body = {"location": STORE, "source": "DC1", "lines": lines, "reorder_id": reorder}
    await post(api, api.wms, "/v1/despatch-advices", body, 201)
    assert (await api.store.get(path)).json()["status"] == "despatched"
    late = await api.wms.post(f"{path}/acknowledge", json={}, headers=api.key())
    assert late.json()["reason"] == "wrong_status"
    assert (await api.wms.get(f"/v1/reorders/{STORE}-{GTIN}-9")).status_code == 404


def an_order(quantity: int, **more: Any) -> dict[str, Any]:
    return {"channel": "web", "lines": [{"gtin": GTIN, "quantity": quantity}], **more}


async def test_an_order_is_planned_placed_paid_and_given_up(api: Api) -> None:
    for number in range(3):
        api.offer(counted(5), store=f"S00{number}")
    plan = await post(api, api.web, "/v1/orders/plan", an_order(8))
    assert (plan["outcome"], len(plan["parcels"])) == ("plan", 2)
    placed = await post(api, api.web, "/v1/orders", an_order(8, customer="anna"), 201)
    assert (placed["status"], placed["lines"][0]["held"]) == ("held", 8)
    path = f"/v1/orders/{placed['order_id']}"
    pay_by = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    waiting = await post(api, api.web, f"{path}/await-payment", {"pay_by": pay_by})
    assert waiting["status"] == "awaiting_payment"
    confirmed = await post(api, api.web, f"{path}/confirm", None)
    assert confirmed["status"] == "confirmed"
    assert {parcel["status"] for parcel in confirmed["parcels"]} == {"confirmed"}
    listed = (await api.web.get("/v1/orders", params={"customer": "anna"})).json()["items"]
    assert [item["order_id"] for item in listed] == [placed["order_id"]]
    released = await post(api, api.web, f"{path}/release", {})
    assert (released["status"], released["lines"][0]["released"]) == ("released", 8)


async def test_the_same_order_again_is_placed_once(api: Api) -> None:
    api.offer(counted(5))
    headers = api.key()
    first = await api.web.post("/v1/orders", json=an_order(3), headers=headers)
    second = await api.web.post("/v1/orders", json=an_order(3), headers=headers)
    assert first.status_code == second.status_code == 201
    assert first.json()["order_id"] == second.json()["order_id"]
    other = await api.web.post("/v1/orders", json=an_order(4), headers=headers)
    assert (other.status_code, other.json()["reason"]) == (422, "key_reused")
    refused = await api.web.post("/v1/orders", json=an_order(4), headers=api.key())
    assert (refused.status_code, refused.json()["reason"]) == (409, "insufficient")


async def test_an_order_that_loses_its_goods_is_asked_for_elsewhere(api: Api) -> None:
    for store in ("S001", "S002"):
        api.offer(counted(5), store=store)
    placed = await post(api, api.web, "/v1/orders", an_order(5, order_id="o1"), 201)
    loser = placed["parcels"][0]["location"]
    # A sale in the store takes what was promised; the goods left with the customer.
    api.offer(sold(3), store=loser)
    headers = {"Last-Event-ID": "0"}
    async with api.ops.stream("GET", "/v1/stream", headers=headers) as told:
        async for line in told.aiter_lines():
            if line.startswith("data:") and '"kind":"order_rerouted"' in line:
                break
    order = (await api.web.get("/v1/orders/o1")).json()
    assert (order["status"], order["lines"][0]["held"]) == ("held", 5)
    assert {p["location"] for p in order["parcels"]} == {"S001", "S002"}


async def test_routing_is_a_versioned_document(api: Api) -> None:
    first = await api.ops.get("/v1/routing")
    body = {**first.json()["document"], "hold_minutes": 5}
    headers = {"If-Match": first.headers["ETag"]}
    changed = await api.ops.put("/v1/routing", json=body, headers=headers)
    assert (changed.status_code, changed.json()["version"]) == (200, 1)
    late = await api.ops.put("/v1/routing", json=body, headers=headers)
    assert late.status_code == 412
