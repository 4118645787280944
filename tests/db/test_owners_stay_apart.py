"""Whatever an owner asks the store, another owner's rows are neither seen nor changed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.device import QrShown
from contracts.errors import PereneError
from contracts.messages import DeliveryStatus, InboundMessage, MessageType, Receipt, SendJob, SentMessage
from contracts.ports import Lease
from contracts.session import TransitionRecord
from contracts.states import SessionState
from store.outbox import OutboxTail, replay
from store.session_rows import NewSession
from tests.db.conftest import OpenDatabase
from tests.db.parts import Parts, phone_device

A = "00000000-0000-4000-8000-00000000000a"
B = "00000000-0000-4000-8000-00000000000b"
CHAT = "5511988887777@s.whatsapp.net"
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
TABLES = (
    "whatsapp_sessions",
    "session_events",
    "session_pairings",
    "whatsapp_atendimentos",
    "whatsapp_mensagens",
    "early_receipts",
    "chats",
    "contacts",
    "outbox",
    "send_queue",
)

Call = Callable[[Parts, str, Lease], Awaitable[object]]


def _message(number: int) -> InboundMessage:
    return InboundMessage(f"M{number}", CHAT, number % 2 == 0, NOW, MessageType.TEXT, f"of A {number}", "5511988887777")


def _record(connection_id: str, sequence: int, state: SessionState) -> TransitionRecord:
    return TransitionRecord(connection_id, A, sequence, "x", SessionState.STARTING, state, 1e9, device=phone_device())


JOB = SendJob(1, "b1", CHAT, "text", {"text": "x"})
CALLS: dict[str, Call] = {
    "create": lambda parts, name, _: parts.rows.create(A, NewSession(name, "of A"), max_connections=50),
    "discard": lambda parts, name, _: parts.rows.discard(A, name),
    "get": lambda parts, name, _: parts.rows.get(A, name),
    "list": lambda parts, _, __: parts.rows.newest_first(A),
    "live": lambda parts, _, __: parts.rows.live(A),
    "history": lambda parts, name, _: parts.rows.history(A, name),
    "connected": lambda parts, name, _: parts.sessions.record(_record(name, 99, SessionState.CONNECTED)),
    "stopped": lambda parts, name, _: parts.sessions.record(_record(name, 100, SessionState.STOPPED)),
    "publish_qr": lambda parts, _, lease: parts.sessions.publish_qr(lease, QrShown("of A", 20, 1e9, b"a" * 32)),
    "find_paired": lambda parts, name, _: parts.sessions.find_paired(name, A),
    "remove": lambda parts, name, _: parts.sessions.remove(name, A, 101, 1e9),
    "claim": lambda parts, name, _: parts.leases.claim(name, A, "h1"),
    "release": lambda parts, _, lease: parts.leases.release(lease),
    "messages": lambda parts, _, lease: parts.messages.write(lease, [_message(1), _message(2)], []),
    "receipts": lambda parts, _, lease: parts.messages.write(
        lease, [], [Receipt(("M1", "M2"), CHAT, DeliveryStatus.READ, NOW, own) for own in (True, False)]
    ),
    "accept": lambda parts, name, _: parts.accepted.accept(A, name, CHAT, "text", {"text": "of A"}, "key"),
    "get_send": lambda parts, _, __: parts.accepted.get(A, 1),
    "next": lambda parts, _, lease: parts.queue.next(lease),
    "recover": lambda parts, _, lease: parts.queue.recover(lease),
    "sent": lambda parts, _, lease: parts.queue.sent(lease, JOB, SentMessage("M1", NOW)),
    "failed": lambda parts, _, lease: parts.queue.failed(lease, JOB, "X", "x"),
    "receipted": lambda parts, _, lease: parts.queue.receipted(lease, JOB),
    "chats": lambda parts, name, _: parts.chats.chats(A, name),
    "chat_messages": lambda parts, name, _: parts.chats.messages(A, name, CHAT),
    "contacts": lambda parts, name, _: parts.chats.contacts(A, name),
    "mark_read": lambda parts, name, _: parts.read_marks.mark_read(A, name, CHAT),
    "open": lambda parts, name, _: parts.atendimentos.open(A, name, CHAT),
    "close": lambda parts, name, _: parts.atendimentos.close(A, name, CHAT),
    "change_mode": lambda parts, name, _: parts.atendimentos.change_mode(A, name, CHAT, "of A"),
    "replay": lambda parts, _, __: replay(parts.api, A, 0),
}


async def _rows_of_b(superuser: asyncpg.Connection) -> str:
    found = {
        table: [
            dict(row) for row in await superuser.fetch(f"SELECT * FROM {table} WHERE owner_id = $1 ORDER BY 1, 2", B)
        ]
        for table in TABLES
    }
    return json.dumps(found, default=str, indent=1)


async def _fill_b(parts: Parts, open_database: OpenDatabase) -> Lease:
    """Give B a row in every table, under the names that A will use; B's lease."""
    lease = await parts.held(B, "b1", "hb")
    await parts.sessions.publish_qr(lease, QrShown("of B", 20, 1e9, b"b" * 32))
    await parts.move(B, "b1", 1, SessionState.CONNECTED, device=phone_device())
    await parts.sessions.publish_qr(lease, QrShown("of B", 20, 1e9, b"b" * 32))
    receipt = Receipt(("never seen",), CHAT, DeliveryStatus.READ, NOW)
    await parts.messages.write(lease, [_message(1), _message(2)], [receipt])
    for number in range(2):
        await parts.accepted.accept(B, "b1", CHAT, "text", {"text": "of B"}, f"key{number or ''}")
    await parts.queue.next(lease)
    async for _ in OutboxTail(await open_database("perene_relay"), after=0).events():
        break
    return lease


async def test_b_has_a_row_in_every_table(
    parts: Parts, open_database: OpenDatabase, superuser: asyncpg.Connection
) -> None:
    await _fill_b(parts, open_database)
    for table in TABLES:
        assert await superuser.fetchval(f"SELECT count(*) FROM {table} WHERE owner_id = $1", B) > 0, table


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(st.tuples(st.sampled_from(sorted(CALLS)), st.sampled_from(["a1", "b1"])), min_size=1, max_size=12)
)
async def test_no_call_of_one_owner_sees_or_changes_anothers_rows(
    parts: Parts, open_database: OpenDatabase, superuser: asyncpg.Connection, calls: list[tuple[str, str]]
) -> None:
    if not await superuser.fetchval("SELECT true FROM whatsapp_sessions WHERE connection_id = 'b1'"):
        await _fill_b(parts, open_database)
        await parts.host("h1")
    before = await _rows_of_b(superuser)
    lease_of_b = await superuser.fetchrow(
        "SELECT host_id, lease_epoch FROM whatsapp_sessions WHERE connection_id = 'b1'"
    )
    assert lease_of_b is not None
    for name, connection_id in calls:
        # A knows all of B's secrets and still says that it is A.
        lease = Lease(connection_id, A, lease_of_b["host_id"], lease_of_b["lease_epoch"])
        try:
            seen = await CALLS[name](parts, connection_id, lease)
        except PereneError:
            continue
        assert "of B" not in repr(seen), name
        assert B not in repr(seen), name
    assert await _rows_of_b(superuser) == before
