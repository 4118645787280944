"""The three checks of the protection rules, run as they are written there: with curl, and without any header."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest_asyncio
import zxingcpp
from PIL import Image

from entrypoints.settings import DEFAULT_OWNER_ID
from entrypoints.stack_folder import StackFolder
from tests.conditions import eventually
from tests.crm import Crm, open_crm
from tests.lives import Paired, talk
from tests.phone_world import PhoneWorld, fresh_phone
from tests.stack import Stack

CURL = shutil.which("curl")


def curl(*arguments: str) -> bytes:
    """What curl prints. Where there is no curl, a client of the same wire takes its place."""
    if CURL is None:
        return _without_curl(*arguments)
    return subprocess.run([CURL, "-sS", *arguments], capture_output=True, check=True, timeout=30).stdout


def _without_curl(*arguments: str) -> bytes:
    import httpx

    options = list(arguments)
    method, headers = "GET", {"Accept": "*/*", "User-Agent": "curl/8.0"}
    while options[0].startswith("-"):
        name, value = options.pop(0), options.pop(0)
        if name == "-X":
            method = value
        else:
            key, _, content = value.partition(": ")
            headers[key] = content
    return httpx.request(method, options[0], headers=headers, trust_env=False, timeout=30).content


def curl_json(*arguments: str) -> dict[str, Any]:
    return json.loads(curl(*arguments))


async def restarted(stack: Stack) -> None:
    done = await asyncio.to_thread(stack.perene, "restart")
    assert done.returncode == 0, done.stdout + done.stderr


async def row_of(stack: Stack, connection: str) -> dict[str, Any] | None:
    """The connection's row, as an operator with the database's own password reads it."""
    folder = StackFolder(stack.data_dir, simulated=True)
    passwords = json.loads((folder.secrets / "postgres.json").read_text())
    database = await asyncpg.connect(
        host=str(folder.socket_folder()), user="postgres", password=passwords["postgres"], database="perene"
    )
    try:
        row = await database.fetchrow("SELECT * FROM whatsapp_sessions WHERE connection_id = $1", connection)
    finally:
        await database.close()
    return None if row is None else dict(row)


@pytest_asyncio.fixture
async def base(shared_stack: Stack) -> str:
    return f"{shared_stack.state().addresses.api}/api/baileys-simple"


@pytest_asyncio.fixture
async def default_crm(shared_stack: Stack) -> AsyncGenerator[Crm]:
    """Hears what belongs to the owner whom requests without headers act for."""
    async with open_crm(shared_stack.state().addresses.api, owner=str(DEFAULT_OWNER_ID)) as crm:
        yield crm


async def test_persistence_a_connection_made_with_curl_is_saved_and_restored(shared_stack: Stack, base: str) -> None:
    # 1. Create a connection.
    created = curl_json("-X", "POST", f"{base}/connections")
    assert created["success"] is True
    connection = created["data"]["id"]
    # 2. It was saved.
    row = await row_of(shared_stack, connection)
    assert row is not None
    assert row["owner_id"] == DEFAULT_OWNER_ID
    # 3. Restart the server.
    await restarted(shared_stack)
    # 4. It was restored: it is listed, and can be scanned.
    listed = [each["id"] for each in curl_json(f"{base}/connections")["data"]]
    assert connection in listed

    async def shows_a_code() -> bool:
        return curl_json(f"{base}/connections/{connection}/qr")["data"]["qrCode"] is not None

    await eventually(shows_a_code, "a code is shown after the restart")
    assert curl_json("-X", "DELETE", f"{base}/connections/{connection}")["success"] is True
    assert await row_of(shared_stack, connection) is None


async def test_qr_code_got_with_curl_is_valid_and_shown_to_the_frontend(
    base: str, default_crm: Crm, phones: PhoneWorld
) -> None:
    connection = curl_json("-X", "POST", f"{base}/connections")["data"]["id"]
    # 1. Get it.
    await default_crm.code(connection)
    shown = curl_json(f"{base}/connections/{connection}/qr")["data"]
    payload = shown["qrCode"]
    # 2. It is valid: the picture says the same, and a phone can scan it.
    picture = curl("-H", "Accept: image/png", f"{base}/connections/{connection}/qr")
    (seen,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    assert seen.text == payload
    # 3. The frontend was shown the same.
    told = await default_crm.hears("qrCode", connection, lambda event: event["qrCode"] == payload)
    assert told["qrCodeImage"] == shown["qrCodeImage"]
    assert told["expiresAt"][:19] == shown["expiresAt"][:19]

    await phones.scan(payload, fresh_phone())
    assert (await default_crm.hears_state(connection, "connected"))["connection"] == "open"
    assert curl_json(f"{base}/connections/{connection}/qr")["data"]["qrCode"] is None
    assert curl_json("-X", "DELETE", f"{base}/connections/{connection}")["success"] is True


async def test_reconnection_a_connected_session_survives_a_restart_and_talks(
    shared_stack: Stack, base: str, default_crm: Crm, phones: PhoneWorld
) -> None:
    connection = curl_json("-X", "POST", f"{base}/connections")["data"]["id"]
    # 1. Connect.
    code, phone = await default_crm.code(connection), fresh_phone()
    jid = await phones.scan(code, phone)
    await default_crm.in_state(connection, "connected")
    # 2. Restart the server.
    await restarted(shared_stack)
    # 3. It was restored, without another scan.
    assert connection in [each["id"] for each in curl_json(f"{base}/connections")["data"]]

    async def is_connected() -> bool:
        return curl_json(f"{base}/connections/{connection}")["data"]["isConnected"]

    await eventually(is_connected, "it is connected after the restart")
    device = await phones.connected(phone)
    assert device["jid"] == jid
    assert device["mostSocketsOpen"] == 1
    # 4. Messages work, both ways.
    async with open_crm(shared_stack.state().addresses.api, owner=str(DEFAULT_OWNER_ID)) as crm:
        await talk(crm, phones, Paired(connection, phone, jid, code))
    assert curl_json("-X", "DELETE", f"{base}/connections/{connection}")["success"] is True
