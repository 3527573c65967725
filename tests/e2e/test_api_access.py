"""Nobody gets in without a token, and with one only where its role reaches."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import BaseRouteHandler
from msgspec.structs import replace

from cloud.api.access import Allows, Tokens, load_tokens, new_token
from cloud.api.application import health, routes
from cloud.errors import ConfigInvalid
from tests.api_server import SETTINGS, Api, entry, running
from tests.shard_inputs import GTIN, STORE, counted

PROBLEM = "application/problem+json"
AVAILABILITY = {"gtin": GTIN, "channel": "web"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path) as started:
        yield started


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM), answer.text
    assert answer.json()["status"] == status
    assert answer.json()["type"].startswith("urn:stocktruth:problem:")


@pytest.mark.parametrize(
    "path", ["/v1/availability", "/schema", "/nothing", "/v1", "/", "//health"]
)
@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer wrong", "Basic b3BzOm9wcw==", "token-of-ops", "Bearer \xff"]
)
async def test_no_path_answers_without_a_known_token(
    api: Api, path: str, header: str | None
) -> None:
    headers = [] if header is None else [(b"Authorization", header.encode("latin-1"))]
    async with httpx.AsyncClient(base_url=api.url) as client:
        answer = await client.get(api.url + path, headers=headers)
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_health_is_open_and_tells_nothing(api: Api) -> None:
    answer = await api.client(None).get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def _handlers() -> list[tuple[str, BaseRouteHandler]]:
    app: Litestar = routes(None, 1_000)  # type: ignore[arg-type]  # nothing is asked of it.
    found: list[tuple[str, BaseRouteHandler]] = []
    for route in app.routes:
        handlers = getattr(route, "route_handlers", None) or [getattr(route, "route_handler", None)]
        found += [(route.path, handler) for handler in handlers if handler is not None]
    return found


def test_every_route_but_health_has_a_guard_with_roles() -> None:
    handlers = _handlers()
    assert len(handlers) > 30
    unguarded = [
        (path, handler.handler_name)
        for path, handler in handlers
        if not any(_roles(guard) for guard in handler.resolve_guards())
        and getattr(handler, "http_methods", None) != {"OPTIONS"}
    ]
    assert unguarded == [("/health", health.handler_name)]


def _roles(guard: object) -> bool:
    # The framework wraps what is not a coroutine.
    inner = getattr(guard, "func", guard)
    return isinstance(inner, Allows) and bool(inner.roles)


FORBIDDEN: list[tuple[str, str, str, dict[str, Any] | None]] = [
    ("web", "GET", f"/v1/stock/{STORE}/{GTIN}", None),
    ("web", "PUT", "/v1/rules", {"schema": "rules/1", "rules": []}),
    ("web", "GET", "/v1/availability?gtin=00614141123452&channel=app", None),
    ("web", "PUT", f"/v1/locations/{STORE}", {}),
    ("store", "GET", f"/v1/stock/S002/{GTIN}", None),
    ("store", "PUT", "/v1/rules", {"schema": "rules/1", "rules": []}),
    ("wms", "PUT", f"/v1/policies/{STORE}/{GTIN}", {"reorder_point": 1, "order_up_to": 2}),
]


@pytest.mark.parametrize(("who", "method", "path", "body"), FORBIDDEN)
async def test_a_token_reaches_no_further_than_its_role_locations_and_channels(
    api: Api, who: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    client: httpx.AsyncClient = getattr(api, who)
    assert_problem(await client.request(method, path, json=body), 403)


async def test_a_channel_reserves_only_for_itself(api: Api) -> None:
    api.offer(counted(5))
    body = {
        "location": STORE,
        "channel": "app",
        "order_id": "o",
        "lines": [{"gtin": GTIN, "quantity": 1}],
    }
    assert_problem(await api.web.post("/v1/reservations", json=body, headers=api.key()), 403)
    made = await api.ops.post("/v1/reservations", json=body, headers=api.key())
    place = made.headers["Location"]
    assert_problem(await api.web.get(place), 403)
    assert_problem(await api.web.post(f"{place}/confirm", headers=api.key()), 403)
    listed = await api.web.get("/v1/reservations", params={"order_id": "o"})
    assert listed.json()["items"] == []


async def test_a_store_reserves_and_adjusts_only_its_own_goods(api: Api) -> None:
    api.offer(counted(5), store="S002")
    body = {"action": "write_off", "quantity": 1}
    path = f"/v1/stock/S002/{GTIN}/adjustments"
    assert_problem(await api.store.post(path, json=body, headers=api.key()), 403)


async def test_problems_of_every_kind_are_documents(api: Api) -> None:
    assert_problem(await api.ops.get("/v1/nothing"), 404)
    wrong_method = await api.ops.delete("/v1/availability")
    assert_problem(wrong_method, 405)
    assert "GET" in wrong_method.headers["Allow"]
    broken = await api.ops.post("/v1/availability/query", content=b"{", headers=api.key())
    assert_problem(broken, 400)
    deep = await api.ops.post("/v1/availability/query", content=b"[" * 100_000)
    assert_problem(deep, 400)
    none = await api.ops.post("/v1/reservations", content=b"", headers=api.key())
    assert_problem(none, 400)


async def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    settings = replace(SETTINGS, body_bytes_max=1_024)
    async with running(tmp_path, settings) as api:
        answer = await api.ops.post("/v1/reservations", content=b"x" * 1_025, headers=api.key())
        assert_problem(answer, 413)

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield b"x" * 1_024

        answer = await api.ops.post("/v1/reservations", content=chunks(), headers=api.key())
        assert_problem(answer, 413)


async def test_who_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    settings = replace(SETTINGS, requests_per_minute=6)
    async with running(tmp_path, settings) as api:
        assert (await api.ops.get("/v1/availability", params=AVAILABILITY)).status_code == 200
        answer = await api.ops.get("/v1/availability", params=AVAILABILITY)
        assert_problem(answer, 429)
        assert int(answer.headers["Retry-After"]) == answer.json()["retry_after_s"] == 10
        assert (await api.web.get("/v1/availability", params=AVAILABILITY)).status_code == 200


async def test_a_failing_read_tells_nothing_of_our_insides(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr("cloud.journal.sqlite_reader.SqliteReader.states_at", fail)
    answer = await api.ops.get("/v1/availability", params={**AVAILABILITY, "location": STORE})
    assert_problem(answer, 500)
    assert "secret" not in answer.text


def test_a_token_is_told_once_and_kept_as_a_digest(tmp_path: Path) -> None:
    token, digest = new_token()
    path = tmp_path / "tokens.toml"
    path.write_text(f'[[tokens]]\nname = "web"\nsha256 = "{digest}"\nroles = ["channel"]\n')
    tokens = load_tokens(path)
    caller = tokens.caller(token)
    assert caller is not None
    assert caller.name == "web"
    assert caller.roles == frozenset({"channel"})
    assert tokens.caller(digest) is None
    assert token not in path.read_text()


def test_a_token_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    one = f'[[tokens]]\nname = "web"\nsha256 = "{"0" * 64}"\nroles = ["ops"]\n'
    path = tmp_path / "tokens.toml"
    path.write_text(one + one)
    with pytest.raises(ConfigInvalid, match=r"name = 'web' is there twice(.|\n)*sha256"):
        load_tokens(path)


async def test_a_token_may_have_a_limit_of_its_own(tmp_path: Path) -> None:
    slow = Tokens([entry("slow", "token-of-ops", "ops", requests_per_minute=6)])
    async with running(tmp_path, SETTINGS, slow) as api:
        answers = [await api.ops.get("/v1/rules") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
