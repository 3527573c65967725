"""What an operator does through the API before channels sell: wait for it, and set rules."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import msgspec

from simulators.api_client.http import HttpAnswer, HttpConnection
from simulators.api_client.reservations import problem_of
from simulators.errors import ApiRefused, HttpFailed

HEALTHY_DEADLINE_S: Final = 30.0
POLL_S: Final = 0.05
KEY_BYTES: Final = 16
RULES: Final = "/v1/rules"


async def until_healthy(connection: HttpConnection) -> None:
    """Return when the API answers. Raises `ApiRefused` when it does not for long."""
    try:
        async with asyncio.timeout(HEALTHY_DEADLINE_S):
            while not await _is_healthy(connection):  # noqa: ASYNC110 # A server has no event.
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise ApiRefused(f"the API does not answer within {HEALTHY_DEADLINE_S:.0f} s") from error


async def _is_healthy(connection: HttpConnection) -> bool:
    try:
        return (await connection.request("GET", "/health")).status == HTTPStatus.OK
    except HttpFailed:
        return False


async def add_rule(
    connection: HttpConnection, name: str, channel: str, locations: Sequence[str], units: int
) -> None:
    """Hide the last units of everything at some locations from a channel, besides other rules."""
    rule = {"name": name, "hide": units, "channels": [channel], "locations": list(locations)}
    await _set_rules(connection, [*await _other_rules(connection, name), rule])


async def remove_rule(connection: HttpConnection, name: str) -> None:
    """Leave the rules as they were before `add_rule`."""
    await _set_rules(connection, await _other_rules(connection, name))


@asynccontextmanager
async def hide_from_channel(
    connection: HttpConnection, name: str, channel: str, locations: Sequence[str], units: int
) -> AsyncIterator[None]:
    """Let a rule be in force meanwhile."""
    await add_rule(connection, name, channel, locations, units)
    try:
        yield
    finally:
        await remove_rule(connection, name)


async def _other_rules(connection: HttpConnection, name: str) -> list[Any]:
    answer = _good(await connection.request("GET", RULES), f"GET {RULES}")
    rules: list[Any] = msgspec.json.decode(answer.body)["document"]["rules"]
    return [rule for rule in rules if rule["name"] != name]


async def _set_rules(connection: HttpConnection, rules: list[Any]) -> None:
    body = msgspec.json.encode({"schema": "rules/1", "rules": rules})
    key = f"Idempotency-Key: {secrets.token_hex(KEY_BYTES)}"
    _good(await connection.request("PUT", RULES, body, key), f"PUT {RULES}")


def _good(answer: HttpAnswer, what: str) -> HttpAnswer:
    if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
        raise ApiRefused(f"{what}: status {answer.status}, {problem_of(answer)}")
    return answer
