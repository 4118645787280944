"""The relay goes on: through the death of PostgreSQL, past clients that do not read, and past events it cannot tell."""

from __future__ import annotations

import asyncio
import os

import pytest
import websockets

from api import delivery
from contracts.ids import DEFAULT_OWNER_ID
from contracts.realtime import ClientEvent
from tests.api.conftest import Api, running_api
from tests.api.socket_client import connected
from tests.api.test_socket_events import tell, update
from tests.postgres import ThrowAwayServer

SLOW_CLIENT_SECONDS = 60


async def test_events_flow_again_after_postgresql_was_killed(own_postgres: ThrowAwayServer) -> None:
    async with running_api(own_postgres, "perene") as api, connected(api.url) as client:
        await tell(api, update(1))
        await client.hears(1)
        own_postgres.kill()
        assert await client.ask("joinConnection", {"connectionId": "c-1"}) == {
            "ok": False,
            "code": "DATABASE_UNAVAILABLE",
        }
        own_postgres.start()
        await tell(api, update(2))
        heard = await client.hears(2)
        assert [payload["update"]["n"] for _, payload in heard] == [1, 2]


async def test_a_client_that_does_not_read_is_cut_off_and_holds_up_nobody(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_BACKLOG", 20)
    async with (
        websockets.connect(
            f"ws://127.0.0.1:{api.served.port}/socket.io/?EIO=4&transport=websocket",
            max_queue=1,
            ping_interval=None,
            close_timeout=0.1,
        ) as slow,
        connected(api.url) as quick,
    ):
        await slow.recv()
        await slow.send("40")
        await slow.recv()
        assert len(api.sockets.audiences) == 2
        # From here on `slow` takes nothing more, and soon the kernel's buffers are full.
        big = {"connectionId": "c-1", "update": {"connection": "open", "filler": os.urandom(200_000).hex()}}
        told = 0
        async with asyncio.timeout(SLOW_CLIENT_SECONDS):
            while len(api.sockets.audiences) == 2:
                await tell(api, *[(ClientEvent.CONNECTION_UPDATE, big)] * 10)
                told += 10
                await quick.hears(told)
        assert told > delivery.MAX_BACKLOG
        await tell(api, update(1))
        await quick.hears(told + 1)


async def test_an_event_of_an_unknown_name_is_passed_over(api: Api) -> None:
    async with connected(api.url) as client:
        async with api.worker_database.tenant(DEFAULT_OWNER_ID) as connection:
            await connection.execute(
                "INSERT INTO outbox (owner_id, connection_id, event, payload) VALUES ($1, 'c-1', 'from:later', '{}')",
                DEFAULT_OWNER_ID,
            )
        await tell(api, update(1))
        ((name, _),) = await client.hears(1)
        assert name == "connectionUpdate"
        assert (await client.ask("resume", {"after": 0}))["ok"] is True
        assert set(client.names) == {"connectionUpdate"}
