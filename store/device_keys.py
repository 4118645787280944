"""The WhatsApp library's own tables, as far as we look into them (whatsmeow, store/sqlstore/upgrades).

They are made by the library when it first starts, so until then nobody is paired. Rows of a device go with its row in
`whatsmeow_device`: the foreign keys cascade.
"""

from __future__ import annotations

import asyncpg

from contracts.ids import Jid
from contracts.session import Device
from store.pool import Connection


async def paired(connection: Connection, connection_id: str, owner_id: str) -> Device | None:
    """The device whose adv_key was in one of this connection's codes, the newest first."""
    if not await _exist(connection):
        return None
    row = await connection.fetchrow(
        """
        SELECT device.jid, device.lid, device.push_name, device.platform
        FROM session_pairings JOIN whatsmeow.whatsmeow_device AS device USING (adv_key)
        WHERE connection_id = $1 AND owner_id = $2
        ORDER BY session_pairings.created_at DESC LIMIT 1
        """,
        connection_id,
        owner_id,
    )
    return None if row is None else _device(row)


async def present(connection: Connection, device: Device) -> bool:
    """Whether the device has keys."""
    if not await _exist(connection):
        return False
    found = await connection.fetchval("SELECT true FROM whatsmeow.whatsmeow_device WHERE jid = $1", device.jid)
    return found is True


async def forget(connection: Connection, device: Device) -> None:
    """Remove the device's keys."""
    if await _exist(connection):
        await connection.execute("DELETE FROM whatsmeow.whatsmeow_device WHERE jid = $1", device.jid)


async def _exist(connection: Connection) -> bool:
    return await connection.fetchval("SELECT to_regclass('whatsmeow.whatsmeow_device') IS NOT NULL") is True


def _device(row: asyncpg.Record) -> Device:
    return Device(
        jid=row["jid"],
        phone=Jid.parse(row["jid"]).user,
        lid=row["lid"] or None,
        push_name=row["push_name"] or None,
        platform=row["platform"] or None,
    )
