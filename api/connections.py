"""Connections: list, create, read, history."""

from __future__ import annotations

from typing import Annotated

import structlog
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from api.answers import Answer, Page
from api.auth import Caller
from api.connection_shapes import Connection, CreateConnection, HistoryEntry, connection_of, history_entry, start_of
from api.deadlines import database
from api.errors import InvalidRequest
from api.language import Language
from api.owned import owned_session
from api.owner_locks import OwnerLocks
from api.phone_numbers import canonical_phone
from api.proxies import checked_proxy
from api.services import Services
from contracts.errors import OrchestratorUnavailable, PereneError
from contracts.ids import is_connection_id, new_connection_id
from store.session_rows import NewSession, SessionRow

DEFAULT_NAME = "WhatsApp"

_auto_init = OwnerLocks()
_log = structlog.get_logger()


@get("/connections", summary="The owner's connections, newest first")
async def list_connections(
    services: NamedDependency[Services], caller: NamedDependency[Caller], language: NamedDependency[Language]
) -> Answer[list[Connection]]:
    rows = await database(services.sessions.newest_first(caller.owner_id))
    return Answer([connection_of(row, language) for row in rows])


@post("/connections", status_code=201, summary="Create a connection and start it")
async def create_connection(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    language: NamedDependency[Language],
    data: JSONBody[CreateConnection | None] = None,
) -> Response[Answer[Connection]]:
    """The row comes first: it is the record, and its workflow can be made from it at any time.

    Where Temporal is away the fresh row is taken back, so that a client that tries again does not collect
    connections it never saw. If the start got through all the same, the row either stays (the workflow wrote to it
    first, and the creation succeeded) or the workflow finds no row and ends.
    """
    asked = data or CreateConnection()
    new = _new_session(asked, services)
    if not asked.auto_init:
        row = await _create(services, caller, new)
        return Response(Answer(connection_of(row, language)), status_code=201)
    # A page that asks twice at once (a double click, a component mounted twice) means one connection.
    async with _auto_init.of(caller.owner_id):
        live = await database(services.sessions.live(caller.owner_id))
        row = live or await _create(services, caller, new)
    return Response(Answer(connection_of(row, language)), status_code=200 if live else 201)


@get(["/connections/{connection_id:str}", "/connections/{connection_id:str}/info"], summary="One connection")
async def get_connection(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    language: NamedDependency[Language],
) -> Answer[Connection]:
    row = await owned_session(services, caller, connection_id)
    return Answer(connection_of(row, language))


@get("/connections/{connection_id:str}/history", summary="What happened to a connection, newest first")
async def connection_history(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="Entries a page")] = 50,
    before: Annotated[
        int | None, QueryParameter(ge=1, le=2**53, description="Only entries with a smaller id: `nextBefore`")
    ] = None,
) -> Page[HistoryEntry]:
    if not is_connection_id(connection_id):
        raise PereneError("no such id", code="CONNECTION_NOT_FOUND")
    # History outlives its connection, so a removed one is still told about, to its owner.
    rows = await database(services.sessions.history(caller.owner_id, connection_id, before=before, limit=limit + 1))
    if not rows and before is None:
        await owned_session(services, caller, connection_id)
    page = [history_entry(row) for row in rows[:limit]]
    return Page(page, next_before=page[-1].id if len(rows) > limit else None)


async def _create(services: Services, caller: Caller, new: NewSession) -> SessionRow:
    row = await database(services.sessions.create(caller.owner_id, new, max_connections=services.max_connections))
    try:
        await services.orchestrator.start(start_of(row))
    except OrchestratorUnavailable:
        if await database(services.sessions.discard(caller.owner_id, new.connection_id)):
            raise
        _log.info("start_got_through", connection_id=new.connection_id)
    return row


def _new_session(asked: CreateConnection, services: Services) -> NewSession:
    connection_id = new_connection_id() if asked.connection_id is None else asked.connection_id
    if not is_connection_id(connection_id):
        raise InvalidRequest("connectionId", "not a usable id", code="INVALID_CONNECTION_ID")
    if asked.phone_number:
        canonical_phone(asked.phone_number, field="phoneNumber")
    return NewSession(
        connection_id=connection_id,
        name=(asked.name or "").strip() or DEFAULT_NAME,
        proxy=checked_proxy(asked.proxy) if asked.proxy else None,
        window_seconds=services.window_seconds,
    )
