"""A reservation that takes the short way is answered as the route would have answered it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_server import Api, running
from tests.shard_inputs import GTIN, INVALID_GTIN, STORE, counted

BOTH_WAYS = ("application/json", "application/json; charset=utf-8")
"""Content types that mean the same; the second is not what the short way expects."""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path) as started:
        started.offer(counted(10))
        yield started


def order(**more: Any) -> dict[str, Any]:
    lines = [{"gtin": GTIN, "quantity": 2}]
    return {"location": STORE, "channel": "web", "order_id": "o1", "lines": lines, **more}


async def ask(api: Api, content_type: str, body: dict[str, Any], key: dict[str, str]) -> Any:
    content = httpx.Request("POST", "http://x", json=body).content
    headers = {**key, "Content-Type": content_type}
    return await api.web.post("/v1/reservations", content=content, headers=headers)


def told(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    without_date = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, without_date, answer.content


@pytest.mark.parametrize("ways", [BOTH_WAYS, BOTH_WAYS[::-1]])
async def test_a_grant_and_its_repetition_are_told_alike(api: Api, ways: tuple[str, str]) -> None:
    key = api.key()
    first, again = [await ask(api, way, order(customer="Ann"), key) for way in ways]
    status, headers, body = told(first)
    assert status == 201
    assert told(again) == (201, {**headers, "idempotency-replayed": "true"}, body)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (order(lines=[{"gtin": GTIN, "quantity": 11}]), 409),
        (order(lines=[{"gtin": INVALID_GTIN, "quantity": 1}]), 400),
        (order(channel="other"), 403),
        (order(location="../x"), 400),
        (order(reservation_id="o1.2"), 400),
        (order(lines=[]), 400),
        (order(surprise=1), 400),
        (order(expires_at="2020-01-01T00:00:00Z"), 409),
    ],
)
async def test_problems_are_told_alike(api: Api, body: dict[str, Any], status: int) -> None:
    one, other = [await ask(api, way, body, api.key()) for way in BOTH_WAYS]
    assert one.status_code == status
    assert told(one) == told(other)


async def test_a_key_that_came_with_another_request_is_told_alike(api: Api) -> None:
    key = api.key()
    await ask(api, BOTH_WAYS[0], order(), key)
    one, other = [await ask(api, way, order(order_id="o2"), key) for way in BOTH_WAYS]
    assert one.status_code == 422
    assert told(one) == told(other)


async def test_who_has_no_right_role_or_no_key_is_told_by_the_route(api: Api) -> None:
    refused = await api.wms.post("/v1/reservations", json=order(), headers=api.key())
    assert refused.status_code == 403
    keyless = await api.web.post("/v1/reservations", json=order())
    assert keyless.status_code == 400
    assert "Idempotency-Key" in keyless.text


async def test_a_body_in_pieces_or_cut_short_or_too_large_is_read_as_ever(api: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        content = httpx.Request("POST", "http://x", json=order()).content
        for start in range(0, len(content), 16):
            yield content[start : start + 16]

    headers = {**api.key(), "Content-Type": "application/json"}
    answer = await api.web.post("/v1/reservations", content=pieces(), headers=headers)
    assert answer.status_code == 201
    headers = {**api.key(), "Content-Type": "application/json"}
    large = await api.web.post("/v1/reservations", content=b" " * 1_100_000, headers=headers)
    assert large.status_code == 413
    broken = await api.web.post("/v1/reservations", content=b'{"loc', headers=headers)
    assert broken.status_code == 400
