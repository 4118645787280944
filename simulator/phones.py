"""The customers' phones of a simulator: real second clients, kept by a companion process."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Protocol

from simulator.companion_process import CompanionProcess, CompanionSettings
from simulator.phone_errors import CompanionUnavailableError, PhoneError
from simulator.phone_number import chat_name, phone_digits


class Link(Protocol):
    """Scan a QR payload with a phone of a number, as `POST /phone/scan` does. Raises if it cannot be scanned."""

    def __call__(self, qr: str, phone: str, name: str | None, /) -> Awaitable[object]: ...


LONGEST_WAIT = 60.0
"""Seconds for which `messages` waits for news at most."""
_RESTART_PAUSE = 1.0

_log = logging.getLogger(__name__)


class Phones:
    """Phones by their number. Every method makes the phones it names live: linked, connected, able to receive.

    All methods raise a `PhoneError`. Messages are end-to-end encrypted between the clients; the simulator relays them.
    """

    def __init__(self, server_port: int, ca_file: Path, noise_root: bytes, data_dir: Path, link: Link) -> None:
        self._settings = CompanionSettings(server_port, ca_file, noise_root, data_dir / "phones")
        self._link = link
        self._companion: CompanionProcess | None = None
        self._starting = asyncio.Lock()
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._ensuring: dict[str, asyncio.Task[dict[str, Any]]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._names: dict[str, str] = {}
        self._closed = False

    @property
    def companion_pid(self) -> int | None:
        """Process id of the companion that runs, or None."""
        companion = self._companion
        return companion.pid if companion is not None and companion.alive else None

    async def ensure(self, phone: str, name: str | None = None) -> dict[str, Any]:
        """Have a phone live: linked as a device of its number and connected. `{phone, jid, name}`."""
        digits = phone_digits(phone)
        if name:
            self._names[digits] = name
        known = self._ensuring.get(digits)
        if known is None or name:
            known = asyncio.create_task(self._ask("ensure", phone=digits, name=name))
            self._ensuring[digits] = known
            known.add_done_callback(lambda task: self._forget(digits, task))
        return await asyncio.shield(known)

    async def resume(self) -> None:
        """Bring the phones back that were live before a restart, so that they receive. Cheap if there are none."""
        if not any(self._settings.directory.glob("phone-*.db")):
            return
        paired = [known["phone"] for known in await self.all() if known["jid"] is not None]  # the others: when used
        await asyncio.gather(*map(self._try_to_be_live, paired))

    async def all(self) -> list[dict[str, Any]]:
        """Every phone that was ever live: `[{phone, name, jid, online, messages}]`. Starts nothing if there is none."""
        if not any(self._settings.directory.glob("phone-*.db")):
            return []
        return (await self._ask("phones"))["phones"]

    async def send(self, phone: str, to: str, text: str, quoted_id: str | None = None) -> dict[str, Any]:
        """Send a text to a phone or a group, as a reply to `quoted_id` if given. `{messageId, timestamp}` (ms)."""
        return await self._ask("send", phone=phone_digits(phone), to=chat_name(to), text=text, quotedId=quoted_id)

    async def send_media(
        self, phone: str, to: str, kind: str, data: bytes, mime_type: str, **details: Any
    ) -> dict[str, Any]:
        """Upload and send a file of a kind (image, video, audio, document). `{messageId, timestamp}`.

        `details`: caption, fileName, seconds, voice (of an audio: a voice note), quotedId.
        """
        encoded = base64.b64encode(data).decode()
        arguments = {"to": chat_name(to), "kind": kind, "data": encoded, "mimeType": mime_type, **details}
        return await self._ask("media", phone=phone_digits(phone), **arguments)

    async def react(self, phone: str, message_id: str, emoji: str) -> dict[str, Any]:
        """React to a message the phone has; the empty emoji takes the reaction back. `{messageId, timestamp}`."""
        return await self._ask("react", phone=phone_digits(phone), messageId=message_id, emoji=emoji)

    async def read(self, phone: str, chat: str) -> dict[str, Any]:
        """Mark what the phone has received in a chat as read; the senders get receipts. `{messageIds}`."""
        return await self._ask("read", phone=phone_digits(phone), chat=chat_name(chat))

    async def typing(self, phone: str, to: str, state: str = "composing") -> None:
        """Show the other side that this phone is composing, recording or has paused."""
        await self._ask("typing", phone=phone_digits(phone), to=chat_name(to), state=state)

    async def create_group(self, phone: str, name: str, participants: list[str]) -> dict[str, Any]:
        """Create a group with other phones. `{chat}`: its JID, to be used as `to`."""
        people = [phone_digits(person) for person in participants]
        return await self._ask("group", phone=phone_digits(phone), name=name, participants=people)

    async def download(self, phone: str, message_id: str) -> tuple[bytes, str]:
        """The decrypted file of a message the phone has, and its MIME type."""
        result = await self._ask("download", phone=phone_digits(phone), messageId=message_id)
        return base64.b64decode(result["data"]), result["mimeType"] or "application/octet-stream"

    async def messages(self, phone: str, after: int = 0, wait: float = 0, *, live: bool = True) -> list[dict[str, Any]]:
        """What the phone received and sent, oldest first; kept across restarts.

        With `after` (a `seq`) only later ones; with `wait` (seconds) the answer comes as soon as there is one.
        A phone that cannot be live (banned, say) still shows what it has. With `live` false it is only looked at.
        """
        digits = phone_digits(phone)
        if live:
            await self._try_to_be_live(digits)
        until = time.monotonic() + min(wait, LONGEST_WAIT)
        while True:
            news = self._news[digits]
            found = (await self._ask("messages", phone=digits, after=after))["messages"]
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            try:
                async with asyncio.timeout(left):
                    await news.wait()
            except TimeoutError:
                until = 0

    async def _try_to_be_live(self, phone: str) -> None:
        try:
            await self.ensure(phone)
        except CompanionUnavailableError:
            raise
        except PhoneError as error:
            _log.warning("phone %s is not live: %s", phone, error)

    async def close(self) -> None:
        """End the companion. Nothing can be asked afterwards."""
        self._closed = True
        for task in (*self._background, *self._ensuring.values()):
            task.cancel()
        async with self._starting:
            if self._companion is not None:
                await self._companion.close()

    async def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        return await (await self._running()).ask(command, **arguments)

    async def _running(self) -> CompanionProcess:
        async with self._starting:
            if self._closed:
                raise CompanionUnavailableError("the phones are closed")
            if self._companion is None or not self._companion.alive:
                companion = CompanionProcess(self._settings, self._on_event, self._on_end)
                await companion.start()
                self._companion = companion
            return self._companion

    def _forget(self, phone: str, task: asyncio.Task[dict[str, Any]]) -> None:
        if self._ensuring.get(phone) is task:
            del self._ensuring[phone]
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may have

    def _on_event(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "qr":
                self._spawn(self._scan(event["phone"], event["qr"]))
            case "message":
                news = self._news.pop(event["phone"], None)
                if news is not None:
                    news.set()
            case "fault":
                _log.error("phone %s: %s was not handled, see companion.log", event["phone"], event["kind"])
            case other:
                _log.debug("phone %s is %s", event["phone"], other)

    def _on_end(self) -> None:
        if not self._closed:
            self._spawn(self._come_back())

    async def _scan(self, phone: str, qr: str) -> None:
        try:
            await self._link(qr, phone, self._names.get(phone))
        except Exception as error:  # noqa: BLE001  # whatever the server's side says, the phone must hear that it was not linked
            _log.exception("phone %s could not be linked", phone)
            await self._ask("link_failed", phone=phone, why=repr(error))

    async def _come_back(self) -> None:
        """After the companion died: start another one, so that customers keep receiving."""
        _log.warning("the companion ended, another one is started")
        await asyncio.sleep(_RESTART_PAUSE)
        try:
            await self.resume()
        except PhoneError as error:
            _log.warning("the phones did not come back: %s", error)

    def _spawn(self, action: Any) -> None:
        task = asyncio.create_task(action)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
