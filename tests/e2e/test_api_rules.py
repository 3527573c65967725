"""Rules, what they read, and policies: changed at run time, seen by the next reservation."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api_server import Api, running
from tests.shard_inputs import GTIN, STORE, counted

LAST_TWO = {
    "name": "last-two",
    "hide": 2,
    "channels": ["web"],
    "when": ['demand_class == "fast"'],
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path) as started:
        yield started


def rules(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "rules/1", "rules": list(entries)}


async def available(api: Api, **params: str) -> dict[str, Any]:
    asked = {"gtin": GTIN, "channel": "web", "location": STORE, "explain": "true", **params}
    answer = await api.web.get("/v1/availability", params=asked)
    assert answer.status_code == 200, answer.text
    item: dict[str, Any] = answer.json()["items"][0]
    return item


def reserve(quantity: int, channel: str = "web") -> dict[str, Any]:
    return {
        "location": STORE,
        "channel": channel,
        "order_id": "o",
        "lines": [{"gtin": GTIN, "quantity": quantity}],
    }


async def test_a_rule_hides_stock_from_its_channel_at_once(api: Api) -> None:
    api.offer(counted(5))
    assert (await api.ops.put("/v1/rules", json=rules(LAST_TWO))).status_code == 200
    assert (await available(api))["available"] == 5
    fast = await api.ops.put(f"/v1/products/{GTIN}", json={"demand_class": "fast"})
    assert fast.json()["document"]["demand_class"] == "fast"
    hidden = await available(api)
    assert (hidden["available"], hidden["buffer"], hidden["rule"]) == (3, 2, "last-two")
    verdict = hidden["explanation"]["rules"]["rules"][0]
    assert (verdict["rule"], verdict["outcome"], verdict["hides"]) == ("last-two", "matched", 2)
    refused = await api.web.post("/v1/reservations", json=reserve(4), headers=api.key())
    assert (refused.status_code, refused.json()["reason"]) == (409, "insufficient")
    granted = await api.web.post("/v1/reservations", json=reserve(3), headers=api.key())
    line = granted.json()["lines"][0]
    assert (line["buffer"], line["rule"], line["rules_version"]) == (2, "last-two", 1)
    other = await api.ops.post("/v1/reservations", json=reserve(2, "app"), headers=api.key())
    assert other.status_code == 201


async def test_rules_survive_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        api.offer(counted(5))
        await api.ops.put("/v1/rules", json=rules({"name": "all", "hide": "all"}))
    async with running(tmp_path) as api:
        assert (await available(api))["available"] == 0
        refused = await api.web.post("/v1/reservations", json=reserve(1), headers=api.key())
        assert refused.status_code == 409


async def test_who_writes_bad_rules_hears_of_everything_at_once(api: Api) -> None:
    bad = rules(
        {"name": "one", "hide": 1, "when": ["weekday == 5"]},
        {"name": "two", "hide": "nothing"},
        {"name": "Three", "hide": 1},
    )
    answer = await api.ops.put("/v1/rules", json=bad)
    assert answer.status_code == 400
    shape = [error["at"] for error in answer.json()["errors"]]
    assert shape == ["rules[2].name"] or any("Three" in at for at in shape)
    bad["rules"].pop()
    answer = await api.ops.put("/v1/rules", json=bad)
    assert {error["at"].partition(".")[0] for error in answer.json()["errors"]} == {"one", "two"}
    checked = await api.ops.post("/v1/rules/validate", json=bad)
    assert (checked.status_code, checked.json()["valid"]) == (200, False)
    assert (await api.ops.get("/v1/rules")).json()["version"] == 0


async def test_rules_change_only_at_the_version_that_their_author_saw(api: Api) -> None:
    first = await api.ops.get("/v1/rules")
    assert first.headers["ETag"] == '"0"'
    headers = {"If-Match": first.headers["ETag"]}
    assert (await api.ops.put("/v1/rules", json=rules(), headers=headers)).status_code == 200
    late = await api.ops.put("/v1/rules", json=rules(LAST_TWO), headers=headers)
    assert (late.status_code, late.json()["reason"]) == (412, "version_conflict")
    unchanged = await api.ops.get("/v1/rules", headers={"If-None-Match": '"1"'})
    assert unchanged.status_code == 304


async def test_rules_read_location_weather_promotion_and_deadline(api: Api) -> None:
    api.offer(counted(50))
    entries = [
        ("a-place", 'country == "DE" && accuracy > 0.9', 1),
        ("b-weather", 'weather == "rain" && temperature_c < 10.0', 2),
        ("c-promotion", "on_promotion", 4),
        ("d-deadline", "deadline_minutes < 120", 8),
    ]
    hiding = [{"name": name, "hide": hide, "when": [when]} for name, when, hide in entries]
    await api.ops.put("/v1/rules", json=rules(*hiding))
    place = {"time_zone": "Europe/Berlin", "country": "DE", "accuracy": 0.95}
    await api.ops.put(f"/v1/locations/{STORE}", json=place)
    weather = {"weather": "rain", "temperature_c": 4}
    await api.ops.put(f"/v1/locations/{STORE}/weather", json=weather)
    await api.ops.put("/v1/promotions/sale", json={"gtins": [GTIN], "locations": [STORE]})
    verdicts = (await available(api))["explanation"]["rules"]["rules"]
    outcomes = {verdict["rule"]: verdict["outcome"] for verdict in verdicts}
    assert outcomes == {
        "a-place": "matched",
        "b-weather": "matched",
        "c-promotion": "matched",
        "d-deadline": "unmet",
    }
    await api.ops.delete(f"/v1/locations/{STORE}/weather")
    await api.ops.delete("/v1/promotions/sale")
    soon = await available(api, ship_by="1971-01-01T00:00:00Z")
    outcomes = {v["rule"]: v["outcome"] for v in soon["explanation"]["rules"]["rules"]}
    assert outcomes["b-weather"] == outcomes["c-promotion"] == "unmet"
    assert outcomes["d-deadline"] == "matched"


@pytest.mark.parametrize("body", [{"time_zone": "Mars/Base"}, {"country": "ZZ"}])
async def test_a_place_that_cannot_be_is_refused(api: Api, body: dict[str, str]) -> None:
    answer = await api.ops.put(f"/v1/locations/{STORE}", json=body)
    assert answer.status_code == 400
    assert (await api.ops.get(f"/v1/locations/{STORE}")).status_code == 404


async def test_documents_are_listed_read_and_removed(api: Api) -> None:
    for name in ("S001", "S002", "S003"):
        assert (await api.ops.put(f"/v1/locations/{name}", json={"name": name})).is_success
    removed = await api.ops.delete("/v1/locations/S002")
    assert removed.status_code == 204
    page = (await api.wms.get("/v1/locations", params={"limit": 1})).json()
    rest = await api.wms.get("/v1/locations", params={"cursor": page["next_cursor"]})
    assert [i["location"] for i in page["items"] + rest.json()["items"]] == ["S001", "S003"]
    assert (await api.ops.get("/v1/locations/S002")).status_code == 404
    again = await api.ops.put("/v1/locations/S002", json={})
    assert again.json()["version"] == 3


async def test_policies_are_set_read_listed_and_removed(api: Api) -> None:
    api.offer(counted(5))
    path = f"/v1/policies/{STORE}/{GTIN}"
    body = {"reorder_point": 10, "order_up_to": 40, "review_days": ["monday", "friday"]}
    made = await api.ops.put(path, json=body)
    assert made.status_code == 200, made.text
    shown = (await api.wms.get(path)).json()
    assert shown["policy"]["review_days"] == ["monday", "friday"]
    listed = (await api.store.get("/v1/policies", params={"location": STORE})).json()
    assert [item["gtin"] for item in listed["items"]] == [GTIN]
    assert (await api.ops.delete(path)).status_code == 204
    assert (await api.ops.get(path)).status_code == 404
    wrong = await api.ops.put(path, json={"reorder_point": 10, "order_up_to": 10})
    assert wrong.status_code == 400


async def test_many_policies_are_set_each_for_itself(api: Api) -> None:
    good = {"reorder_point": 1, "order_up_to": 2}
    items = [
        {"location": STORE, "gtin": GTIN, "policy": good},
        {"location": STORE, "gtin": GTIN, "policy": {**good, "order_up_to": 1}},
    ]
    answer = await api.ops.put("/v1/policies", json={"items": items})
    assert [result["outcome"] for result in answer.json()["results"]] == ["set", "refused"]
