"""One customer's phone, lived by an unmodified neonize client: a second device of that number, linked like any other.

Runs in the companion process alone, since it loads the Go library.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from neonize._binder import ProxySettings, gocode
from neonize.aioze import events
from neonize.aioze.client import NewAClient
from neonize.exc import NeonizeError
from neonize.proto.Neonize_pb2 import JID, MessageSource, Receipt
from neonize.proto.Neonize_pb2 import Message as MessageEvent
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message

from simulator.chat_message import read_content
from simulator.companion_gate import Gate
from simulator.phone_archive import Archive, Entry
from simulator.phone_errors import PairingFailedError, PhoneOfflineError, SendFailedError
from simulator.phone_number import GROUP, PERSON

Emit = Callable[[dict[str, Any]], None]
T = TypeVar("T")

LINK_SECONDS = 20.0
"""Longest wait for a start: from the socket to the scanned QR code and the first login."""
RETURN_SECONDS = 1.0
"""How long a client whose socket was cut may take to return by itself before it is started anew."""

_log = logging.getLogger(__name__)
_numbers = itertools.count(1)
_kept: list[NewAClient] = []
"""Every client ever made: neonize stops one, outside of our gate, as it is collected."""

_ENDS = {
    events.LoggedOutEv: "logged out",
    events.StreamReplacedEv: "replaced by another connection",
    events.TemporaryBanEv: "banned for a time",
    events.ConnectFailureEv: "refused by the server",
    events.ClientOutdatedEv: "outdated",
}
"""Events after which whatsmeow does not come back by itself, and what to say of each."""
_STATUS_OF_RECEIPT = {
    Receipt.ReceiptType.DELIVERED: "delivered",
    Receipt.ReceiptType.INACTIVE: "delivered",
    Receipt.ReceiptType.READ: "read",
    Receipt.ReceiptType.PLAYED: "played",
}


def person_jid(phone: str) -> JID:
    """The JID of a person (no device) in neonize's form."""
    return JID(User=phone, RawAgent=0, Device=0, Integrator=0, Server=PERSON)


def chat_jid(chat: str) -> JID:
    """The JID of a chat given as digits or as a group's JID."""
    if not chat.endswith("@" + GROUP):
        return person_jid(chat)
    return JID(User=chat.split("@")[0], RawAgent=0, Device=0, Integrator=0, Server=GROUP)


class CompanionPhone:
    """The second client of one phone. Methods may be called at once; starts wait their turn at the gate."""

    def __init__(self, phone: str, store: Path, proxy: str, gate: Gate, archive: Archive, emit: Emit) -> None:
        self.phone = phone
        self._store = store
        self._proxy = proxy
        self._gate = gate
        self._archive = archive
        self._emit = emit
        self._starting = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._client: NewAClient | None = None
        self._online = asyncio.Event()
        self._begun = asyncio.Event()
        self._ended = asyncio.Event()
        self._why_ended = ""
        self._started = 0.0
        self._early: dict[str, str] = {}
        """Receipts that overtook the answer to the send which they are about."""

    @property
    def online(self) -> bool:
        """Whether the client is logged in and its socket is up, as far as the library has said."""
        return self._online.is_set()

    def jid(self) -> str | None:
        """The device's JID as the device store has it (`5511999990001:2@s.whatsapp.net`); None if it is not paired."""
        if not self._store.exists():
            return None
        db = sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)
        try:
            row = db.execute("select jid from whatsmeow_device").fetchone()
        except sqlite3.OperationalError:  # the library has not made its tables yet
            return None
        finally:
            db.close()
        return None if row is None else str(row[0])

    async def ensure(self) -> None:
        """Have the client paired and connected.

        Raises `PairingFailedError` or `PhoneOfflineError`.
        """
        async with self._starting:
            alive = self._client is not None and not self._ended.is_set()
            if alive and await self._within(RETURN_SECONDS, self._online.wait()):
                return
            await self.stop()
            paired = self.jid() is not None
            await self._start()
            if paired and not self.online and self.jid() is None:  # unlinked while it was away: link it again
                await self.stop()
                await self._start()
            if not self.online:
                raise PhoneOfflineError(f"{self.phone}: {self._why_ended or 'no login in time'}")

    async def stop(self) -> None:
        """Disconnect and forget the client; its device stays paired."""
        client, self._client = self._client, None
        self._online.clear()
        if client is None or (client.new_device and not self._begun.is_set()):
            return  # stopping a client that shows a QR code may never return (DESIGN.md): it is left to run out
        async with self._gate.exclusive():
            await client.stop()

    def link_failed(self, why: str) -> None:
        """The QR code of this phone could not be scanned."""
        self._end(f"link: {why}")

    async def send(self, to: str, message: Message) -> Entry:
        """Send a message to a chat; the stored entry. Raises `SendFailedError`."""
        async with self._sending:
            response = await self.call(lambda client: client.send_message(chat_jid(to), message))
        content = read_content(message)
        assert content is not None, "only messages with content are sent"
        entry = Entry(
            phone=self.phone,
            id=response.ID,
            chat=to,
            sender=self.phone,
            from_me=True,
            kind=content.kind,
            text=content.text,
            timestamp=response.Timestamp * 1000,
            status="sent",
            extra=content.extra,
            raw=message.SerializeToString(),
        )
        self._store_entry(entry)
        return entry

    async def call(self, action: Callable[[NewAClient], Coroutine[Any, Any, T]]) -> T:
        """One call of the library through the gate. Raises `PhoneOfflineError` or `SendFailedError`."""
        client = self._client
        if client is None or not self.online:
            raise PhoneOfflineError
        try:
            return await self._gate.call(action(client))
        except NeonizeError as error:
            raise SendFailedError(str(error)) from error

    async def _start(self) -> None:
        client = self._new_client()
        self._client = client
        self._begun, self._ended, self._why_ended = asyncio.Event(), asyncio.Event(), ""
        self._started = time.monotonic()
        async with self._gate.exclusive():
            running = await client.connect(ProxySettings(self._proxy))
            running.add_done_callback(lambda task: self._on_stopped(client, task))
            await self._within(LINK_SECONDS, self._begun.wait(), self._ended.wait())
        if not self._begun.is_set():
            raise PairingFailedError(f"{self.phone}: {self._why_ended or 'no pairing in time'}")
        await self._within(LINK_SECONDS, self._online.wait(), self._ended.wait())

    def _new_client(self) -> NewAClient:
        paired = self.jid()
        # Go opens "file:<name>?_foreign_keys=on"; the last key given here swallows that addition.
        options = "_foreign_keys=on&_journal_mode=WAL&_synchronous=OFF&_busy_timeout=5000&opened_by="
        props = DeviceProps(os="Simulated phone", platformType=DeviceProps.PlatformType.DESKTOP)
        jid = None if paired is None else _device_jid(paired)
        client = NewAClient(f"{self._store}?{options}", jid=jid, props=props, uuid=self.phone, new_device=jid is None)
        client.uuid = f"{self.phone}#{next(_numbers)}".encode()  # an id of a stopped client is never used again
        _kept.append(client)
        self._listen(client)
        return client

    def _listen(self, client: NewAClient) -> None:
        def on(kind: type[Any], react: Callable[[Any], Awaitable[None] | None]) -> None:
            async def guarded(source: NewAClient, event: Any) -> None:
                if source is not self._client:
                    return
                try:
                    result = react(event)
                    if result is not None:
                        await result
                except Exception:  # noqa: BLE001  # an exception that leaves a callback vanishes without a word
                    _log.exception("phone %s: %s was not handled", self.phone, kind.__name__)
                    self._emit({"event": "fault", "phone": self.phone, "kind": kind.__name__})

            client.event(kind)(guarded)

        async def on_qr(source: NewAClient, code: bytes) -> None:
            if source is self._client:
                self._emit({"event": "qr", "phone": self.phone, "qr": code.decode()})

        client.event.qr(on_qr)
        on(events.ConnectedEv, lambda _: self._on_connected())
        on(events.DisconnectedEv, lambda _: self._online.clear())
        on(events.MessageEv, self._on_message)
        on(events.ReceiptEv, self._on_receipt)
        for kind, why in _ENDS.items():
            on(kind, lambda _, why=why: self._end(why))
        self._watch_beginning(client)

    def _watch_beginning(self, client: NewAClient) -> None:
        """Learn when the Go side has finished its start; it says so with code 0, which neonize keeps to itself."""
        loop = asyncio.get_running_loop()
        execute = client.event.execute

        def watched(uuid: int, binary: int, size: int, code: int) -> None:
            execute(uuid, binary, size, code)
            if code == 0:
                # A person's phone acknowledges every message it gets. Here, in Go's own callback, the flag is set
                # before the first message can come, and the start still holds the gate.
                gocode.SetForceActiveDeliveryReceipts(ctypes.c_char_p(client.uuid), ctypes.c_bool(True))
                loop.call_soon_threadsafe(self._begun.set)

        client.event.execute = watched

    def _on_stopped(self, client: NewAClient, task: asyncio.Task[None]) -> None:
        if client is not self._client or task.cancelled():
            return
        error = task.exception()
        self._end("stopped" if error is None else str(error))

    def _end(self, why: str) -> None:
        self._why_ended = why
        self._online.clear()
        self._ended.set()
        self._emit({"event": "offline", "phone": self.phone, "why": why})

    def _on_connected(self) -> None:
        self._online.set()
        took = round((time.monotonic() - self._started) * 1000)
        self._emit({"event": "online", "phone": self.phone, "jid": self.jid(), "milliseconds": took})

    def _on_message(self, event: MessageEvent) -> None:
        message = cast(Message, event.Message)  # pyright: ignore[reportUnknownMemberType]  # its stub is missing
        content = read_content(message)
        if content is None:
            return
        source = event.Info.MessageSource
        extra = dict(content.extra)
        if event.Info.Pushname:
            extra["pushName"] = event.Info.Pushname
        entry = Entry(
            phone=self.phone,
            id=event.Info.ID,
            chat=_chat_of(source),
            sender=_person_of(source.Sender, source.SenderAlt),
            from_me=source.IsFromMe,
            kind="edit" if event.IsEdit else content.kind,
            text=content.text,
            timestamp=event.Info.Timestamp,
            status="sent" if source.IsFromMe else None,
            extra=extra,
            raw=message.SerializeToString(),
        )
        self._store_entry(entry)

    def _store_entry(self, entry: Entry) -> None:
        early = self._early.pop(entry.id, None)
        if early is not None and entry.from_me:
            entry = replace(entry, status=early)
        if self._archive.add(entry) is not None:
            self._emit({"event": "message", "phone": self.phone, "id": entry.id})

    def _on_receipt(self, receipt: Receipt) -> None:
        status = _STATUS_OF_RECEIPT.get(receipt.Type)
        if status is None or receipt.MessageSource.IsFromMe:
            return
        for message_id in receipt.MessageIDs:
            if self._archive.find(self.phone, message_id) is None:
                self._early[message_id] = status
        changed = self._archive.set_status(self.phone, list(receipt.MessageIDs), status)
        if changed:
            self._emit({"event": "receipt", "phone": self.phone, "ids": changed, "status": status})

    @staticmethod
    async def _within(seconds: float, *conditions: Coroutine[Any, Any, object]) -> bool:
        """Whether one of the conditions came true in time."""
        waits = {asyncio.ensure_future(condition) for condition in conditions}
        done, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return bool(done)


def _device_jid(text: str) -> JID:
    user, server = text.split("@")
    phone, _, device = user.partition(":")
    return JID(User=phone.split(".")[0], RawAgent=0, Device=int(device or 0), Integrator=0, Server=server)


def _person_of(jid: JID, alternative: JID) -> str:
    """A person's phone; hidden identities (LIDs) are shown by the phone that came with them."""
    return alternative.User if jid.Server != PERSON and alternative.Server == PERSON else jid.User


def _chat_of(source: MessageSource) -> str:
    if source.IsGroup:
        return f"{source.Chat.User}@{source.Chat.Server}"
    return _person_of(source.Chat, source.RecipientAlt if source.IsFromMe else source.SenderAlt)
