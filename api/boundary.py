"""The outermost layer: request ids, HEAD, and the promise that no exception leaves without the contract's body."""

from __future__ import annotations

import re
import secrets
from typing import cast

import msgspec
import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api.answers import ErrorAnswer
from api.language import preferred_language
from contracts.errors import FAILURES

REQUEST_ID_KEY = "perene.request_id"

_ACCEPTABLE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_log = structlog.get_logger()


def request_id_of(scope: Scope) -> str:
    """The id under which this request is logged and answered."""
    return cast("dict[str, str]", scope).get(REQUEST_ID_KEY, "-")


class Boundary:
    """Wraps the whole ASGI application, Socket.IO included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        # A copy, as the method may change below and the server keeps its own for its log.
        inner = cast(Scope, {**scope, REQUEST_ID_KEY: request_id})
        bodyless = scope["method"] == "HEAD"
        if bodyless:
            cast("dict[str, object]", inner)["method"] = "GET"
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            elif bodyless and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self._app(inner, receive, send_with_id)
            except Exception:
                _log.exception("request_failed", method=scope["method"], path=scope["path"])
                if started:
                    raise
                await _internal_error(inner, request_id, send_with_id)


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    # Anything else would let a client write what it likes into headers and logs.
    return given.decode() if _ACCEPTABLE_REQUEST_ID.fullmatch(given) else secrets.token_hex(12)


async def _internal_error(scope: Scope, request_id: str, send: Send) -> None:
    languages = b",".join(value for name, value in scope["headers"] if name == b"accept-language")
    failure = FAILURES["INTERNAL_ERROR"]
    text = failure.en if preferred_language(languages.decode("latin-1")) == "en" else failure.pt
    body = msgspec.json.encode(ErrorAnswer(error=text, code=failure.code, request_id=request_id))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": failure.http, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
