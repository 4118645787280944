"""The control API's routes for what a person does with a phone: write, read, look at what came.

A phone in a path is made live by the request. An error is `{"error": text, "code": CODE}` with a fitting status.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from simulator.phone_errors import InvalidRequestError, PhoneError
from simulator.phones import Phones

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(phones: Phones) -> list[web.RouteDef]:
    """Routes over `phones`:

    - `GET /phones`: `{phones: [{phone, name, jid, online, messages}]}`
    - `POST /phone/{phone}/ensure {name?}`: link and connect it, `{phone, jid, name}`
    - `GET /phone/{phone}/messages?after=&wait=&live=` (`live=0` does not make the phone live):
      `{messages: [{seq, id, from, chat, fromMe, kind, text, timestamp, status}]}`
    - `POST /phone/{phone}/send {to, text, quotedId?}`: `{messageId, timestamp}`
    - `POST /phone/{phone}/send-media
      {to, kind, data, mimeType, caption?, fileName?, seconds?, voice?, quotedId?}`: data in base64
    - `POST /phone/{phone}/react {messageId, emoji}`
    - `POST /phone/{phone}/read {chat}`: `{messageIds}`
    - `POST /phone/{phone}/typing {to, state?}`: state is composing, recording or paused
    - `POST /phone/{phone}/groups {name, participants}`: `{chat}`
    - `GET /phone/{phone}/messages/{id}/file`: the decrypted file
    """
    api = _PhoneApi(phones)
    return [
        web.get("/phones", _guarded(api.all)),
        web.post("/phone/{phone}/ensure", _guarded(api.ensure)),
        web.get("/phone/{phone}/messages", _guarded(api.messages)),
        web.get("/phone/{phone}/messages/{id}/file", _guarded(api.file)),
        web.post("/phone/{phone}/send", _guarded(api.send)),
        web.post("/phone/{phone}/send-media", _guarded(api.send_media)),
        web.post("/phone/{phone}/react", _guarded(api.react)),
        web.post("/phone/{phone}/read", _guarded(api.read)),
        web.post("/phone/{phone}/typing", _guarded(api.typing)),
        web.post("/phone/{phone}/groups", _guarded(api.group)),
    ]


class _PhoneApi:
    def __init__(self, phones: Phones) -> None:
        self._phones = phones

    async def all(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"phones": await self._phones.all()})

    async def ensure(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request) if request.can_read_body else {}
        return web.json_response(await self._phones.ensure(_phone(request), _optional(body, "name", str)))

    async def messages(self, request: web.Request) -> web.StreamResponse:
        try:
            after, wait = int(request.query.get("after", "0")), float(request.query.get("wait", "0"))
        except ValueError as error:
            raise InvalidRequestError("after and wait are numbers") from error
        live = request.query.get("live", "1") != "0"
        return web.json_response({"messages": await self._phones.messages(_phone(request), after, wait, live=live)})

    async def file(self, request: web.Request) -> web.StreamResponse:
        data, mime_type = await self._phones.download(_phone(request), request.match_info["id"])
        return web.Response(body=data, headers={"Content-Type": mime_type, "X-Content-Type-Options": "nosniff"})

    async def send(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        to, text = _required(body, "to", str), _required(body, "text", str)
        return web.json_response(await self._phones.send(_phone(request), to, text, _optional(body, "quotedId", str)))

    async def send_media(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        try:
            data = base64.b64decode(_required(body, "data", str), validate=True)
        except binascii.Error as error:
            raise InvalidRequestError("data is base64") from error
        details = {
            "caption": _optional(body, "caption", str),
            "fileName": _optional(body, "fileName", str),
            "seconds": _optional(body, "seconds", int),
            "voice": _optional(body, "voice", bool),
            "quotedId": _optional(body, "quotedId", str),
        }
        to, kind, mime_type = (_required(body, field, str) for field in ("to", "kind", "mimeType"))
        return web.json_response(await self._phones.send_media(_phone(request), to, kind, data, mime_type, **details))

    async def react(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        message_id, emoji = _required(body, "messageId", str), _required(body, "emoji", str)
        return web.json_response(await self._phones.react(_phone(request), message_id, emoji))

    async def read(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        return web.json_response(await self._phones.read(_phone(request), _required(body, "chat", str)))

    async def typing(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        state = _optional(body, "state", str) or "composing"
        await self._phones.typing(_phone(request), _required(body, "to", str), state)
        return web.json_response({})

    async def group(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        people: list[Any] = _required(body, "participants", list)
        name = _required(body, "name", str)
        return web.json_response(await self._phones.create_group(_phone(request), name, [str(one) for one in people]))


def _phone(request: web.Request) -> str:
    return request.match_info["phone"]


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError("the body is JSON") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("the body is a JSON object")
    return body  # pyright: ignore[reportUnknownVariableType]  # JSON objects have string keys


def _required(body: dict[str, Any], field: str, kind: type[Any]) -> Any:
    value = _optional(body, field, kind)
    if value is None:
        raise InvalidRequestError(f"{field} is missing")
    return value


def _optional(body: dict[str, Any], field: str, kind: type[Any]) -> Any:
    value = body.get(field)
    if value is not None and not isinstance(value, kind):
        raise InvalidRequestError(f"{field} is a {kind.__name__}")
    return value


def _guarded(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except PhoneError as error:
            body = {"error": str(error), "code": error.code}
            return web.json_response(body, status=error.status)

    return answer
