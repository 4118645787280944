"""The lock of a session's row, which puts the writes (and so the events) of one connection in order."""

from __future__ import annotations

from contracts.errors import ConnectionNotFound
from store.pool import Connection


async def lock_session(connection: Connection, owner_id: str, connection_id: str) -> bool:
    """Hold the row's lock to the end of the transaction; whether a device is linked. Raises ConnectionNotFound.

    The same lock that the holder of the session takes for what it writes.
    """
    row = await connection.fetchrow(
        """
        SELECT jid IS NOT NULL AS linked FROM whatsapp_sessions
        WHERE connection_id = $1 AND owner_id = $2 FOR NO KEY UPDATE
        """,
        connection_id,
        owner_id,
    )
    if row is None:
        raise ConnectionNotFound
    return row["linked"]
