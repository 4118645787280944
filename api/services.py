"""What the routes work with, put together by the composition root and carried by the application's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from litestar import Request

from api.auth import Authenticator, Caller, Credentials
from api.language import Language, preferred_language
from api.ports import Atendimentos, Chats, Orchestrator, Probe, ReadMarks, Sends, Sessions


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """The outside of the API. `max_connections`: how many connected sessions one owner may have; `window_seconds`:
    for how long an untouched QR code is renewed."""

    sessions: Sessions
    sends: Sends
    chats: Chats
    read_marks: ReadMarks
    atendimentos: Atendimentos
    probe: Probe
    orchestrator: Orchestrator
    authenticator: Authenticator
    max_connections: int
    window_seconds: float
    version: str
    now: Callable[[], datetime] = utc_now


async def provide_services(request: Request[Any, Any, Any]) -> Services:
    return cast(Services, request.app.state.services)


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Who is asking. Raises PereneError where that cannot be told."""
    services = await provide_services(request)
    # A repeated header could be read differently by whatever stands before us.
    if len(request.headers.getall("x-user-id", [])) > 1:
        return await services.authenticator.authenticate(Credentials({"x-user-id": ""}, {}, {}))
    return await services.authenticator.authenticate(Credentials(dict(request.headers.items()), {}, {}))


async def provide_language(request: Request[Any, Any, Any]) -> Language:
    return preferred_language(request.headers.get("accept-language", ""))
