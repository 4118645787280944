"""The OpenAPI document: what Litestar derives from the routes, with our failures and the owner's header added."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec
from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin

from api.answers import ErrorAnswer
from contracts.errors import FAILURES

OPENAPI_PATH = "/api/openapi.json"

_ALWAYS: tuple[int, ...] = (400, 401, 403, 413, 429, 500, 503)
_COMMANDS = ("/refresh-qr", "/pairing-code", "/reconnect", "/disconnect", "/logout", "/abort", "/send-message")

_CONNECTION_ID = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}$"
_PATH_PATTERNS = {
    "connection_id": _CONNECTION_ID,
    "atendimento_id": r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "chat_id": r"^([0-9A-Za-z._+:-]+@[a-z.]+|\+?[0-9() .-]{5,40})$",
}

Json = dict[str, Any]


def openapi_config(version: str) -> OpenAPIConfig:
    """One JSON document and no page: a page would fetch its scripts from elsewhere."""
    return OpenAPIConfig(
        title="Perene",
        version=version,
        description="WhatsApp sessions that are never lost. The routes under `/api/whatsapp` are the same.",
        path=OPENAPI_PATH,
        render_plugins=[_Document(path="/")],
    )


class _Document(OpenAPIRenderPlugin):
    """Serves the completed document, made once."""

    _made: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:  # noqa: ARG002 - Litestar's
        if self._made is None:
            self._made = document(openapi_schema)
        return self._made


def document(derived: Json) -> bytes:
    """The document as it is served, from what Litestar derived."""
    text = msgspec.json.encode(completed(derived))
    # Litestar names a generic's schema by the module of its argument.
    text = re.sub(rb"(\w+)_list_api\.\w+\.(\w+)_", rb"\1Of\2List", text)
    return re.sub(rb"(\w+)_api\.\w+\.(\w+)_", rb"\1Of\2", text)


def completed(derived: Json) -> Json:
    """Litestar's document with what every route has in common."""
    (reference,), schemas = msgspec.json.schema_components([ErrorAnswer], ref_template="#/components/schemas/{name}")
    components = cast(Json, derived.setdefault("components", {}))
    schemas["ErrorAnswer"]["properties"]["code"] = {"type": "string", "enum": sorted(FAILURES)}
    components.setdefault("schemas", {}).update(schemas)
    schemas_made = cast("dict[str, Json]", components["schemas"])
    schemas_made["CreateConnection"]["properties"]["connectionId"]["pattern"] = _CONNECTION_ID
    schemas_made["CreateConnection"]["properties"]["proxy"]["pattern"] = r"^$|^(http|https|socks5)://[^\s/]+/?$"
    failure: Json = {
        "description": "Failure",
        "headers": {"X-Request-Id": {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": reference}},
    }
    for path, item in cast("dict[str, Json]", derived["paths"]).items():
        for method, operation in item.items():
            if method not in ("get", "post", "delete"):
                continue
            responses = cast(Json, operation["responses"])
            responses |= {str(status): failure for status in _failure_statuses(path, method, operation)}
            if path.endswith("/qr"):
                _add_pictures(responses["200"]["content"])
            if path.endswith("/health"):
                responses["503"] = responses["200"]
                continue  # A wrong owner is no reason to say nothing of the health.
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in _PATH_PATTERNS:
                    parameter["schema"]["pattern"] = _PATH_PATTERNS[parameter["name"]]
            if path.endswith("/connections") and method == "post":
                operation["requestBody"]["required"] = False
                responses["200"] = {**responses["201"], "description": "`autoInit` found a live connection"}
            operation.setdefault("parameters", []).append(_OWNER_HEADER)
    return derived


_OWNER_HEADER: Json = {
    "name": "x-user-id",
    "in": "header",
    "required": False,
    "description": "The owner, in `local` auth mode and for the `service_role`; the default owner where absent.",
    "schema": {"type": "string", "format": "uuid"},
}


def _failure_statuses(path: str, method: str, operation: Json) -> set[int]:
    statuses: set[int] = set(_ALWAYS)
    if "{" in path or path.endswith("/change-mode"):
        statuses.add(404)
    if "requestBody" in operation:
        statuses.add(415)
    if path.endswith(_COMMANDS) or method == "delete":
        statuses |= {409, 410, 504}
    elif method == "post":
        statuses.add(409)
    return statuses


def _add_pictures(content: Json) -> None:
    for media_type in ("image/png", "image/svg+xml"):
        content[media_type] = {"schema": {"type": "string", "format": "binary"}}
