"""Connections to PostgreSQL: a pool whose every use ends within seconds, and transactions bound to one owner.

Whatever is wrong with the server (stopped, killed, frozen, full), callers get `DatabaseUnavailable`, and the next call
after it is back works: a connection that failed is thrown away, never reused.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from contracts.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""A connection, pooled or not."""

QUEUE_SECONDS = 10.0
"""How long a call may wait for others of this process; long, because a crowd of sessions is no failure."""
CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 5.0

_UNSERVED = (
    OSError,  # and with it TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
)

_CONTENTION = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
"""The same transaction may succeed when it is tried again."""


def is_lost(problem: BaseException) -> bool:
    """Whether `problem` means that the connection is of no use any more, or that the server cannot serve."""
    # InterfaceError itself says that the connection is closed; its subclasses speak of wrong arguments.
    return isinstance(problem, _UNSERVED) or type(problem) is asyncpg.InterfaceError


class Database:
    """A pool under one role. Open with `await Database.open(url)`; close with `await database.close()`."""

    def __init__(self, url: str, pool: asyncpg.Pool[asyncpg.Record], size: int, queue_seconds: float) -> None:
        self.url = url
        self._pool = pool
        # Not the pool's own queue: its time-out covers connecting as well, which must be short.
        self._turns = asyncio.Semaphore(size)
        self._queue_seconds = queue_seconds

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        size: int = 10,
        command_seconds: float = COMMAND_SECONDS,
        queue_seconds: float = QUEUE_SECONDS,
        name: str = "perene",
    ) -> Database:
        """Make the pool; it connects when first used, so the server may still be away. `size`: connections at most.

        `command_seconds` bounds each statement, `queue_seconds` the wait for one of the connections; `name` is shown in
        pg_stat_activity.
        """
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=size,
            timeout=CONNECT_SECONDS,
            command_timeout=command_seconds,
            max_inactive_connection_lifetime=120,
            init=prepare_connection,
            # The default asks the server each time.
            reset=_keep,
            server_settings={"application_name": name},
        )
        await pool
        return cls(url, pool, size, queue_seconds)

    async def close(self) -> None:
        """Close every connection, waiting for running statements at most as long as one may take."""
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def tenant(self, owner_id: str) -> AsyncGenerator[Connection]:
        """A transaction that sees and touches the rows of `owner_id` (a UUID) alone; commits on leaving.

        Raises DatabaseUnavailable (nothing was done, or, if it was lost during the commit, nobody knows), ValueError
        for an owner that is no UUID, and what the statements raise.
        """
        async with self._transaction(f"SET LOCAL perene.owner_id = '{UUID(owner_id)}'") as connection:
            yield connection

    @asynccontextmanager
    async def all_owners(self) -> AsyncGenerator[Connection]:
        """A transaction that may read the sessions of every owner, for those roles whose policies allow it."""
        async with self._transaction("SET LOCAL perene.scope = 'reconcile'") as connection:
            yield connection

    @asynccontextmanager
    async def ownerless(self) -> AsyncGenerator[Connection]:
        """A transaction for tables that have no owner; rows that have one are out of sight."""
        async with self._transaction("SET LOCAL perene.owner_id = ''") as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, scope: str) -> AsyncGenerator[Connection]:
        await self._take_turn()
        try:
            connection = await self._begin(f"BEGIN; {scope}")
            try:
                yield connection
                await connection.execute("COMMIT")
            except BaseException as problem:
                await self._give_up(connection, problem)
                raise
            await self._release(connection)
        finally:
            self._turns.release()

    async def _take_turn(self) -> None:
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._turns.acquire()
        except TimeoutError as problem:
            raise DatabaseUnavailable(f"every connection was busy for {self._queue_seconds:g} s") from problem

    async def _begin(self, statement: str) -> PoolConnectionProxy[asyncpg.Record]:
        """Take a connection and begin. Pooled ones may have died with an earlier server: try until one lives."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            connection = await self._acquire()
            try:
                await connection.execute(statement)
            except BaseException as problem:
                stale = is_lost(problem) and not isinstance(problem, TimeoutError)
                if stale and time.monotonic() < deadline:
                    await self._throw_away(connection)
                    continue
                await self._give_up(connection, problem)
                raise
            return connection

    async def _acquire(self) -> PoolConnectionProxy[asyncpg.Record]:
        try:
            return await self._pool.acquire(timeout=CONNECT_SECONDS)
        except Exception as problem:
            if is_lost(problem):
                raise DatabaseUnavailable(f"no connection to PostgreSQL: {type(problem).__name__}") from problem
            raise

    async def _give_up(self, connection: PoolConnectionProxy[asyncpg.Record], problem: BaseException) -> None:
        """End the transaction after `problem`; raises DatabaseUnavailable where that is what it means."""
        # A statement that timed out or was cancelled is still running at the server, and a connection in doubt is
        # cheaper to make again than to trust. The server rolls back when it sees the socket closed.
        if is_lost(problem) or not isinstance(problem, Exception):
            await self._throw_away(connection)
        else:
            try:
                await connection.execute("ROLLBACK")
            except (*_UNSERVED, asyncpg.PostgresError, asyncpg.InterfaceError):
                # What is told is the first problem; this one only says that the connection is gone as well.
                await self._throw_away(connection)
            else:
                await self._release(connection)
        if is_lost(problem) or isinstance(problem, _CONTENTION):
            raise DatabaseUnavailable(f"PostgreSQL gave up: {type(problem).__name__}") from problem

    async def _throw_away(self, connection: PoolConnectionProxy[asyncpg.Record]) -> None:
        _terminate(connection)
        await self._release(connection)

    async def _release(self, connection: PoolConnectionProxy[asyncpg.Record]) -> None:
        try:
            await self._pool.release(connection, timeout=CONNECT_SECONDS)
        except (*_UNSERVED, asyncpg.InterfaceError):
            # The transaction is over by now; the connection cannot be kept, and that is all.
            _terminate(connection)


def _terminate(connection: PoolConnectionProxy[asyncpg.Record]) -> None:
    # The pool takes a connection back by itself when its socket closes, and then refuses calls through this proxy.
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _keep(connection: Connection) -> None:
    """Nothing to reset: settings are local to their transactions, and nobody listens or locks on pooled connections."""


async def prepare_connection(connection: Connection) -> None:
    """Let jsonb columns be Python values. (msgspec would refuse to write integers that jsonb can keep.)"""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=msgspec.json.decode)


Json = dict[str, Any]
"""A JSON object of a jsonb column."""
