"""Schemathesis over the whole OpenAPI document: with authentication, stateful, on seeded data."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import schemathesis
from schemathesis.engine import Status, events, from_schema

from cloud.journal.sqlite_reader import SqliteReader
from cloud.journal.verify import verify
from tests.api_server import OPS, Api, running_in_thread
from tests.shard_inputs import GTIN, OTHER_GTIN, STORE, counted, sold

EXAMPLES: Final = int(os.environ.get("STOCKTRUTH_SCHEMA_EXAMPLES", "8"))
"""Examples of each operation and phase; a long run takes hundreds."""

SEED: Final = 20_261_125
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)
AnyCase = schemathesis.Case[Any]
KEY: Final = "Idempotency-Key"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running_in_thread(tmp_path) as started:
        seed(started)
        yield started


def seed(api: Api) -> None:
    """Let there be something of everything, so that requests meet more than nothing."""
    for store in (STORE, "S002"):
        api.offer(counted(1_000), counted(2_000, gtin=OTHER_GTIN), store=store)
    api.offer(sold(3, transaction="r1"))
    line = [{"gtin": GTIN, "quantity": 2}]
    place = {"latitude": 52.5, "longitude": 13.4, "time_zone": "Europe/Berlin", "country": "DE"}
    rule = {"name": "two", "hide": 2, "channels": ["web"]}
    policy = {"reorder_point": 5_000, "order_up_to": 6_000}
    reserve = {"location": STORE, "channel": "web", "order_id": "o1", "lines": line}
    advise = {"location": STORE, "source": "DC1", "lines": line, "despatch_id": "d1"}
    taken = {"location": STORE, "receipt": f"{STORE}/r1", "lines": line, "return_id": "rt1"}
    order = {"channel": "web", "lines": line, "order_id": "o1", "customer": "anna"}
    moved = {"origin": STORE, "destination": "S002", "lines": line, "transfer_id": "t1"}
    wrong = [{"gtin": OTHER_GTIN, "quantity": 1}]
    requests: list[tuple[str, str, Any]] = [
        ("PUT", f"/v1/locations/{STORE}", place),
        ("PUT", f"/v1/locations/{STORE}/weather", {"weather": "rain"}),
        ("PUT", f"/v1/products/{GTIN}", {"demand_class": "fast"}),
        ("PUT", "/v1/promotions/sale", {"gtins": [GTIN]}),
        ("PUT", "/v1/rules", {"schema": "rules/1", "rules": [rule]}),
        ("PUT", f"/v1/policies/{STORE}/{GTIN}", policy),
        ("POST", "/v1/reservations", {**reserve, "reservation_id": "r1"}),
        ("POST", "/v1/despatch-advices", advise),
        ("POST", f"/v1/despatch-advices/{STORE}/d1/receipts", {"lines": wrong}),
        ("POST", "/v1/returns", taken),
        ("POST", "/v1/orders", order),
        ("POST", "/v1/transfers", moved),
    ]
    headers = {"Authorization": f"Bearer {OPS}"}
    with httpx.Client(base_url=api.url, headers=headers) as client:
        for method, path, body in requests:
            answer = client.request(method, path, json=body, headers=api.key())
            assert answer.is_success, (path, answer.text)


def config(api: Api, folder: Path) -> schemathesis.Config:
    values = {
        "gtins": [GTIN, OTHER_GTIN],
        "locations": [STORE, "S002"],
        "ids": ["r1", "d1", "t1", "o1", "rt1", "d1-1", "sale"],
        "words": [GTIN, STORE, "web", "o1", "r1", "d1", "S001/r1", "anna"],
    }
    parameters = {
        "gtin": "gtins",
        "location": "locations",
        "channel": "words",
        "reservation_id": "ids",
        "despatch_id": "ids",
        "discrepancy_id": "ids",
        "transfer_id": "ids",
        "return_id": "ids",
        "order_id": "ids",
        "promotion": "ids",
    }
    return schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "continue-on-failure": True,
            "base-url": api.url,
            "request-timeout": 10,
            "headers": {"Authorization": f"Bearer {OPS}"},
            "dictionaries": {name: {"values": listed} for name, listed in values.items()},
            "parameters": {
                name: {"dictionary": dictionary, "probability": 0.6}
                for name, dictionary in parameters.items()
            },
            "generation": {
                "mode": "all",
                "max-examples": EXAMPLES,
                "no-shrink": True,
                "dictionaries": {"string": {"dictionary": "words", "probability": 0.3}},
                "database": "none",
            },
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
            "phases": {"stateful": {"max-steps": 4}, "coverage": {"enabled": EXAMPLES > 10}},
            "reports": {"directory": str(folder)},
        }
    )


KNOWN: Final = {
    "gtin": (re.compile(r"[0-9]{8,14}"), (GTIN, OTHER_GTIN)),
    "location": (re.compile(r"[A-Za-z0-9_-]{1,32}"), (STORE, "S002")),
    "origin": (re.compile(r"[A-Za-z0-9_-]{1,32}"), (STORE,)),
    "destination": (re.compile(r"[A-Za-z0-9_-]{1,32}"), ("S002",)),
    "quantity": (re.compile(r"[1-9][0-9]*"), (1, 2, 1_000_000)),
}
"""Fields of bodies whose good values no generator would ever guess."""


class Meaning:
    """Gives requests that are well formed keys of their own, and goods that there are."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def given(self, case: AnyCase) -> AnyCase:
        """Return a case as it is sent."""
        key = case.headers.get(KEY) if case.headers else None
        if isinstance(key, str) and re.fullmatch(r"[!-~]{1,64}", key):
            case.headers[KEY] = f"schemathesis-{next(self._numbers)}"
        case.body = self._known(case.body)
        return case

    def _known(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._known(item, str(key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._known(item, name.removesuffix("s")) for item in value]
        if name in KNOWN and type(value) is type(KNOWN[name][1][0]):
            pattern, choices = KNOWN[name]
            if pattern.fullmatch(str(value)):
                return choices[next(self._numbers) % len(choices)]
        return value


def test_no_answer_breaks_the_published_schema(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{api.url}/schema"
    headers = {"Authorization": f"Bearer {OPS}"}
    document = httpx.get(url, headers=headers).json()
    assert document["openapi"].startswith("3.1")
    # The one operation that does not end by itself is asked to.
    follow = next(
        p for p in document["paths"]["/v1/stream"]["get"]["parameters"] if p["name"] == "follow"
    )
    follow["required"], follow["schema"] = True, {"const": "false"}
    schema = schemathesis.openapi.from_dict(document, config=config(api, tmp_path))
    meaning = Meaning()

    @schema.hook
    def map_case(context: object, case: AnyCase) -> AnyCase:
        del context
        return meaning.given(case)

    cases: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    failures: set[str] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for label, status in _interactions(event):
                cases[label] += 1
                statuses[status] += 1
            failures |= set(_failures(event))
        elif isinstance(event, events.NonFatalError):
            failures.add(f"{event.label}: {event.info}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    with capsys.disabled():
        summary = f"{len(cases)} operations, {sum(cases.values())} cases, {dict(statuses)}"
        print(f"\nschemathesis: {summary}")  # noqa: T201 -- how much was tried is the result.
    assert not failures, "\n\n".join(sorted(failures)[:20])
    assert len(cases) >= sum(len(item) for item in document["paths"].values())
    assert not [status for status in statuses if status.startswith("5")]
    with closing(SqliteReader(api.journal)) as reader:
        report = verify(reader)
    assert report.is_identical, report.differences


def _interactions(event: events.ScenarioFinished) -> Iterator[tuple[str, str]]:
    for case_id, interaction in event.recorder.interactions.items():
        if interaction.response is not None:
            case = event.recorder.cases[case_id].value
            yield case.operation.label, str(interaction.response.status_code)


def _failures(event: events.ScenarioFinished) -> Iterator[str]:
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.status == Status.FAILURE and check.failure_info is not None:
                case = event.recorder.cases[case_id].value
                failure = check.failure_info.failure
                yield f"{case.operation.label}: {failure.title}: {failure.message}"[:700]
