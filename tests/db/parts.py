"""The store as its processes see it, with short ways to arrange a test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import asyncpg

from contracts.ports import Lease
from contracts.session import Device, TransitionRecord
from contracts.states import SessionState
from store.accepted_sends import AcceptedSends
from store.atendimentos import Atendimentos
from store.chats import ChatRows
from store.leases import PostgresLeases
from store.messages import PostgresMessages
from store.pool import Database
from store.read_marks import ReadMarks
from store.send_queue import PostgresSendQueue
from store.session_rows import NewSession, SessionRow, SessionRows
from store.sessions import PostgresSessions


@dataclass
class Parts:
    """The store as the processes see it: `rows` is the API's, the others are a worker's."""

    api: Database
    worker: Database
    rows: SessionRows
    sessions: PostgresSessions
    leases: PostgresLeases
    messages: PostgresMessages
    accepted: AcceptedSends
    queue: PostgresSendQueue
    chats: ChatRows
    read_marks: ReadMarks
    atendimentos: Atendimentos

    async def create(self, owner: str, connection_id: str = "c1", *, most: int = 100) -> SessionRow:
        return await self.rows.create(owner, NewSession(connection_id, "Vendas"), max_connections=most)

    async def move(
        self,
        owner: str,
        connection_id: str,
        sequence: int,
        to_state: SessionState,
        *,
        from_state: SessionState = SessionState.STARTING,
        device: Device | None = None,
        reason: str | None = None,
        clear_device: bool = False,
    ) -> list[str]:
        """Record a transition; the connections it superseded, or those that superseded it, marked with a `<`."""
        record = TransitionRecord(
            connection_id=connection_id,
            owner_id=owner,
            sequence=sequence,
            event="test",
            from_state=from_state,
            to_state=to_state,
            at=1_700_000_000.0 + sequence,
            device=device,
            reason=reason,
            clear_device=clear_device,
        )
        result = await self.sessions.record(record)
        return result.superseded if result.superseded_by is None else [f"<{result.superseded_by}"]

    async def held(self, owner: str, connection_id: str = "c1", host_id: str = "h1") -> Lease:
        """A connection that is there, held by a host."""
        await self.create(owner, connection_id)
        lease = await self.leases.claim(connection_id, owner, await self.host(host_id))
        assert lease is not None
        return lease

    async def host(self, host_id: str = "h1", ttl: float = 60.0) -> str:
        await self.leases.register(host_id=host_id, process_name=host_id, capacity=10, build="test", ttl=ttl)
        return host_id


def phone_device(phone: str = "5511999990001", device: int = 1) -> Device:
    return Device(jid=f"{phone}:{device}@s.whatsapp.net", phone=phone, lid=f"99{phone}@lid", push_name="Ana")


async def events_of(superuser: asyncpg.Connection, connection_id: str) -> list[tuple[str, dict[str, Any]]]:
    """What was queued for a connection's clients, in order: event and payload."""
    rows = await superuser.fetch(
        "SELECT event, payload FROM outbox WHERE connection_id = $1 ORDER BY id", connection_id
    )
    return [(row["event"], json.loads(row["payload"])) for row in rows]
