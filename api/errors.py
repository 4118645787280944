"""Turns every exception of a route into the contract's failure body, in the client's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from api.answers import ErrorAnswer
from api.boundary import request_id_of
from api.language import preferred_language
from contracts.errors import FAILURES, PereneError

AnyRequest = Request[Any, Any, Any]

_CODES_BY_STATUS = {
    400: "INVALID_REQUEST",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "ROUTE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    413: "BODY_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
}
_HEADER_CODES = {"x-user-id": "INVALID_OWNER_ID"}

_log = structlog.get_logger()


class InvalidRequest(PereneError):
    """A field of the request cannot be used."""

    code = "INVALID_REQUEST"

    def __init__(self, field: str, problem: str, *, code: str | None = None) -> None:
        """`field` is the dotted path as the client wrote it, `problem` what is wrong with it (English)."""
        super().__init__(f"{field}: {problem}", code=code, data={"fields": [{"field": field, "problem": problem}]})


def failure_response(
    request: AnyRequest, code: str, *, data: Mapping[str, object] | None = None, headers: dict[str, str] | None = None
) -> Response[ErrorAnswer]:
    """The failure body of `code`, with its status."""
    failure = FAILURES[code]
    english = preferred_language(request.headers.get("accept-language", "")) == "en"
    answer = ErrorAnswer(
        error=failure.en if english else failure.pt, code=code, request_id=request_id_of(request.scope)
    )
    if data is not None:
        answer.data = dict(data)
    all_headers = {"cache-control": "no-store", **(headers or {})}
    return Response(answer, status_code=failure.http, headers=all_headers, media_type="application/json")


def perene_error(request: AnyRequest, error: PereneError) -> Response[ErrorAnswer]:
    """A failure the taxonomy knows."""
    if error.failure.http >= 500:
        _log.warning("request_refused", code=error.code, detail=str(error), path=request.url.path)
    headers = {503: {"retry-after": "2"}, 401: {"www-authenticate": "Bearer"}}.get(error.failure.http)
    return failure_response(request, error.code, data=error.data, headers=headers)


def framework_error(request: AnyRequest, error: HTTPException) -> Response[ErrorAnswer]:
    """What Litestar refuses by itself: routes, methods, sizes, parameters."""
    if isinstance(error, ValidationException):
        return _validation_error(request, error)
    code = _CODES_BY_STATUS.get(error.status_code)
    if code is None:
        return unexpected_error(request, error)
    # Litestar's own texts stay inside: they may quote the request.
    allow = (error.headers or {}).get("allow")
    return failure_response(request, code, headers={"allow": allow} if allow else None)


def unexpected_error(request: AnyRequest, error: Exception) -> Response[ErrorAnswer]:
    """A bug: logged whole, told to the client by its request id only."""
    _log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return failure_response(request, "INTERNAL_ERROR")


def _validation_error(request: AnyRequest, error: ValidationException) -> Response[ErrorAnswer]:
    extra = cast("list[dict[str, str]]", error.extra if isinstance(error.extra, list) else [])
    fields = [{"field": str(item.get("key", "")), "problem": str(item.get("message", ""))} for item in extra]
    code = next((_HEADER_CODES[each["field"]] for each in fields if each["field"] in _HEADER_CODES), "INVALID_REQUEST")
    return failure_response(request, code, data={"fields": fields})
