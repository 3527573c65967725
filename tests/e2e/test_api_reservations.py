"""Availability, reservations and stock through a real server on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api_server import Api, running
from tests.shard_inputs import GTIN, INVALID_GTIN, OTHER_GTIN, STORE, counted, sold

PROBLEM = "application/problem+json"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path) as started:
        yield started


def order(quantity: int, gtin: str = GTIN, order_id: str = "o1", **more: Any) -> dict[str, Any]:
    return {
        "location": STORE,
        "channel": "web",
        "order_id": order_id,
        "lines": [{"gtin": gtin, "quantity": quantity}],
        **more,
    }


async def available(api: Api, gtin: str = GTIN) -> int:
    answer = await api.web.get("/v1/availability", params={"gtin": gtin, "channel": "web"})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    return int(items[0]["available"]) if items else 0


async def test_a_reservation_takes_from_what_is_available(api: Api) -> None:
    api.offer(counted(10))
    assert await available(api) == 10
    answer = await api.web.post("/v1/reservations", json=order(3), headers=api.key())
    assert answer.status_code == 201
    assert await available(api) == 7
    again = await api.web.get(answer.headers["Location"])
    assert again.json() == answer.json()
    assert again.headers["ETag"] == answer.headers["ETag"] == '"1"'


async def test_more_than_there_is_is_refused_and_changes_nothing(api: Api) -> None:
    api.offer(counted(2))
    answer = await api.web.post("/v1/reservations", json=order(3), headers=api.key())
    assert (answer.status_code, answer.headers["Content-Type"]) == (409, PROBLEM)
    assert answer.json()["reason"] == "insufficient"
    assert await available(api) == 2


async def test_the_same_request_again_gets_the_first_answer(api: Api) -> None:
    api.offer(counted(10))
    headers = api.key()
    first = await api.web.post("/v1/reservations", json=order(3), headers=headers)
    second = await api.web.post("/v1/reservations", json=order(3), headers=headers)
    assert second.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await available(api) == 7


async def test_blanks_and_order_of_names_do_not_make_another_request(api: Api) -> None:
    api.offer(counted(10))
    headers = {**api.key(), "Content-Type": "application/json"}
    await api.web.post("/v1/reservations", json=order(3), headers=headers)
    text = (
        f'{{ "lines": [{{"quantity": 3, "gtin": "{GTIN}"}}], "order_id": "o1",'
        f' "channel": "web", "location": "{STORE}" }}'
    )
    again = await api.web.post("/v1/reservations", content=text, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_another_request_under_the_same_key_is_refused(api: Api) -> None:
    api.offer(counted(10))
    headers = api.key()
    await api.web.post("/v1/reservations", json=order(3), headers=headers)
    other = await api.web.post("/v1/reservations", json=order(4), headers=headers)
    assert (other.status_code, other.json()["reason"]) == (422, "key_reused")


async def test_the_same_key_of_another_token_is_another_key(api: Api) -> None:
    api.offer(counted(10))
    headers = api.key()
    first = await api.web.post("/v1/reservations", json=order(3), headers=headers)
    second = await api.ops.post("/v1/reservations", json=order(3), headers=headers)
    assert second.status_code == 201
    assert second.json()["reservation_id"] != first.json()["reservation_id"]


async def test_a_post_without_a_key_is_refused(api: Api) -> None:
    answer = await api.web.post("/v1/reservations", json=order(1))
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, PROBLEM)
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_a_reservation_goes_its_way_to_the_customer(api: Api) -> None:
    api.offer(counted(10))
    made = await api.web.post("/v1/reservations", json=order(3), headers=api.key())
    place = made.headers["Location"]
    steps = [
        (api.web, "extend", {"hold_s": 60}, "held"),
        (api.web, "await-payment", {"pay_within_s": 60}, "awaiting_payment"),
        (api.web, "confirm", None, "confirmed"),
        (api.store, "pick", {}, "confirmed"),
        (api.store, "hand-over", {}, "fulfilled"),
    ]
    for client, step, body, status in steps:
        answer = await client.post(f"{place}/{step}", json=body, headers=api.key())
        assert (answer.status_code, answer.json()["status"]) == (200, status), answer.text
    stock = await api.store.get(f"/v1/stock/{STORE}/{GTIN}")
    assert (stock.json()["on_hand"], stock.json()["reserved"]) == (7, 0)
    late = await api.web.post(f"{place}/release", json={}, headers=api.key())
    assert (late.status_code, late.json()["reason"]) == (409, "wrong_status")


async def test_released_goods_can_be_sold_again(api: Api) -> None:
    api.offer(counted(5))
    made = await api.web.post("/v1/reservations", json=order(5), headers=api.key())
    lines = {"lines": [{"gtin": GTIN, "quantity": 2}]}
    place = made.headers["Location"]
    part = await api.web.post(f"{place}/release", json=lines, headers=api.key())
    assert part.json()["lines"][0]["released"] == 2
    assert await available(api) == 2
    rest = await api.web.post(f"{place}/release", json={}, headers=api.key())
    assert rest.json()["status"] == "released"
    assert await available(api) == 5


async def test_what_was_held_too_long_is_swept(api: Api) -> None:
    api.offer(counted(5))
    made = await api.web.post("/v1/reservations", json=order(5, hold_s=1), headers=api.key())
    place = made.headers["Location"]
    async with (
        asyncio.timeout(15),
        api.web.stream(
            "GET", "/v1/stream", params={"kind": "reservation"}, headers={"Last-Event-ID": "0"}
        ) as told,
    ):
        async for line in told.aiter_lines():
            if '"status":"expired"' in line:
                break
    assert (await api.web.get(place)).json()["status"] == "expired"
    assert await available(api) == 5


async def test_a_reservation_only_at_the_version_that_the_caller_saw(api: Api) -> None:
    api.offer(counted(5))
    body = order(1)
    body["lines"][0]["if_version"] = 9
    answer = await api.web.post("/v1/reservations", json=body, headers=api.key())
    assert (answer.status_code, answer.json()["reason"]) == (409, "version_conflict")
    body["lines"][0]["if_version"] = 1
    answer = await api.web.post("/v1/reservations", json=body, headers=api.key())
    assert answer.status_code == 201


async def test_bulk_items_are_granted_or_refused_each_for_itself(api: Api) -> None:
    api.offer(counted(5))
    body = {"items": [order(3, order_id="a"), order(3, order_id="b"), order(2, order_id="c")]}
    headers = api.key()
    answer = await api.web.post("/v1/reservations/bulk", json=body, headers=headers)
    outcomes = [result["outcome"] for result in answer.json()["results"]]
    assert outcomes == ["granted", "refused", "granted"]
    again = await api.web.post("/v1/reservations/bulk", json=body, headers=headers)
    assert [r["replayed"] for r in again.json()["results"]] == [True, False, True]
    assert await available(api) == 0


async def test_reservations_are_found_by_order_and_customer_page_by_page(api: Api) -> None:
    api.offer(counted(50))
    for _ in range(5):
        body = order(1, customer="anna")
        assert (await api.web.post("/v1/reservations", json=body, headers=api.key())).is_success
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {"customer": "anna", "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await api.web.get("/v1/reservations", params=params)).json()
        found += [item["reservation_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 5
    by_order = (await api.web.get("/v1/reservations", params={"order_id": "o1"})).json()
    assert [item["reservation_id"] for item in by_order["items"]] == found


async def test_stock_can_be_withheld_and_let_go(api: Api) -> None:
    api.offer(counted(5))
    path = f"/v1/stock/{STORE}/{GTIN}/adjustments"
    body = {"action": "withhold", "quantity": 2, "reason": "damaged"}
    answer = await api.store.post(path, json=body, headers=api.key())
    assert answer.json()["unavailable"] == {"damaged": 2, "quality_control": 0, "in_return": 0}
    assert await available(api) == 3
    body = {"action": "write_off", "quantity": 2, "reason": "damaged"}
    answer = await api.store.post(path, json=body, headers=api.key())
    assert (answer.json()["on_hand"], answer.json()["ledger"]["lost"]) == (3, 2)
    refused = await api.store.post(path, json=body, headers=api.key())
    assert (refused.status_code, refused.json()["reason"]) == (409, "more_than_unavailable")


async def test_stock_has_a_history_and_pages(api: Api) -> None:
    api.offer(counted(5), counted(7, gtin=OTHER_GTIN), sold(2))
    history = (await api.store.get(f"/v1/stock/{STORE}/{GTIN}/history")).json()["steps"]
    assert [(step["version"], step["on_hand"]) for step in history] == [(2, 3), (1, 5)]
    page = (await api.store.get(f"/v1/stock/{STORE}", params={"limit": 1})).json()
    rest = await api.store.get(f"/v1/stock/{STORE}", params={"cursor": page["next_cursor"]})
    assert [i["gtin"] for i in page["items"] + rest.json()["items"]] == [GTIN, OTHER_GTIN]
    assert rest.json()["next_cursor"] is None


async def test_who_has_the_version_already_gets_no_body(api: Api) -> None:
    api.offer(counted(5))
    path = f"/v1/stock/{STORE}/{GTIN}"
    first = await api.store.get(path)
    tag = {"If-None-Match": first.headers["ETag"]}
    same = await api.store.get(path, headers=tag)
    assert (same.status_code, same.content) == (304, b"")
    api.offer(sold())
    assert (await api.store.get(path, headers=tag)).status_code == 200


async def test_many_availabilities_at_once_in_the_order_of_the_request(api: Api) -> None:
    api.offer(counted(5), counted(7, gtin=OTHER_GTIN))
    pairs = [{"gtin": OTHER_GTIN, "location": STORE}, {"gtin": GTIN, "location": "S999"}]
    body = {"channel": "web", "items": pairs}
    answer = await api.web.post("/v1/availability/query", json=body)
    told = [(i["gtin"], i["location"], i["available"]) for i in answer.json()["items"]]
    assert told == [(OTHER_GTIN, STORE, 7), (GTIN, "S999", 0)]


async def test_availability_near_a_place_tells_the_nearest_first(api: Api) -> None:
    places = {"S001": 52.52, "S002": 52.40, "S003": 48.14}
    for store, latitude in places.items():
        api.offer(counted(5), store=store)
        body = {"latitude": latitude, "longitude": 13.4}
        assert (await api.ops.put(f"/v1/locations/{store}", json=body)).is_success
    params = {"gtin": GTIN, "channel": "web", "near": "52.41,13.4"}
    items = (await api.web.get("/v1/availability", params=params)).json()["items"]
    assert [item["location"] for item in items] == ["S002", "S001"]
    assert [round(item["distance_km"]) for item in items] == [1, 12]


async def test_availability_comes_in_pages(api: Api) -> None:
    for number in range(5):
        api.offer(counted(number + 1), store=f"S00{number}")
    params: dict[str, Any] = {"gtin": GTIN, "channel": "web", "limit": 2}
    told: list[int] = []
    while True:
        page = (await api.web.get("/v1/availability", params=params)).json()
        told += [item["available"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert told == [1, 2, 3, 4, 5]


async def test_what_cannot_be_is_refused_with_the_place_and_the_reason(api: Api) -> None:
    params = {"gtin": INVALID_GTIN, "channel": "web"}
    answer = await api.web.get("/v1/availability", params=params)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_gtin")
    body = order(1)
    body["lines"][0]["quantity"] = "1"
    answer = await api.web.post("/v1/reservations", json=body, headers=api.key())
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (400, "lines[0].quantity")
    body = order(1, colour="red")
    answer = await api.web.post("/v1/reservations", json=body, headers=api.key())
    assert answer.status_code == 400


async def test_no_interleaving_grants_more_than_there_is(api: Api) -> None:
    clients, units = 32, 50
    api.offer(counted(units))

    async def fight(number: int) -> tuple[int, int]:
        granted = repeated = 0
        for turn in range(4):
            headers = {"Idempotency-Key": f"{number}-{turn}"}
            body = order(1, order_id=f"o{number}")
            first, second = await asyncio.gather(
                *(api.web.post("/v1/reservations", json=body, headers=headers) for _ in range(2))
            )
            if first.status_code == second.status_code == 201:
                granted += 1
                repeated += any(
                    "Idempotency-Replayed" in answer.headers for answer in (first, second)
                )
                assert first.json() == second.json()
        return granted, repeated

    results = await asyncio.gather(*(fight(number) for number in range(clients)))
    granted = sum(result[0] for result in results)
    assert granted == units
    assert sum(result[1] for result in results) == granted
    stock = (await api.store.get(f"/v1/stock/{STORE}/{GTIN}")).json()
    assert (stock["reserved"], stock["sellable"], stock["holds"]) == (units, 0, units)
