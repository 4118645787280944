"""The companion process by itself: its pipe, its end, its errors. No server answers here."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.companion_process import CompanionProcess, CompanionSettings
from simulator.phone_errors import CompanionUnavailableError, InvalidPhoneError, PairingFailedError
from simulator.phones import Phones

PHONE = "5511999990001"
CLOSED_PORT = 1
"""Nothing listens there."""


@pytest.fixture
async def phones(tmp_path: Path) -> AsyncIterator[Phones]:
    async def link(qr: str, phone: str, name: str | None) -> None:
        raise AssertionError("without a server there is no QR code")

    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    phones = Phones(CLOSED_PORT, ca_file, bytes(range(32)), tmp_path, link)
    yield phones
    await phones.close()


async def test_a_server_that_cannot_be_reached_is_a_typed_error_and_the_next_try_is_a_new_one(phones: Phones) -> None:
    for _ in range(2):
        with pytest.raises(PairingFailedError, match="connection refused"):
            await phones.ensure(PHONE)


async def test_a_phone_that_cannot_be_live_still_shows_its_messages(phones: Phones) -> None:
    assert await phones.messages(PHONE) == []
    assert [(known["phone"], known["online"]) for known in await phones.all()] == [(PHONE, False)]


async def test_bad_input_never_reaches_the_library(phones: Phones) -> None:
    with pytest.raises(InvalidPhoneError):
        await phones.send("not a phone", PHONE, "text")
    with pytest.raises(InvalidPhoneError):
        await phones.send(PHONE, "../etc", "text")
    assert await phones.all() == []


async def test_nothing_can_be_asked_after_the_end(phones: Phones) -> None:
    await phones.messages(PHONE)
    await phones.close()
    with pytest.raises(CompanionUnavailableError):
        await phones.messages(PHONE)


async def test_a_killed_companion_is_started_again(phones: Phones) -> None:
    await phones.messages(PHONE)
    first = phones.companion_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    while phones.companion_pid == first:
        try:
            await phones.messages(PHONE)
        except CompanionUnavailableError:
            await asyncio.sleep(0.01)  # it had not been noticed yet
    assert [known["phone"] for known in await phones.all()] == [PHONE]


async def test_the_companion_ends_when_its_input_ends(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    settings = CompanionSettings(CLOSED_PORT, tmp_path / "ca.pem", bytes(32), tmp_path / "phones")
    ended = asyncio.Event()
    companion = CompanionProcess(settings, lambda _: None, ended.set)
    await companion.start()
    assert await companion.ask("phones") == {"phones": []}
    await companion.close()
    assert ended.is_set()
    assert not companion.alive
    with pytest.raises(CompanionUnavailableError):
        await companion.ask("phones")


async def test_two_companions_never_share_the_keys(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    settings = CompanionSettings(CLOSED_PORT, tmp_path / "ca.pem", bytes(32), tmp_path / "phones")
    first = CompanionProcess(settings, lambda _: None, lambda: None)
    second = CompanionProcess(settings, lambda _: None, lambda: None)
    await first.start()
    starting = asyncio.create_task(second.start())
    done, _ = await asyncio.wait({starting}, timeout=1.5)
    assert not done, "the second one waits for the first one's end"
    await first.close()
    await starting
    await second.close()
