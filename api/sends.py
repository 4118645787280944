"""Sending messages: a send is committed to the queue first, then its end is waited for, briefly."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.auth import Caller
from api.deadlines import database
from api.errors import InvalidRequest
from api.owned import owned_session
from api.phone_numbers import canonical_phone
from api.services import Services
from contracts.errors import FAILURES, PereneError
from contracts.ids import Jid
from contracts.states import HOSTED_STATES
from store.accepted_sends import AcceptedSend
from store.session_rows import SessionRow

WAIT_SECONDS: Final = 10.0
TYPES: Final = frozenset({"text"})

_QUEUED = "queued"
_SERVERS = frozenset({"s.whatsapp.net", "lid", "g.us", "newsletter"})
_LEGACY_SERVER = "c.us"
"""How older libraries write s.whatsapp.net."""
_PHONE = re.compile(r"\+?[0-9() .-]{5,40}")

_Text = Annotated[str, msgspec.Meta(max_length=65_536, pattern=r"^[^\x00]*$")]
_Short = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00]*$")]


class SendMessage(msgspec.Struct, rename="camel"):
    """Body of `POST /connections/{id}/send-message`. `chatId` is a JID or a phone number in international form.

    Repeating a request with the same `clientMessageId` sends nothing again and tells how the first one ended.
    """

    chat_id: _Short
    type: _Short = "text"
    text: _Text | None = None
    quoted_message_id: _Short | None = None
    client_message_id: _Short | None = None


class Sent(msgspec.Struct, rename="camel"):
    """One accepted send. `status` is queued, sent, failed or unknown (it may have left; it is not tried again)."""

    id: int
    chat_id: str
    message_id: str | None
    status: str
    error_code: str | None


class SendAnswer(msgspec.Struct, rename="camel"):
    """`messageId` is WhatsApp's, null until its server took the message."""

    ok: bool
    success: bool
    message_id: str | None
    status: str
    data: Sent


@post("/connections/{connection_id:str}/send-message", status_code=200, summary="Send a message")
async def send_message(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[SendMessage],
) -> Response[SendAnswer]:
    """`status` is "queued" if it has not ended after ten seconds: it will be sent, and `message:status` tells."""
    if data.type not in TYPES:
        raise InvalidRequest("type", f"must be one of {', '.join(sorted(TYPES))}", code="UNSUPPORTED_MESSAGE_TYPE")
    if not data.text:
        raise InvalidRequest("text", "a text message needs a text")
    chat = chat_jid(data.chat_id)
    _check_may_send(await owned_session(services, caller, connection_id))
    payload: dict[str, object] = {"text": data.text}
    if data.quoted_message_id:
        payload["quotedMessageId"] = data.quoted_message_id
    accepted = await database(
        services.sends.accept(caller.owner_id, connection_id, chat, data.type, payload, data.client_message_id or None)
    )
    return _answer(await _settled(services, caller, accepted))


def chat_jid(given: str) -> str:
    """The bare JID of a chat. Raises InvalidRequest INVALID_CHAT_ID."""
    if _PHONE.fullmatch(given):
        return f"{canonical_phone(given, field='chatId')}@s.whatsapp.net"
    try:
        jid = Jid.parse(given)
    except ValueError:
        jid = None
    if jid is not None and jid.server == _LEGACY_SERVER:
        jid = Jid(jid.user, "s.whatsapp.net")
    if jid is None or jid.server not in _SERVERS:
        raise InvalidRequest("chatId", "neither a JID nor a phone number", code="INVALID_CHAT_ID")
    return jid.bare


def _check_may_send(row: SessionRow) -> None:
    # A linked session that is reconnecting takes sends: they leave as soon as it is back.
    if row.state not in HOSTED_STATES:
        code = "SESSION_NOT_PAIRED" if row.jid is None else "SESSION_NOT_CONNECTED"
        raise PereneError(f"sending in state {row.state}", code=code)


async def _settled(services: Services, caller: Caller, accepted: AcceptedSend) -> AcceptedSend:
    """How the send ended, or where it is when the wait is over: it is committed, so nothing is lost with our sight."""
    if accepted.settled:
        return accepted
    try:
        waited = await database(
            services.sends.wait_settled(caller.owner_id, accepted.id, WAIT_SECONDS), seconds=WAIT_SECONDS + 2
        )
    except PereneError:
        return accepted
    return waited or accepted


def _answer(send: AcceptedSend) -> Response[SendAnswer]:
    if send.state == "failed" and send.error_code in FAILURES:
        raise PereneError(send.error_detail or "the send failed", code=send.error_code)
    status = send.state if send.settled else _QUEUED
    ok = status != "failed"
    sent = Sent(send.id, send.chat_id, send.message_id, status, send.error_code)
    return Response(SendAnswer(ok, ok, send.message_id, status, sent), status_code=200 if ok else 502)
