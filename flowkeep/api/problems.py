"""Errors as `application/problem+json` (RFC 9457), with stable codes and without secrets."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from flowkeep import errors
from flowkeep.api.context import request_id
from flowkeep.contracts.api.problem import FieldProblem, ProblemDetails
from flowkeep.redaction import redact

_log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
"""What a caller is told to wait where a server is away."""

_STATUS: dict[type[Exception], int] = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Unauthenticated: 401,
    errors.TooManyRequests: 429,
    errors.Forbidden: 403,
    errors.RevisionMismatch: 412,
    errors.Conflict: 409,
    errors.ConfigurationError: 500,
    errors.LedgerUnavailable: 503,
    errors.TemporalUnavailable: 503,
    errors.SourceUnavailable: 503,
    errors.Incomplete: 500,
}
_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
}


def status_of(error: errors.FlowkeepError) -> int:
    """Return the HTTP status of an error; its class's own `status` beats the table."""
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500


def answer(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    hint: str | None = None,
    fields: tuple[FieldProblem, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as a response.

    Args:
        request: What was asked.
        status: The HTTP status.
        code: Stable code in UPPER_SNAKE.
        detail: What happened.
        hint: What to do next.
        fields: What is wrong, field by field.
        headers: More headers.
    """
    return Response(
        _problem(request, status, code, detail, hint, fields).model_dump_json(),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def problem_of(request: Request, error: errors.FlowkeepError) -> ProblemDetails:
    """Return an error as a problem, for an answer that has begun."""
    hint = redact(error.hint)
    return _problem(request, status_of(error), error.code, redact(error.message), hint)


def _problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    hint: str | None = None,
    fields: tuple[FieldProblem, ...] = (),
) -> ProblemDetails:
    return ProblemDetails(
        type=f"urn:flowkeep:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        hint=hint or None,
        request_id=request_id(request),
        errors=fields,
    )


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.FlowkeepError)
    status = status_of(error)
    if status >= 500:
        _log.warning("request failed", code=error.code, error=redact(error.message))
    found = getattr(error, "problems", ())
    fields = tuple(FieldProblem.model_validate(one.model_dump()) for one in found)
    headers = dict(getattr(error, "headers", {}))
    if status == 503:
        headers.setdefault("Retry-After", str(RETRY_SECONDS))
    if status == 401:  # RFC 6750, section 3
        wrong = ', error="invalid_token"' if "Authorization" in request.headers else ""
        headers.setdefault("WWW-Authenticate", f'Bearer realm="flowkeep"{wrong}')
    return answer(
        request,
        status,
        error.code,
        redact(error.message),
        hint=redact(error.hint),
        fields=fields,
        headers=headers,
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = tuple(_field(one) for one in error.errors())
    unreadable = any(one["type"] == "json_invalid" for one in error.errors())
    return answer(
        request,
        400 if unreadable else 422,
        "INVALID_JSON" if unreadable else "INVALID_INPUT",
        "; ".join(f"{one.path}: {one.message}" for one in fields[:5]),
        hint="see the OpenAPI document at /api/v1/openapi.json",
        fields=fields,
    )


def _field(one: Any) -> FieldProblem:
    path = ".".join(str(step) for step in one["loc"])
    return FieldProblem(path=redact(path)[:200] or "body", message=redact(str(one["msg"]))[:500])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, HTTPStatus(error.status_code).name)
    return answer(request, error.status_code, code, str(error.detail), headers=error.headers or {})


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("request failed unexpectedly", exc_info=error)
    return answer(
        request,
        500,
        "UNEXPECTED",
        "something went wrong that should not",
        hint="the log of the service has this request id",
    )


def add_handlers(app: FastAPI) -> None:
    """Let an app answer every error as a problem."""
    app.add_exception_handler(errors.FlowkeepError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route documents of its problems, for FastAPI's `responses`.

    Args:
        *statuses: Those beside 401, 403, 404, 422, 429 and 503, which every route has.
    """
    known = (400, 401, 403, 404, 422, 429, 503, *statuses)
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted(set(known))
    }
