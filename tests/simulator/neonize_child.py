"""One unmodified neonize client in a process of its own: events leave as JSON lines on stdout, commands come on stdin.

    python neonize_child.py PROXY ROOT_KEY_HEX STORE [JID]

Commands are `{"id": 1, "do": name, …}` and are answered by `{"reply": 1, "result": …}` or `{"reply": 1, "error": …}`.
Events are `{"event": kind, …fields of neonize's protobuf}`. The test's process must set SSL_CERT_FILE.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PINNED = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


def replace_root(key: bytes) -> int:
    """Write a key over whatsmeow's pinned one in the library's writable memory; how many there were."""
    found = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1].startswith("rw") and "neonize" in fields[5]:
            low, high = (int(edge, 16) for edge in fields[0].split("-"))
            at = ctypes.string_at(low, high - low).find(PINNED)
            if at >= 0:
                ctypes.memmove(low + at, key, len(key))
                found += 1
    return found


OUT = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Go prints to stdout

import pylibmagic  # noqa: E402, F401  # neonize needs libmagic, which this brings
from google.protobuf.json_format import MessageToDict  # noqa: E402
from neonize._binder import ProxySettings  # noqa: E402
from neonize.aioze import events  # noqa: E402
from neonize.aioze.client import NewAClient  # noqa: E402
from neonize.proto.Neonize_pb2 import JID  # noqa: E402
from neonize.proto.Neonize_pb2 import Message as MessageEvent  # noqa: E402
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps  # noqa: E402
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import DocumentMessage, Message  # noqa: E402
from neonize.utils.enum import ChatPresence, ChatPresenceMedia, MediaType, ParticipantChange  # noqa: E402

KINDS = [name for name in events.__all__ if name.endswith("Ev")]


def say(**line: Any) -> None:
    OUT.write(json.dumps(line) + "\n")
    OUT.flush()


def jid(text: str) -> JID:
    user, _, server = text.partition("@")
    user, _, device = user.partition(":")
    return JID(User=user, RawAgent=0, Device=int(device or 0), Integrator=0, Server=server or "s.whatsapp.net")


class Child:
    def __init__(self, proxy: str, store: str, own: str | None) -> None:
        props = DeviceProps(os="Simulator test", platformType=DeviceProps.PlatformType.DESKTOP)
        own_jid = jid(own) if own else None
        self.client = NewAClient(store, jid=own_jid, props=props, uuid="child", new_device=own_jid is None)
        self.proxy = proxy
        self.received: dict[str, Message] = {}
        for name in KINDS:
            self.listen(name)

        async def on_qr(_: NewAClient, code: bytes) -> None:
            say(event="qr", code=code.decode())

        self.client.event.qr(on_qr)

    def listen(self, name: str) -> None:
        async def on(_: NewAClient, event: Any) -> None:
            if isinstance(event, MessageEvent):
                self.received[event.Info.ID] = event.Message
                text = event.Message.conversation or event.Message.extendedTextMessage.text
                source = event.Info.MessageSource
                say(
                    event="Message",
                    id=event.Info.ID,
                    text=text,
                    fromMe=source.IsFromMe,
                    isGroup=source.IsGroup,
                    sender=source.Sender.User,
                    senderAlt=source.SenderAlt.User,
                    chat=f"{source.Chat.User}@{source.Chat.Server}",
                    pushName=event.Info.Pushname,
                    document=event.Message.documentMessage.fileName,
                )
            else:
                say(event=name.removesuffix("Ev"), **MessageToDict(event))

        self.client.event(getattr(events, name))(on)

    async def connect(self) -> None:
        await self.client.connect(ProxySettings(self.proxy))

    async def stop(self) -> None:
        await self.client.stop()

    async def pair_phone(self, phone: str) -> str:
        return await self.client.PairPhone(phone, False)

    async def send(self, to: str, text: str) -> str:
        return (await self.client.send_message(jid(to), Message(conversation=text))).ID

    async def send_file(self, to: str, data: str, name: str) -> str:
        content = base64.b64decode(data)
        put = await self.client.upload(content, MediaType.MediaDocument)
        document = DocumentMessage(
            URL=put.url,
            mimetype="application/octet-stream",
            fileName=name,
            directPath=put.DirectPath,
            mediaKey=put.MediaKey,
            fileEncSHA256=put.FileEncSHA256,
            fileSHA256=put.FileSHA256,
            fileLength=put.FileLength,
        )
        return (await self.client.send_message(jid(to), Message(documentMessage=document))).ID

    async def download(self, message_id: str) -> str:
        return base64.b64encode(await self.client.download_any(self.received[message_id])).decode()

    async def create_group(self, name: str, participants: list[str]) -> str:
        group = await self.client.create_group(name, [jid(participant) for participant in participants])
        return f"{group.JID.User}@{group.JID.Server}"

    async def group(self, chat: str) -> dict[str, Any]:
        return MessageToDict(await self.client.get_group_info(jid(chat)))

    async def joined_groups(self) -> list[str]:
        return [group.JID.User for group in await self.client.get_joined_groups()]

    async def add_to_group(self, chat: str, phone: str) -> None:
        await self.client.update_group_participants(jid(chat), [jid(phone)], ParticipantChange.ADD)

    async def on_whatsapp(self, *phones: str) -> dict[str, bool]:
        return {found.Query.lstrip("+"): found.IsIn for found in await self.client.is_on_whatsapp(*phones)}

    async def user_info(self, phone: str) -> list[Any]:
        return [MessageToDict(info) for info in await self.client.get_user_info(jid(phone))]

    async def blocklist(self) -> dict[str, Any]:
        return MessageToDict(await self.client.get_blocklist())

    async def privacy(self) -> dict[str, Any]:
        return MessageToDict(await self.client.get_privacy_settings())

    async def acknowledge_actively(self) -> None:
        """Send receipts as a client that is online does. (It cannot be online: only a phone can tell it its name.)"""
        await self.client.set_force_activate_delivery_receipts(True)

    async def subscribe(self, phone: str) -> None:
        await self.client.subscribe_presence(jid(phone))

    async def typing(self, to: str) -> None:
        state, media = ChatPresence.CHAT_PRESENCE_COMPOSING, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT
        await self.client.send_chat_presence(jid(to), state, media)

    async def logout(self) -> None:
        await self.client.logout()

    async def answer(self, line: dict[str, Any]) -> None:
        number, name = line.pop("id"), line.pop("do")
        try:
            say(reply=number, result=await getattr(self, name)(*line.pop("arguments")))
        except Exception as error:  # noqa: BLE001  # the test is to see it
            say(reply=number, error=f"{type(error).__name__}: {error}")


async def main(proxy: str, root: str, store: str, own: str | None = None) -> None:
    assert replace_root(bytes.fromhex(root)) == 1
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(32))
    child = Child(proxy, store, own)
    reader = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say(event="ready")
    tasks: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(child.answer(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    os._exit(0)  # the library's threads do not end by themselves


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
