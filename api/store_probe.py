"""The health check's questions to PostgreSQL."""

from __future__ import annotations

from store.leases import live_hosts
from store.pool import Database


class StoreProbe:
    """Implements `api.ports.Probe`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ping(self) -> None:
        """Return if PostgreSQL answers. Raises DatabaseUnavailable."""
        async with self._database.ownerless() as connection:
            await connection.fetchval("SELECT 1")

    async def live_hosts(self) -> int:
        """How many worker processes hold a live lease. Raises DatabaseUnavailable."""
        return len(await live_hosts(self._database))
