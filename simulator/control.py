"""The control API: plays the person with the phone, and the weather. JSON over HTTP, on loopback only.

An error is `{"error": text, "code": CODE}` with a fitting status.
"""

from __future__ import annotations

import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from simulator.control_errors import ControlError, InvalidError
from simulator.faults import EVERYONE, Kind
from simulator.phone_errors import InvalidPhoneError
from simulator.phone_number import phone_digits
from simulator.phone_routes import routes as phone_routes
from simulator.phones import Phones
from simulator.world import World

VERSION = "1"
_PAGE = Path(__file__).with_name("page")
_LONGEST_FAULT = 7 * 24 * 3600.0
_LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1", "[::1]"))
_log = logging.getLogger(__name__)


def control_app(world: World, phones: Phones, proxy: str) -> web.Application:
    """Routes over `world`:

    - `GET /info`: `{proxy, caFile, noiseRoot, version}`, what a client needs to come here instead of to WhatsApp
    - `POST /phone/scan {qr, phone, name?}`, `POST /phone/link {phone, code, name?}`: `{jid, lid, phone}`
    - `GET /pairings`: `{pairings: [{ref, since, secondsLeft}]}`, clients that wait for a scan
    - `POST /phone/{phone}/unlink {jid?}`: `{unlinked: [jid]}`
    - `POST /phone/{phone}/absent`, `DELETE /phone/{phone}/absent`: whether a number is on WhatsApp
    - `GET /devices`: `{devices: [{jid, phone, lid, connected, attempts, connects, …}]}`
    - `GET /stats`: counts since the start
    - `POST /faults {target, kind, seconds?, count?, delaySeconds?, banCode?, banSeconds?}`, `GET`, `DELETE /faults`
    - `/` and below: the page of the phone; `phone_routes` has the rest
    """
    api = _Control(world, proxy)
    app = web.Application(middlewares=[_errors], client_max_size=128 * 1024**2)
    app.add_routes(
        [
            web.get("/info", api.info),
            web.post("/phone/scan", api.scan),
            web.post("/phone/link", api.link),
            web.get("/pairings", api.pairings),
            web.post("/phone/{phone}/unlink", api.unlink),
            web.post("/phone/{phone}/absent", api.absent),
            web.delete("/phone/{phone}/absent", api.present),
            web.get("/devices", api.devices),
            web.get("/stats", api.stats),
            web.get("/faults", api.faults),
            web.post("/faults", api.add_fault),
            web.delete("/faults", api.clear_faults),
            *phone_routes(phones),
            web.get("/", api.page),
            web.static("/", _PAGE),
        ]
    )
    return app


class _Control:
    def __init__(self, world: World, proxy: str) -> None:
        self._world = world
        self._proxy = proxy

    async def info(self, _: web.Request) -> web.StreamResponse:
        ca_file = self._world.settings.data_dir / "ca.pem"
        root = self._world.keys.root.public.hex()
        return web.json_response({"proxy": self._proxy, "caFile": str(ca_file), "noiseRoot": root, "version": VERSION})

    async def scan(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        name = _optional(body, "name", str)
        device = await self._world.scan(_required(body, "qr", str), _phone(_required(body, "phone", str)), name)
        return web.json_response({"jid": str(device.jid), "lid": str(device.lid_jid), "phone": device.phone})

    async def link(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        name = _optional(body, "name", str)
        phone, code = _phone(_required(body, "phone", str)), _required(body, "code", str)
        device = await self._world.code_links.enter(phone, code, name)
        return web.json_response({"jid": str(device.jid), "lid": str(device.lid_jid), "phone": device.phone})

    async def pairings(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"pairings": self._world.pairings.describe()})

    async def unlink(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request) if request.can_read_body else {}
        devices = self._world.unlink_phone(_path_phone(request), _optional(body, "jid", str))
        return web.json_response({"unlinked": [str(device.jid) for device in devices]})

    async def absent(self, request: web.Request) -> web.StreamResponse:
        return self._set_absent(request, absent=True)

    async def present(self, request: web.Request) -> web.StreamResponse:
        return self._set_absent(request, absent=False)

    def _set_absent(self, request: web.Request, *, absent: bool) -> web.StreamResponse:
        phone = _path_phone(request)
        self._world.registry.set_absent(phone, absent)
        return web.json_response({"phone": phone, "absent": absent})

    async def devices(self, _: web.Request) -> web.StreamResponse:
        clients = self._world.clients
        return web.json_response({"devices": [clients.describe(device) for device in self._world.registry.devices()]})

    async def stats(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self._world.figures())

    async def faults(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"faults": [fault.describe() for fault in self._world.faults.active()]})

    async def add_fault(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        kind, target = _required(body, "kind", str), _optional(body, "target", str) or EVERYONE
        if kind not in frozenset(Kind):
            raise InvalidError(f"kind is one of {', '.join(Kind)}")
        count = _optional(body, "count", int)
        if count is not None and count < 1:
            raise InvalidError("count is at least 1")
        delay = _seconds(body, "delaySeconds")
        if kind == Kind.DELAY and not delay:
            raise InvalidError("delay needs delaySeconds")
        fault = self._world.faults.add(
            target if target == EVERYONE else _phone(target),
            Kind(kind),
            _seconds(body, "seconds"),
            count,
            delay or 0,
            _optional(body, "banCode", int) or 101,
            _optional(body, "banSeconds", int) or 3600,
        )
        _log.info("fault %s for %s", fault.kind, fault.target)
        struck = self._world.strike(fault)
        return web.json_response({"fault": fault.describe(), "struck": struck})

    async def clear_faults(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"cleared": self._world.faults.clear()})

    async def page(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(_PAGE / "index.html")


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        if not _is_loopback(request) or not _is_same_origin(request):
            raise web.HTTPForbidden
        return await handler(request)
    except ControlError as error:
        return web.json_response({"error": str(error), "code": error.code}, status=error.status)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = (error.reason or "error").upper().replace(" ", "_")
        return web.json_response({"error": error.reason, "code": code}, status=error.status)


def _is_loopback(request: web.Request) -> bool:
    """Whether both ends say so: the peer's address, and the host name (a page elsewhere may point a name here)."""
    host = request.host.rpartition(":")[0] if not request.host.endswith("]") else request.host
    if (host or request.host) not in _LOOPBACK_NAMES:
        return False
    return request.remote is not None and ipaddress.ip_address(request.remote).is_loopback


def _is_same_origin(request: web.Request) -> bool:
    """Whether a browser sends this from the simulator's own page, and not from somebody else's."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body: Any = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidError("the body is JSON") from error
    if not isinstance(body, dict):
        raise InvalidError("the body is a JSON object")
    return body  # pyright: ignore[reportUnknownVariableType]  # JSON objects have string keys


def _optional(body: dict[str, Any], field: str, kind: type[Any]) -> Any:
    value = body.get(field)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise InvalidError(f"{field} has the wrong type")
    return value


def _required(body: dict[str, Any], field: str, kind: type[Any]) -> Any:
    value = _optional(body, field, kind)
    if value is None:
        raise InvalidError(f"{field} is missing")
    return value


def _seconds(body: dict[str, Any], field: str) -> float | None:
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_FAULT:
        raise InvalidError(f"{field} is a number of seconds above 0")
    return float(value)


def _phone(text: str) -> str:
    try:
        return phone_digits(text)
    except InvalidPhoneError as error:
        raise InvalidError(str(error)) from error


def _path_phone(request: web.Request) -> str:
    return _phone(request.match_info["phone"])
