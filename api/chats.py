"""Listings of conversations: chats, their messages, contacts."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.answers import Listing
from api.auth import Caller
from api.conversation_shapes import Chat, Contact, Message, chat_of, contact_of, message_of
from api.cursors import Before, PageSize, cursor, message_position, position
from api.deadlines import database
from api.owned import owned_session
from api.sends import chat_jid
from api.services import Services


@get("/connections/{connection_id:str}/chats", summary="A connection's chats, the newest message first")
async def list_chats(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: PageSize = 50,
    before: Before = None,
) -> Listing[Chat]:
    after = position(before)
    await owned_session(services, caller, connection_id)
    rows = await database(services.chats.chats(caller.owner_id, connection_id, after=after, limit=limit + 1))
    page, more = rows[:limit], len(rows) > limit
    return Listing(
        [chat_of(row, connection_id) for row in page],
        cursor(page[-1].last_message_at, page[-1].chat_id) if more else None,
    )


@get("/connections/{connection_id:str}/chats/{chat_id:str}/messages", summary="A chat's messages, newest first")
async def list_messages(
    connection_id: FromPath[str],
    chat_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: PageSize = 50,
    before: Before = None,
) -> Listing[Message]:
    """`chatId` is a JID or a phone number; `before` may also be a time: what is older than that."""
    chat, after = chat_jid(chat_id), message_position(before)
    await owned_session(services, caller, connection_id)
    rows = await database(services.chats.messages(caller.owner_id, connection_id, chat, after=after, limit=limit + 1))
    page, more = rows[:limit], len(rows) > limit
    return Listing(
        [message_of(row, caller.owner_id, connection_id) for row in page],
        cursor(page[-1].timestamp, page[-1].id) if more else None,
    )


@get("/connections/{connection_id:str}/contacts", summary="Who wrote to a connection, the one met last first")
async def list_contacts(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: PageSize = 50,
    before: Before = None,
) -> Listing[Contact]:
    after = position(before)
    await owned_session(services, caller, connection_id)
    rows = await database(services.chats.contacts(caller.owner_id, connection_id, after=after, limit=limit + 1))
    page, more = rows[:limit], len(rows) > limit
    return Listing(
        [contact_of(row, connection_id) for row in page],
        cursor(page[-1].created_at, page[-1].jid) if more else None,
    )
