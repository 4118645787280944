"""Looking into the WhatsApp library's own tables, which it makes by itself under its own role."""

from __future__ import annotations

import time

import asyncpg
import pytest

from contracts.device import QrShown
from tests.db.conftest import OpenDatabase
from tests.db.parts import Parts, phone_device

# The columns we read, and one table that hangs on the device's row (whatsmeow, 00-latest-schema.sql).
LIBRARY = """
CREATE TABLE whatsmeow_device (
    jid TEXT PRIMARY KEY, lid TEXT, adv_key bytea NOT NULL, platform TEXT NOT NULL DEFAULT '',
    push_name TEXT NOT NULL DEFAULT ''
);
CREATE TABLE whatsmeow_identity_keys (
    our_jid TEXT, their_id TEXT, PRIMARY KEY (our_jid, their_id),
    FOREIGN KEY (our_jid) REFERENCES whatsmeow_device (jid) ON DELETE CASCADE ON UPDATE CASCADE
);
"""
DEVICE = phone_device(device=12)


@pytest.fixture
async def library(open_database: OpenDatabase) -> None:
    database = await open_database("perene_device")
    async with database.ownerless() as connection:
        await connection.execute(LIBRARY)
        await connection.execute(
            "INSERT INTO whatsmeow_device (jid, lid, adv_key, platform) VALUES ($1, $2, $3, 'android')",
            DEVICE.jid,
            DEVICE.lid,
            b"k" * 32,
        )
        await connection.execute("INSERT INTO whatsmeow_identity_keys VALUES ($1, 'somebody')", DEVICE.jid)


async def test_before_the_library_made_its_tables_nobody_is_paired(parts: Parts, owner: str) -> None:
    assert await parts.sessions.find_paired("c1", owner) is None
    assert not await parts.sessions.has_keys(DEVICE)
    await parts.sessions.forget_keys(DEVICE)


@pytest.mark.usefixtures("library")
async def test_a_pairing_that_nobody_reported_is_found_by_its_code(parts: Parts, owner: str) -> None:
    lease = await parts.held(owner)
    await parts.sessions.publish_qr(lease, QrShown("x", 20, time.time(), b"other" * 6 + b"xx"))
    assert await parts.sessions.find_paired("c1", owner) is None
    await parts.sessions.publish_qr(lease, QrShown("x", 20, time.time(), b"k" * 32))
    found = await parts.sessions.find_paired("c1", owner)
    assert found is not None
    assert (found.jid, found.phone, found.lid, found.platform) == (DEVICE.jid, DEVICE.phone, DEVICE.lid, "android")
    assert await parts.sessions.find_paired("c1", "00000000-0000-4000-8000-00000000000b") is None


@pytest.mark.usefixtures("library")
async def test_forgotten_keys_are_gone_with_all_that_hangs_on_them(parts: Parts, superuser: asyncpg.Connection) -> None:
    assert await parts.sessions.has_keys(DEVICE)
    await parts.sessions.forget_keys(DEVICE)
    await parts.sessions.forget_keys(DEVICE)
    assert not await parts.sessions.has_keys(DEVICE)
    assert await superuser.fetchval("SELECT count(*) FROM whatsmeow.whatsmeow_identity_keys") == 0


@pytest.mark.usefixtures("library")
async def test_the_api_and_operators_cannot_read_keys(open_database: OpenDatabase) -> None:
    for role in ("perene_api", "perene_ops", "perene_relay"):
        database = await open_database(role)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.ownerless() as connection:
                await connection.fetch("SELECT * FROM whatsmeow.whatsmeow_device")
