"""Messages written with what they change: chats, contacts, and the atendimento that a customer's message opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import uuid4

from contracts.realtime import ClientEvent
from store import receipt_rows
from store.message_rows import MessageRow
from store.outbox import NewEvent
from store.pool import Connection

ACTIVE = "ATIVO"


async def write_messages(
    connection: Connection, owner_id: str, connection_id: str, rows: Sequence[MessageRow]
) -> tuple[list[MessageRow], list[NewEvent]]:
    """Write those of `rows` that are not there yet; they, and the events to be queued after all is written.

    The caller holds the lock of the session's row, so nobody else writes messages of this connection meanwhile.
    """
    new = await _new_ones(connection, owner_id, connection_id, rows)
    if not new:
        return [], []
    await _join_atendimentos(connection, owner_id, connection_id, new)
    await _insert(connection, owner_id, connection_id, new)
    contacts = await _upsert_contacts(connection, owner_id, connection_id, new)
    chats = await _upsert_chats(connection, owner_id, connection_id, new)
    early = await receipt_rows.apply_early(
        connection, owner_id, connection_id, [row for row in new if not row.from_customer]
    )
    return new, [*contacts, *(row.event(owner_id, connection_id) for row in new), *chats, *early]


async def _new_ones(
    connection: Connection, owner_id: str, connection_id: str, rows: Sequence[MessageRow]
) -> list[MessageRow]:
    # A batch may hold a message twice; the first one counts.
    by_id = {row.message_id: row for row in reversed(rows)}
    if not by_id:
        return []
    known = await connection.fetch(
        """
        SELECT message_id FROM whatsapp_mensagens
        WHERE owner_id = $1 AND connection_id = $2 AND message_id = ANY($3)
        """,
        owner_id,
        connection_id,
        list(by_id),
    )
    seen = {row["message_id"] for row in known}
    return [row for row in rows if row.message_id not in seen and by_id[row.message_id] is row]


async def _join_atendimentos(
    connection: Connection, owner_id: str, connection_id: str, rows: Sequence[MessageRow]
) -> None:
    """Give each message its chat's open atendimento, opening one where a customer wrote and none is open."""
    found = await connection.fetch(
        """
        SELECT DISTINCT ON (chat_id) chat_id, id FROM whatsapp_atendimentos
        WHERE owner_id = $1 AND connection_id = $2 AND chat_id = ANY($3) AND status <> 'FINALIZADO'
        ORDER BY chat_id, created_at DESC
        """,
        owner_id,
        connection_id,
        list({row.chat_id for row in rows}),
    )
    open_ones = {row["chat_id"]: str(row["id"]) for row in found}
    latest = {row.chat_id: row for row in rows if row.opens_conversation}
    opened = {chat: row for chat, row in latest.items() if chat not in open_ones}
    fresh = {chat: str(uuid4()) for chat in opened}
    await connection.executemany(
        """
        INSERT INTO whatsapp_atendimentos
            (id, owner_id, connection_id, chat_id, status, nome_cliente, numero_cliente, last_message_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        [
            (fresh[chat], owner_id, connection_id, chat, ACTIVE, row.wpp_name, row.phone, row.timestamp)
            for chat, row in opened.items()
        ],
    )
    await connection.executemany(
        """
        UPDATE whatsapp_atendimentos SET
            last_message_at = greatest(last_message_at, $3),
            nome_cliente = coalesce($4, nome_cliente), numero_cliente = coalesce($5, numero_cliente)
        WHERE id = $1 AND owner_id = $2
        """,
        [
            (open_ones[chat], owner_id, row.timestamp, row.wpp_name, row.phone)
            for chat, row in latest.items()
            if chat in open_ones
        ],
    )
    for row in rows:
        row.atendimento_id = open_ones.get(row.chat_id) or fresh.get(row.chat_id)


async def _insert(connection: Connection, owner_id: str, connection_id: str, rows: Sequence[MessageRow]) -> None:
    await connection.execute(
        """
        INSERT INTO whatsapp_mensagens
            (id, owner_id, connection_id, chat_id, message_id, atendimento_id, direction, remetente, participant, phone,
             wpp_name, message_type, conteudo, quoted_id, media_type, media_url, media_mime, media, raw, status, lida,
             "timestamp")
        SELECT id, $1, $2, chat_id, message_id, atendimento_id, direction, remetente, participant, phone,
             wpp_name, message_type, conteudo, quoted_id, media_type, media_url, media_mime, nullif(media, 'null'), raw,
             status, lida, "timestamp"
        FROM jsonb_to_recordset($3::jsonb) AS given (
            id uuid, chat_id text, message_id text, atendimento_id uuid, direction text, remetente text,
            participant text, phone text, wpp_name text, message_type text, conteudo text, quoted_id text,
            media_type text, media_url text, media_mime text, media jsonb, raw jsonb, status text, lida boolean,
            "timestamp" timestamptz
        )
        """,
        owner_id,
        connection_id,
        [row.columns() for row in rows],
    )


async def _upsert_contacts(
    connection: Connection, owner_id: str, connection_id: str, rows: Sequence[MessageRow]
) -> list[NewEvent]:
    """Who wrote to us, with the name they go by; an event for each who is new or renamed."""
    people: dict[str, dict[str, object]] = {}
    for row in rows:
        if row.from_customer:
            jid = row.participant or row.chat_id
            phone = row.phone if row.participant is None else None
            people[jid] = {"jid": jid, "phone": phone, "push_name": row.wpp_name}
    if not people:
        return []
    changed = await connection.fetch(
        """
        INSERT INTO contacts (owner_id, connection_id, jid, phone, push_name)
        SELECT $1, $2, jid, phone, push_name
        FROM jsonb_to_recordset($3::jsonb) AS given (jid text, phone text, push_name text)
        ON CONFLICT (owner_id, connection_id, jid) DO UPDATE SET
            phone = coalesce(excluded.phone, contacts.phone),
            push_name = coalesce(excluded.push_name, contacts.push_name)
        WHERE coalesce(excluded.phone, contacts.phone) IS DISTINCT FROM contacts.phone
            OR coalesce(excluded.push_name, contacts.push_name) IS DISTINCT FROM contacts.push_name
        RETURNING jid, phone, push_name, xmax = 0 AS created
        """,
        owner_id,
        connection_id,
        list(people.values()),
    )
    return [
        NewEvent(
            ClientEvent.CONTACT_CREATED if row["created"] else ClientEvent.CONTACT_UPDATED,
            {"connectionId": connection_id, "jid": row["jid"], "phone": row["phone"], "name": row["push_name"]},
        )
        for row in changed
    ]


async def _upsert_chats(
    connection: Connection, owner_id: str, connection_id: str, rows: Sequence[MessageRow]
) -> list[NewEvent]:
    newest = {row.chat_id: row for row in sorted(rows, key=lambda row: row.timestamp)}
    unread = Counter(row.chat_id for row in rows if row.from_customer)
    names = {row.chat_id: row.wpp_name for row in _with_names(rows)}
    phones = {row.chat_id: row.phone for row in rows if row.phone}
    written = await connection.fetch(
        """
        INSERT INTO chats AS known
            (owner_id, connection_id, chat_id, name, phone, atendimento_id, unread_count, last_message,
             last_message_type, last_message_from, last_message_at)
        SELECT $1, $2, chat_id, name, phone, atendimento_id, unread, last_message, type, sender, at
        FROM jsonb_to_recordset($3::jsonb) AS given (
            chat_id text, name text, phone text, atendimento_id uuid, unread integer, last_message text, type text,
            sender text, at timestamptz
        )
        ON CONFLICT (owner_id, connection_id, chat_id) DO UPDATE SET
            name = coalesce(excluded.name, known.name),
            phone = coalesce(excluded.phone, known.phone),
            atendimento_id = coalesce(excluded.atendimento_id, known.atendimento_id),
            unread_count = known.unread_count + excluded.unread_count,
            (last_message, last_message_type, last_message_from, last_message_at) = (
                SELECT newest.* FROM (VALUES
                    (excluded.last_message, excluded.last_message_type, excluded.last_message_from,
                     excluded.last_message_at),
                    (known.last_message, known.last_message_type, known.last_message_from, known.last_message_at)
                ) AS newest (text, type, sender, at) ORDER BY at DESC NULLS LAST LIMIT 1
            )
        RETURNING chat_id, name, phone, last_message, last_message_from, last_message_at
        """,
        owner_id,
        connection_id,
        [
            {
                "chat_id": chat,
                "name": names.get(chat),
                "phone": phones.get(chat),
                "atendimento_id": row.atendimento_id,
                "unread": unread[chat],
                "last_message": row.preview,
                "type": row.message_type,
                "sender": row.remetente,
                "at": row.timestamp.isoformat(),
            }
            for chat, row in newest.items()
        ],
    )
    return [
        NewEvent(
            ClientEvent.CONVERSATION_UPDATED,
            {
                "connectionId": connection_id,
                "conversationId": row["chat_id"],
                "lastMessageAt": row["last_message_at"].isoformat(),
                "last_message": row["last_message"],
                "preview": row["last_message"],
                "from": row["last_message_from"],
                "unread_count_delta": unread[row["chat_id"]],
                "nome_cliente": row["name"],
                "numero_cliente": row["phone"],
            },
            chat_id=row["chat_id"],
        )
        for row in written
    ]


def _with_names(rows: Iterable[MessageRow]) -> list[MessageRow]:
    """Messages whose sender's name is the chat's: a customer's, in a chat with one person."""
    return [row for row in rows if row.opens_conversation and row.wpp_name]
