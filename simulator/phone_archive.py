"""What every phone sent and received, in one SQLite file that outlives the simulator."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists messages (
    seq integer primary key autoincrement,
    phone text not null,
    id text not null,
    chat text not null,
    sender text not null,
    from_me integer not null,
    kind text not null,
    text text not null,
    timestamp integer not null,
    status text,
    extra text not null,
    raw blob not null,
    unique (phone, chat, sender, id)
);
create index if not exists messages_of_phone on messages (phone, seq);
create table if not exists names (phone text primary key, name text not null);
"""
_RANK = {"sent": 0, "delivered": 1, "read": 2, "played": 3}


@dataclass(frozen=True)
class Entry:
    """One message as one phone saw it."""

    phone: str
    id: str
    chat: str
    sender: str
    from_me: bool
    kind: str
    text: str
    timestamp: int
    """Unix time in milliseconds."""
    status: str | None = None
    """Of an own message: sent, delivered, read or played. Of another's: None, or read once this phone read it."""
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """What only some kinds have: pushName, quotedId, mimeType, fileName, size, seconds."""
    raw: bytes = b""
    """The decrypted `waE2E.Message`, for quoting and for the download of its media."""
    seq: int = 0
    """Order of arrival over all phones; 0 until it was stored."""

    def public(self) -> dict[str, Any]:
        """The message as the control API shows it."""
        return {
            "seq": self.seq,
            "phone": self.phone,
            "id": self.id,
            "from": self.sender,
            "chat": self.chat,
            "fromMe": self.from_me,
            "kind": self.kind,
            "text": self.text,
            "timestamp": self.timestamp,
            "status": self.status,
            **self.extra,
        }


class Archive:
    """One writer: the companion process. Every write is committed before it returns."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")  # survives the death of a process, which is all a simulator needs
        self._db.executescript(_SCHEMA)

    def add(self, entry: Entry) -> int | None:
        """Store a message; its sequence number, or None if this phone has it already (a redelivery)."""
        columns = (entry.phone, entry.id, entry.chat, entry.sender, entry.from_me, entry.kind, entry.text)
        cursor = self._db.execute(
            "insert or ignore into messages"
            " (phone, id, chat, sender, from_me, kind, text, timestamp, status, extra, raw)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*columns, entry.timestamp, entry.status, json.dumps(entry.extra), entry.raw),
        )
        return cursor.lastrowid if cursor.rowcount else None

    def messages(self, phone: str, after: int = 0) -> list[Entry]:
        """Messages of a phone with a sequence number above `after`, oldest first."""
        return self._entries("where phone = ? and seq > ? order by seq", phone, after)

    def find(self, phone: str, message_id: str) -> Entry | None:
        """The phone's message with that id, the newest if several senders used it."""
        entries = self._entries("where phone = ? and id = ? order by seq desc limit 1", phone, message_id)
        return entries[0] if entries else None

    def unread(self, phone: str, chat: str) -> list[Entry]:
        """Messages of others in a chat that the phone has not read, oldest first."""
        return self._entries(
            "where phone = ? and chat = ? and not from_me and status is null order by seq", phone, chat
        )

    def set_status(self, phone: str, ids: list[str], status: str) -> list[str]:
        """Raise the status of the phone's messages (a delivery never undoes a read); the ids that changed."""
        changed: list[str] = []
        for message_id in ids:
            entry = self.find(phone, message_id)
            if entry is None or _RANK.get(entry.status or "", -1) >= _RANK[status]:
                continue
            self._db.execute("update messages set status = ? where seq = ?", (status, entry.seq))
            changed.append(message_id)
        return changed

    def set_name(self, phone: str, name: str) -> None:
        """Remember the name a phone's owner goes by."""
        self._db.execute("insert or replace into names (phone, name) values (?, ?)", (phone, name))

    def name(self, phone: str) -> str | None:
        """The name given to a phone, or None."""
        row = self._db.execute("select name from names where phone = ?", (phone,)).fetchone()
        return None if row is None else str(row[0])

    def count(self, phone: str) -> int:
        """How many messages the phone has."""
        return int(self._db.execute("select count(*) from messages where phone = ?", (phone,)).fetchone()[0])

    def _entries(self, where: str, *arguments: object) -> list[Entry]:
        columns = "phone, id, chat, sender, from_me, kind, text, timestamp, status, extra, raw, seq"
        rows = self._db.execute(f"select {columns} from messages {where}", arguments)  # noqa: S608  # both are literals
        return [_entry(row) for row in rows]


def _entry(row: tuple[Any, ...]) -> Entry:
    phone, message_id, chat, sender, from_me, kind, text, timestamp, status, extra, raw, seq = row
    return Entry(
        *(phone, message_id, chat, sender, bool(from_me), kind, text, timestamp, status),
        extra=json.loads(extra),
        raw=raw,
        seq=seq,
    )
