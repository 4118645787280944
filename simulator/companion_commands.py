"""What the parent may ask of the companion process: one method a command."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from neonize.utils.enum import ChatPresence, ChatPresenceMedia, MediaType, ReceiptType

from simulator.chat_message import MEDIA_KINDS, media_message, quote, reaction_message, text_message
from simulator.companion_gate import Gate
from simulator.companion_phone import CompanionPhone, Emit, chat_jid, person_jid
from simulator.phone_archive import Archive, Entry
from simulator.phone_errors import InvalidRequestError, PhoneError, TooManyPhonesError, UnknownMessageError
from simulator.phone_number import GROUP, PERSON, chat_name, phone_digits

Request = dict[str, Any]
Result = dict[str, Any]

MOST_PHONES = 500
"""`connect()` holds one thread of asyncio's default executor for the life of a client."""
_log = logging.getLogger(__name__)
_UPLOADS = {
    "image": MediaType.MediaImage,
    "video": MediaType.MediaVideo,
    "audio": MediaType.MediaAudio,
    "document": MediaType.MediaDocument,
}


class Commands:
    """All phones of one simulator. Their keys lie in `directory`, one SQLite file a phone."""

    def __init__(self, directory: Path, proxy: str, emit: Emit) -> None:
        self._directory = directory
        self._proxy = proxy
        self._emit = emit
        self._gate = Gate()
        self._archive = Archive(directory / "messages.db")
        self._phones: dict[str, CompanionPhone] = {}
        for store in sorted(directory.glob("phone-*.db"))[:MOST_PHONES]:
            self._phone(store.stem.removeprefix("phone-"))
        self._commands: dict[str, Callable[[Request], Awaitable[Result]]] = {
            "phones": self._list,
            "ensure": self._ensure,
            "link_failed": self._link_failed,
            "messages": self._messages,
            "send": self._send,
            "media": self._media,
            "react": self._react,
            "read": self._read,
            "typing": self._typing,
            "group": self._group,
            "download": self._download,
        }

    async def answer(self, request: Request, write: Callable[[dict[str, Any]], None]) -> None:
        """Carry one request out and write its reply, whatever happens."""
        try:
            result = await self._commands[request["do"]](request)
        except PhoneError as error:
            write({"reply": request["id"], "error": {"code": error.code, "message": str(error)}})
        except Exception as error:  # noqa: BLE001  # whoever asked must get an answer
            _log.exception("%s failed", request["do"])
            write({"reply": request["id"], "error": {"code": "PHONE_ERROR", "message": repr(error)}})
        else:
            write({"reply": request["id"], "result": result})

    async def close(self) -> None:
        """Disconnect every client; what it had received is stored by then."""
        await asyncio.gather(*(phone.stop() for phone in self._phones.values()))

    def _phone(self, phone: str) -> CompanionPhone:
        known = self._phones.get(phone)
        if known is None:
            if len(self._phones) >= MOST_PHONES:
                raise TooManyPhonesError
            store = self._directory / f"phone-{phone}.db"
            known = CompanionPhone(phone, store, self._proxy, self._gate, self._archive, self._emit)
            self._phones[phone] = known
        return known

    async def _live(self, request: Request) -> CompanionPhone:
        phone = self._phone(phone_digits(request["phone"]))
        await phone.ensure()
        return phone

    async def _list(self, _: Request) -> Result:
        return {
            "phones": [
                {
                    "phone": phone.phone,
                    "name": self._archive.name(phone.phone),
                    "jid": phone.jid(),
                    "online": phone.online,
                    "messages": self._archive.count(phone.phone),
                }
                for phone in self._phones.values()
            ]
        }

    async def _ensure(self, request: Request) -> Result:
        name = request.get("name")
        if name:
            self._archive.set_name(phone_digits(request["phone"]), str(name))
        phone = await self._live(request)
        return {"phone": phone.phone, "jid": phone.jid(), "name": self._archive.name(phone.phone)}

    async def _link_failed(self, request: Request) -> Result:
        self._phone(phone_digits(request["phone"])).link_failed(str(request["why"]))
        return {}

    async def _messages(self, request: Request) -> Result:
        entries = self._archive.messages(phone_digits(request["phone"]), int(request.get("after", 0)))
        return {"messages": [entry.public() for entry in entries]}

    async def _send(self, request: Request) -> Result:
        to = chat_name(request["to"])
        phone = await self._live(request)
        context = self._context(phone.phone, request.get("quotedId"))
        return _sent(await phone.send(to, text_message(request["text"], context)))

    async def _media(self, request: Request) -> Result:
        to, kind = chat_name(request["to"]), request["kind"]
        if kind not in MEDIA_KINDS:
            raise InvalidRequestError(f"kind is one of {', '.join(MEDIA_KINDS)}")
        try:
            data = base64.b64decode(request["data"], validate=True)
        except binascii.Error as error:
            raise InvalidRequestError("data is base64") from error
        phone = await self._live(request)
        upload = await phone.call(lambda client: client.upload(data, _UPLOADS[kind]))
        message = media_message(
            kind,
            upload,
            mime_type=request["mimeType"],
            caption=request.get("caption"),
            file_name=request.get("fileName"),
            seconds=request.get("seconds"),
            voice=bool(request.get("voice")),
            context=self._context(phone.phone, request.get("quotedId")),
        )
        return _sent(await phone.send(to, message))

    async def _react(self, request: Request) -> Result:
        phone = await self._live(request)
        target = self._entry(phone.phone, request["messageId"])
        group = target.chat.endswith("@" + GROUP)
        message = reaction_message(
            target.chat if group else f"{target.chat}@{PERSON}",
            target.id,
            target.from_me,
            f"{target.sender}@{PERSON}" if group else None,
            request["emoji"],
        )
        return _sent(await phone.send(target.chat, message))

    async def _read(self, request: Request) -> Result:
        chat = chat_name(request["chat"])
        phone = await self._live(request)
        unread = self._archive.unread(phone.phone, chat)
        for sender in dict.fromkeys(entry.sender for entry in unread):
            ids = [entry.id for entry in unread if entry.sender == sender]
            await phone.call(
                lambda client, ids=ids, sender=sender: client.mark_read(
                    *ids, chat=chat_jid(chat), sender=person_jid(sender), receipt=ReceiptType.READ
                )
            )
            self._archive.set_status(phone.phone, ids, "read")
        return {"messageIds": [entry.id for entry in unread]}

    async def _typing(self, request: Request) -> Result:
        chat, state = chat_name(request["to"]), request.get("state", "composing")
        if state not in ("composing", "recording", "paused"):
            raise InvalidRequestError("state is one of composing, recording, paused")
        phone = await self._live(request)
        presence = ChatPresence.CHAT_PRESENCE_PAUSED if state == "paused" else ChatPresence.CHAT_PRESENCE_COMPOSING
        text, audio = ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_AUDIO
        media = audio if state == "recording" else text
        await phone.call(lambda client: client.send_chat_presence(chat_jid(chat), presence, media))
        return {}

    async def _group(self, request: Request) -> Result:
        people = [person_jid(phone_digits(person)) for person in request["participants"]]
        phone = await self._live(request)
        group = await phone.call(lambda client: client.create_group(request["name"], people))
        return {"chat": f"{group.JID.User}@{group.JID.Server}"}

    async def _download(self, request: Request) -> Result:
        phone = await self._live(request)
        entry = self._entry(phone.phone, request["messageId"])
        if entry.kind not in MEDIA_KINDS:
            raise InvalidRequestError("the message has no file")
        from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message

        message = Message.FromString(entry.raw)
        data = await phone.call(lambda client: client.download_any(message))
        return {"data": base64.b64encode(data).decode(), "mimeType": entry.extra.get("mimeType")}

    def _entry(self, phone: str, message_id: object) -> Entry:
        entry = self._archive.find(phone, str(message_id))
        if entry is None:
            raise UnknownMessageError
        return entry

    def _context(self, phone: str, quoted_id: object) -> Any:
        if not quoted_id:
            return None
        entry = self._entry(phone, quoted_id)
        return quote(entry.id, f"{entry.sender}@{PERSON}", entry.raw)


def _sent(entry: Entry) -> Result:
    return {"messageId": entry.id, "timestamp": entry.timestamp}
