"""The one way from an id in a path to a session row: another owner's is as absent as one that never was."""

from __future__ import annotations

from api.auth import Caller
from api.deadlines import database
from api.services import Services
from contracts.errors import ConnectionNotFound
from contracts.ids import is_connection_id
from store.session_rows import SessionRow


async def owned_session(services: Services, caller: Caller, connection_id: str) -> SessionRow:
    """The caller's session. Raises ConnectionNotFound, also for what could never be an id."""
    if not is_connection_id(connection_id):
        raise ConnectionNotFound
    return await database(services.sessions.get(caller.owner_id, connection_id))
