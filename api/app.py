"""Puts the API together: routes under both base paths, errors, CORS, Socket.IO, and the outermost layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import socketio  # pyright: ignore[reportMissingTypeStubs]
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from api.allowed_methods import options_routes
from api.atendimentos import change_mode, read_atendimento
from api.boundary import Boundary
from api.chats import list_chats, list_contacts, list_messages
from api.connections import connection_history, create_connection, get_connection, list_connections
from api.conversations import abrir_conversa, finalizar_conversa, mark_read
from api.cross_origin import Origins
from api.errors import framework_error, perene_error, unexpected_error
from api.health import HealthCheck, health
from api.json_request import JsonRequest
from api.lifecycle import abort, delete_connection, disconnect, logout, pairing_code, reconnect, refresh_qr
from api.openapi import openapi_config
from api.qr import get_qr
from api.sends import send_message
from api.services import Services, provide_caller, provide_language, provide_services
from api.sockets import Sockets
from contracts.errors import PereneError

BASE_PATHS = ("/api/baileys-simple", "/api/whatsapp")
MAX_JSON_BYTES = 1_000_000

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]

_ROUTES = (
    health,
    list_connections,
    create_connection,
    get_connection,
    connection_history,
    get_qr,
    refresh_qr,
    pairing_code,
    reconnect,
    disconnect,
    logout,
    abort,
    delete_connection,
    send_message,
    mark_read,
    finalizar_conversa,
    abrir_conversa,
    change_mode,
    read_atendimento,
    list_chats,
    list_messages,
    list_contacts,
)


def rest_app(services: Services, origins: Origins, *, lifespan: Sequence[Lifespan] = ()) -> Litestar:
    """The REST half."""
    health_check = HealthCheck(services.probe, services.orchestrator)

    async def provide_health_check() -> HealthCheck:
        return health_check

    return Litestar(
        route_handlers=[Router(path, route_handlers=[*options_routes(_ROUTES), *_ROUTES]) for path in BASE_PATHS],
        state=State({"services": services}),
        dependencies={
            "services": Provide(provide_services),
            "caller": Provide(provide_caller),
            "language": Provide(provide_language),
            "health_check": Provide(provide_health_check),
        },
        exception_handlers={
            PereneError: perene_error,
            HTTPException: framework_error,
            Exception: unexpected_error,
        },
        before_request=origins.check,
        cors_config=origins.cors(),
        openapi_config=openapi_config(services.version),
        request_class=JsonRequest,
        request_max_body_size=MAX_JSON_BYTES,
        lifespan=list(lifespan),
        debug=False,
        logging_config=None,
    )


def whole_app(rest: Litestar, sockets: Sockets) -> ASGIApp:
    """REST and Socket.IO on one port."""
    combined: Any = socketio.ASGIApp(sockets.server, other_asgi_app=rest, socketio_path="socket.io")
    return Boundary(cast(ASGIApp, combined))
