"""The owner's view of the outbox, for sockets that resume."""

from __future__ import annotations

from store.outbox import Replay, replay
from store.pool import Database


class StoreOutbox:
    """Implements `api.ports.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replay(self, owner_id: str, after: int, limit: int) -> Replay:
        """At most `limit` of the owner's events above `after`, oldest first. Raises DatabaseUnavailable."""
        return await replay(self._database, owner_id, after, limit)
