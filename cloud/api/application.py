"""The HTTP application: routes, who may use them, and how every problem is answered.

Made once at the start; it runs on the cloud's event loop.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.di import Provide
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import BaseRoute
from litestar.types import ASGIApp, ControllerRouterHandler
from msgspec import Struct

from cloud.api.access import ANYONE, Caller, Tokens
from cloud.api.door import Door
from cloud.api.express import Express
from cloud.api.limits import Limits
from cloud.api.problems import MEDIA_TYPE, ApiProblem, Fault, busy, documented, encoded
from cloud.api.resources import (
    availability,
    despatches,
    locations,
    notices,
    orders,
    policies,
    products,
    reorders,
    reservation_changes,
    reservations,
    returns,
    rules,
    stock,
    stream,
)
from cloud.api.resources.rules import rules_problem
from cloud.api.services import (
    Services,
    ServicesHere,
    provide_asked,
    provide_asked_if_keyed,
    provide_caller,
)
from cloud.errors import JournalFailed
from cloud.rules import RuleSetDocument, RulesInvalid, decode_json

DESCRIPTION: Final = (
    "One true count for every SKU at every location: availability, reservations and stock."
    " Every POST takes an Idempotency-Key; every problem is application/problem+json."
)
SCHEMA: Final = "schema"
FAULTS_MAX: Final = 50
FAULT_CHARS_MAX: Final = 300

log = logging.getLogger(__name__)


class Health(Struct, frozen=True, kw_only=True):
    """That the server answers. It says nothing about stock."""

    status: str = "alive"


@get(
    "/health",
    operation_id="get_health",
    summary="Is the server alive?",
    tags=["operations"],
    responses={503: documented()[503]},
)
async def health(services: ServicesHere) -> Health:
    """Answer, as long as commands can be. This is the one path that needs no token."""
    if services.submitter.has_failed:
        raise busy("the server can take no commands any more: it has to be started anew")
    return Health()


@get(
    "/schema",
    operation_id="get_schema",
    summary="The OpenAPI document of this API",
    tags=["operations"],
    guards=[ANYONE],
    media_type="application/vnd.oai.openapi+json",
    include_in_schema=False,
)
async def schema(request: Request[Caller, Any, Any]) -> bytes:
    """Return OpenAPI 3.1, made when it is first asked for."""
    state = request.app.state
    if SCHEMA not in state:
        state[SCHEMA] = await asyncio.to_thread(_schema_of, request.app)
    document: bytes = state[SCHEMA]
    return document


def _schema_of(app: Litestar) -> bytes:
    return msgspec.json.encode(app.openapi_schema.to_schema())


class StrictRequest(Request[Caller, Any, Any]):
    """A request whose JSON is decoded into the type that the route declares, and nothing else.

    The framework would take text for numbers.
    """

    async def json(self) -> Any:
        """Return the body; raises `ApiProblem` with what is wrong and where."""
        field = self.route_handler.parsed_data_field
        body = await self.body()
        try:
            if field is not None and field.annotation is RuleSetDocument:
                # Who writes rules hears of everything that is wrong with them at once.
                return decode_json(body)
            return msgspec.json.decode(body, type=Any if field is None else field.annotation)
        except RulesInvalid as error:
            raise rules_problem(error) from error
        except msgspec.ValidationError as error:
            what, _, path = str(error).partition(" - at `$")
            at = path.rstrip("`").lstrip(".") or "body"
            raise _malformed([Fault(at=at, detail=what)]) from error
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise _malformed([Fault(at="body", detail=f"not JSON: {str(error)[:200]}")]) from error


def _malformed(faults: list[Fault], otherwise: str = "malformed") -> ApiProblem:
    detail = "; ".join(f"{fault.at}: {fault.detail}" for fault in faults) or otherwise
    return ApiProblem(HTTPStatus.BAD_REQUEST, "invalid-request", detail, errors=faults)


def application(
    services: Services,
    tokens: Tokens,
    limits: Limits,
    *,
    body_bytes_max: int,
    now_s: Callable[[], float],
) -> ASGIApp:
    """Return the application behind its door."""
    inside = Express(routes(services, body_bytes_max), services, body_bytes_max)
    return Door(inside, tokens, limits, now_s)


def routes(services: Services, body_bytes_max: int) -> Litestar:
    """Return everything behind the door."""
    modules = (
        availability,
        stock,
        reservations,
        reservation_changes,
        orders,
        policies,
        reorders,
        despatches,
        returns,
        rules,
        locations,
        products,
        notices,
        stream,
    )
    v1 = Router(
        "/v1",
        route_handlers=[route for module in modules for route in module.ROUTES],
        security=[{"bearer": []}],
    )
    return Litestar(
        route_handlers=[health, schema, v1],
        request_class=StrictRequest,
        request_max_body_size=body_bytes_max,
        dependencies={
            "services": Provide(lambda: services, sync_to_thread=False),
            "caller": Provide(provide_caller),
            "asked": Provide(provide_asked),
            "keyed": Provide(provide_asked_if_keyed),
        },
        exception_handlers={
            ApiProblem: _answer_problem,
            HTTPException: _answer_http,
            JournalFailed: _answer_failure,
            Exception: _answer_failure,
        },
        openapi_config=_openapi(),
        logging_config=None,
        debug=False,
    )


class _NoPages(Router):
    """Where the framework would put pages of its own, some without a guard: it gets none."""

    def register(self, value: ControllerRouterHandler) -> list[BaseRoute]:
        """Register nothing."""
        del value
        return []


def _openapi() -> OpenAPIConfig:
    scheme = SecurityScheme(type="http", scheme="bearer", description="a token of the tokens file")
    return OpenAPIConfig(
        title="Stocktruth",
        version=version("stocktruth"),
        description=DESCRIPTION,
        openapi_router=_NoPages("/schema", route_handlers=[]),
        components=Components(security_schemes={"bearer": scheme}),
        use_handler_docstrings=True,
    )


def _problem_response(problem: ApiProblem, headers: Mapping[str, str]) -> Response[bytes]:
    return Response(
        encoded(problem.problem()),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={**headers, **problem.headers},
    )


def _answer_problem(request: Request[Any, Any, Any], problem: ApiProblem) -> Response[bytes]:
    del request
    return _problem_response(problem, {})


def _answer_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the framework raises: no such path, no such method, bad parameters."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _answer_failure(request, error)
    if isinstance(error, ValidationException):
        problem = _malformed(_faults(error.extra), error.detail.partition(" for path ")[0])
        return _problem_response(problem, {})
    status = HTTPStatus(error.status_code)
    kind = status.phrase.lower().replace(" ", "-")
    headers = dict(error.headers or {}) if isinstance(error, MethodNotAllowedException) else {}
    return _problem_response(ApiProblem(status, kind, status.description), headers)


def _faults(extra: Any) -> list[Fault]:
    entries = extra if isinstance(extra, list) else []
    return [
        Fault(
            at=str(entry.get("key", "request"))[:FAULT_CHARS_MAX],
            detail=str(entry.get("message", ""))[:FAULT_CHARS_MAX],
        )
        for entry in entries[:FAULTS_MAX]
        if isinstance(entry, dict)
    ]


def _answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _problem_response(
        ApiProblem(status, "failed", "something failed inside; it was logged"), {}
    )
