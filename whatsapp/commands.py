"""Commands to one logged-in client: send, mark read, log out. None blocks the event loop or another session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from contracts.errors import PereneError
from contracts.ids import Jid
from contracts.messages import SendJob, SentMessage
from contracts.ports import SendOutcomeUnknown, SendRefused
from whatsapp.client import Client, ClientGone
from whatsapp.jids import chat_address, empty, to_protobuf
from whatsapp.log_lines import redact
from whatsapp.outcome import CLOSED, send_failure
from whatsapp.outgoing import build_message
from whatsapp.protobufs import events
from whatsapp.workshop import Workshop

SEND_TIMEOUT = 90.0
"""Seconds. The library itself waits 75 s for the acknowledgement, after look-ups of its own."""


class Commands:
    """The commands of one session. One send at a time: whatsmeow would queue a second one behind its own lock."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._sending = asyncio.Lock()
        self._hanging: asyncio.Future[bytes] | None = None

    async def send(self, client: Client, job: SendJob) -> SentMessage:
        """Send what `job` says. Raises SendRefused or SendOutcomeUnknown."""
        try:
            to = chat_address(job.chat)
        except ValueError as error:
            raise SendRefused(str(error)) from error
        async with self._sending:
            if self._hanging is not None and not self._hanging.done():
                raise SendRefused("an earlier send still waits for WhatsApp's answer")
            message = await build_message(job, client, self._workshop)
            self._hanging = asyncio.ensure_future(self._workshop.call(_send, client, to, message))
            try:
                raw = await asyncio.wait_for(asyncio.shield(self._hanging), SEND_TIMEOUT)
            except TimeoutError as error:
                raise SendOutcomeUnknown(f"no answer within {SEND_TIMEOUT:g} s") from error
        answer = events.SendMessageReturnFunction.FromString(raw)
        if answer.Error:
            raise send_failure(answer.Error)
        sent = answer.SendResponse
        return SentMessage(sent.ID, datetime.fromtimestamp(sent.Timestamp, UTC))

    async def mark_read(self, client: Client, chat: Jid, sender: Jid | None, message_ids: Sequence[str]) -> None:
        """Send read receipts. Raises PereneError SESSION_NOT_CONNECTED."""
        if not message_ids:
            return
        error = await self._workshop.call(_mark_read, client, chat, sender, " ".join(message_ids))
        if error:
            raise PereneError(redact(error), code="SESSION_NOT_CONNECTED")

    async def logout(self, client: Client, timeout: float) -> str:
        """Unlink. The library's error, or "". Raises TimeoutError, and the call may still succeed later."""
        return await asyncio.wait_for(asyncio.shield(self._workshop.call(_logout, client)), timeout)


def _send(client: Client, to: Jid, message: bytes) -> bytes:
    try:
        return client.call(client.library.send_message, to_protobuf(to).SerializeToString(), message)
    except ClientGone:
        return events.SendMessageReturnFunction(Error=CLOSED).SerializeToString()


def _mark_read(client: Client, chat: Jid, sender: Jid | None, ids: str) -> str:
    author = empty() if sender is None else to_protobuf(sender)
    to = to_protobuf(chat).SerializeToString()
    try:
        return client.call(client.library.mark_read, ids, int(time.time()), to, author.SerializeToString(), "read")
    except ClientGone:
        return CLOSED


def _logout(client: Client) -> str:
    try:
        return client.call(client.library.logout)
    except ClientGone:
        return CLOSED
