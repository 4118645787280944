"""Leases: which worker process may hold which session's socket. The clock is the database's alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.errors import ConnectionNotFound, StaleEpoch
from contracts.ports import Lease
from store.pool import Connection, Database

FORGET_HOSTS_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LiveHost:
    """A worker process with a live lease. `held` is what it said at its last renewal; `expires_in` seconds."""

    host_id: str
    process_name: str
    capacity: int
    held: int
    build: str
    registered_at: datetime
    expires_in: float


class PostgresLeases:
    """`contracts.ports.LeaseStore` on PostgreSQL, under the role perene_worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, *, host_id: str, process_name: str, capacity: int, build: str, ttl: float) -> None:
        """Make this process a host whose lease lives `ttl` seconds of database time from now."""
        async with self._database.ownerless() as connection:
            # Whoever registers holds nothing yet; what an earlier life under this id held is free.
            await connection.execute("SELECT perene.retire_host($1)", host_id)
            await connection.execute(
                """
                INSERT INTO session_hosts (host_id, process_name, capacity, build, expires_at)
                VALUES ($1, $2, $3, $4, clock_timestamp() + $5)
                ON CONFLICT (host_id) DO UPDATE SET
                    process_name = excluded.process_name, capacity = excluded.capacity, build = excluded.build,
                    expires_at = excluded.expires_at, registered_at = clock_timestamp(),
                    renewed_at = clock_timestamp(), retired_at = NULL, held = 0
                """,
                host_id,
                process_name,
                capacity,
                build,
                timedelta(seconds=ttl),
            )
            await connection.execute(
                "DELETE FROM session_hosts WHERE expires_at < clock_timestamp() - $1::interval", FORGET_HOSTS_AFTER
            )

    async def renew(self, host_id: str, *, ttl: float, held: int) -> bool:
        """Renew; `held` sessions are held now. False if the lease had expired already (it is not renewed then)."""
        async with self._database.ownerless() as connection:
            # Locked first, so that the clock is read after a claim that found this lease expired, not before it.
            await connection.execute("SELECT FROM session_hosts WHERE host_id = $1 FOR NO KEY UPDATE", host_id)
            renewed = await connection.fetchval(
                """
                UPDATE session_hosts
                SET expires_at = clock_timestamp() + $2, renewed_at = clock_timestamp(), held = $3
                WHERE host_id = $1 AND retired_at IS NULL AND expires_at > clock_timestamp()
                RETURNING true
                """,
                host_id,
                timedelta(seconds=ttl),
                held,
            )
        return renewed is True

    async def retire(self, host_id: str) -> None:
        """End this host's lease at once and release every session it holds."""
        async with self._database.ownerless() as connection:
            await connection.execute("SELECT perene.retire_host($1)", host_id)

    async def claim(self, connection_id: str, owner_id: str, host_id: str) -> Lease | None:
        """Take the session with a new epoch if no other host with a live lease holds it.

        None while another live host holds it, and where this host's own lease is over. What this host holds itself
        it may claim again: the answer to its claim may have been lost. Raises ConnectionNotFound if the row is gone.
        """
        async with self._database.tenant(owner_id) as connection:
            row = await connection.fetchrow(
                """
                SELECT host_id, proxy FROM whatsapp_sessions WHERE connection_id = $1 AND owner_id = $2
                FOR NO KEY UPDATE
                """,
                connection_id,
                owner_id,
            )
            if row is None:
                raise ConnectionNotFound(f"no connection {connection_id} to claim")
            if row["host_id"] not in (None, host_id) and await _is_live(connection, row["host_id"]):
                return None
            if not await _is_live(connection, host_id):
                return None
            epoch: int = await connection.fetchval(
                """
                UPDATE whatsapp_sessions
                SET host_id = $3, lease_epoch = nextval('lease_epochs'), claimed_at = clock_timestamp()
                WHERE connection_id = $1 AND owner_id = $2
                RETURNING lease_epoch
                """,
                connection_id,
                owner_id,
                host_id,
            )
        return Lease(
            connection_id=connection_id,
            owner_id=owner_id,
            host_id=host_id,
            epoch=epoch,
            proxy=row["proxy"],
            taken_over=row["host_id"] not in (None, host_id),
        )

    async def release(self, lease: Lease) -> None:
        """Give the session up. Does nothing if the epoch is no longer current."""
        async with self._database.tenant(lease.owner_id) as connection:
            await connection.execute(
                """
                UPDATE whatsapp_sessions SET host_id = NULL
                WHERE connection_id = $1 AND owner_id = $2 AND host_id = $3 AND lease_epoch = $4
                """,
                lease.connection_id,
                lease.owner_id,
                lease.host_id,
                lease.epoch,
            )


async def live_hosts(database: Database) -> list[LiveHost]:
    """Every worker process whose lease is live, by name. Raises DatabaseUnavailable."""
    async with database.ownerless() as connection:
        rows = await connection.fetch(
            """
            SELECT host_id, process_name, capacity, held, build, registered_at,
                extract(epoch FROM expires_at - clock_timestamp())::float8 AS expires_in
            FROM session_hosts WHERE retired_at IS NULL AND expires_at > clock_timestamp()
            ORDER BY process_name, host_id
            """
        )
    return [LiveHost(**dict(row)) for row in rows]


async def hold(connection: Connection, lease: Lease) -> None:
    """Lock the session's row for this transaction, so that one connection's writes are committed one after another.

    Raises StaleEpoch if `lease` is no longer the session's.
    """
    held = await connection.fetchval(
        """
        SELECT true FROM whatsapp_sessions
        WHERE connection_id = $1 AND owner_id = $2 AND host_id = $3 AND lease_epoch = $4
        FOR NO KEY UPDATE
        """,
        lease.connection_id,
        lease.owner_id,
        lease.host_id,
        lease.epoch,
    )
    if held is not True:
        raise StaleEpoch(f"epoch {lease.epoch} of {lease.connection_id} is over")


async def _is_live(connection: Connection, host_id: str) -> bool:
    # Locked, so that a renewal that has begun in time is seen, and one that begins later waits and finds itself late.
    live = await connection.fetchval(
        """
        SELECT retired_at IS NULL AND expires_at > clock_timestamp() FROM session_hosts WHERE host_id = $1 FOR SHARE
        """,
        host_id,
    )
    return live is True
