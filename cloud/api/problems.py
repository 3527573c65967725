"""Problems: every answer of the API that is not a success, after RFC 9457.

Whoever finds a problem raises `ApiProblem`; `application` turns it, and what the framework raises,
into `application/problem+json`. Nothing about our insides is ever told.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from litestar.openapi import ResponseSpec
from msgspec import Meta, Struct

from cloud.errors import CloudError
from cloud.sku_location.refusal import Refusal, Refused

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:stocktruth:problem:"
RETRY_AFTER_S: Final = 1
DETAIL_CHARS_MAX: Final = 2_000
UNKNOWN_OUTCOME: Final = "the outcome is unknown: repeat the request with the same Idempotency-Key"


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong with a request, and where."""

    at: Annotated[str, Meta(description="where: a field, a parameter, a rule")]
    detail: Annotated[str, Meta(description="what is wrong there")]


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request did not succeed (RFC 9457)."""

    type: Annotated[str, Meta(description="names the kind of problem, for programs")]
    title: Annotated[str, Meta(description="the kind of problem, for people")]
    status: Annotated[int, Meta(ge=400, le=599, description="the HTTP status")]
    detail: Annotated[str, Meta(description="what happened this time, and what to do")] = ""
    reason: Annotated[
        str | None, Meta(description="why stock, a reservation or another resource refused")
    ] = None
    retry_after_s: Annotated[int | None, Meta(description="try again after this time")] = None
    errors: Annotated[list[Fault], Meta(description="everything that is wrong")] = []


class ApiProblem(CloudError):
    """Ends a request with a problem."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        reason: str | None = None,
        errors: Sequence[Fault] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status: Final = status
        self.kind: Final = kind
        self.detail: Final = detail
        self.reason: Final = reason
        self.errors: Final = list(errors)
        self.retry_after_s: Final = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the problem."""
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(self.retry_after_s)}

    def problem(self) -> Problem:
        """Return the body of the answer."""
        return Problem(
            type=f"{TYPE_PREFIX}{self.kind}",
            title=self.kind.replace("-", " ").replace("_", " ").capitalize(),
            status=self.status,
            detail=self.detail[:DETAIL_CHARS_MAX],
            reason=self.reason,
            retry_after_s=self.retry_after_s,
            errors=self.errors,
        )


_STATUS: Final[dict[Refusal, HTTPStatus]] = {
    Refusal.INVALID_GTIN: HTTPStatus.BAD_REQUEST,
    Refusal.INVALID: HTTPStatus.BAD_REQUEST,
    Refusal.UNKNOWN: HTTPStatus.NOT_FOUND,
    Refusal.KEY_REUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Every other refusal is a conflict with how things stand: 409."""


def refused(answer: Refused, *, by_precondition: bool = False) -> ApiProblem:
    """Return a refusal as a problem; `by_precondition` when the caller sent `If-Match`."""
    status = _STATUS.get(answer.reason, HTTPStatus.CONFLICT)
    if answer.reason is Refusal.VERSION_CONFLICT and by_precondition:
        status = HTTPStatus.PRECONDITION_FAILED
    reason = str(answer.reason)
    return ApiProblem(status, reason, answer.detail, reason=reason)


def invalid(at: str, detail: str, *, reason: str | None = None) -> ApiProblem:
    """Return the problem that something in the request cannot be."""
    faults = [Fault(at=at, detail=detail)]
    kind = reason or "invalid-request"
    return ApiProblem(HTTPStatus.BAD_REQUEST, kind, f"{at}: {detail}", reason=reason, errors=faults)


def unknown(detail: str) -> ApiProblem:
    """Return the problem that there is no such thing."""
    return ApiProblem(HTTPStatus.NOT_FOUND, "unknown", detail, reason=str(Refusal.UNKNOWN))


def forbidden(detail: str) -> ApiProblem:
    """Return the problem that the caller's token does not allow this."""
    return ApiProblem(HTTPStatus.FORBIDDEN, "forbidden", detail)


def busy(detail: str) -> ApiProblem:
    """Return the problem that there is too much to do; nothing has happened."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return ApiProblem(status, "busy", detail, retry_after_s=RETRY_AFTER_S)


def outcome_unknown(detail: str) -> ApiProblem:
    """Return the problem that something may have happened, and nobody knows yet."""
    return ApiProblem(
        HTTPStatus.GATEWAY_TIMEOUT,
        "outcome-unknown",
        f"{detail}; {UNKNOWN_OUTCOME}",
        retry_after_s=RETRY_AFTER_S,
    )


_DESCRIPTIONS: Final[dict[int, str]] = {
    400: "The request is malformed or names something impossible",
    401: "No token, or an unknown one",
    403: "The token does not allow this",
    404: "There is no such thing",
    405: "This method is not possible here",
    409: "Refused because of how things stand; `reason` says why",
    412: "`If-Match` names another version than the present one",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "The Idempotency-Key was used for another request",
    429: "Too many requests with this token",
    500: "Something failed inside",
    503: "Too busy; nothing has happened",
    504: "The outcome is unknown: repeat with the same Idempotency-Key",
}
_ALWAYS: Final = (400, 401, 403, 413, 429, 500, 503)


def documented(*statuses: int) -> Mapping[int, ResponseSpec]:
    """Return the problems that an operation may answer, besides those that all may."""
    specs = {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description=_DESCRIPTIONS[status],
            media_type=MEDIA_TYPE,
        )
        for status in sorted({*_ALWAYS, *statuses})
        if status != HTTPStatus.NOT_MODIFIED
    }
    if HTTPStatus.NOT_MODIFIED in statuses:
        specs[304] = ResponseSpec(
            None, generate_examples=False, description="Nothing has changed since `If-None-Match`"
        )
    return specs


_encoder: Final = msgspec.json.Encoder()


def encoded(problem: Problem) -> bytes:
    """Return a problem as JSON."""
    return _encoder.encode(problem)
