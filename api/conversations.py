"""What people do with a conversation: read it, close it, open it."""

from __future__ import annotations

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.answers import DoneAnswer
from api.auth import Caller
from api.conversation_shapes import Atendimento, ChatBody, ReadAnswer, atendimento_of
from api.deadlines import database
from api.owned import owned_session
from api.sends import chat_jid
from api.services import Services
from contracts.errors import AtendimentoNotFound


@post("/connections/{connection_id:str}/mark-read", status_code=200, summary="Mark the customer's messages as read")
async def mark_read(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[ChatBody],
) -> ReadAnswer:
    """They are read here when this answers; the read receipts leave in order with the sends."""
    chat = chat_jid(data.chat_id)
    await owned_session(services, caller, connection_id)
    return ReadAnswer(await database(services.read_marks.mark_read(caller.owner_id, connection_id, chat)))


@post("/connections/{connection_id:str}/finalizar-conversa", status_code=200, summary="Close the atendimento of a chat")
async def finalizar_conversa(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[ChatBody],
) -> DoneAnswer[Atendimento]:
    """One that is closed already stays as it is; the customer's next message opens a new one."""
    chat = chat_jid(data.chat_id)
    await owned_session(services, caller, connection_id)
    closed = await database(services.atendimentos.close(caller.owner_id, connection_id, chat))
    if closed is None:
        raise AtendimentoNotFound
    return DoneAnswer(atendimento_of(closed))


@post("/connections/{connection_id:str}/abrir-conversa", status_code=200, summary="Open the atendimento of a chat")
async def abrir_conversa(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[ChatBody],
) -> DoneAnswer[Atendimento]:
    """The open one, or the latest opened again, or a first one."""
    chat = chat_jid(data.chat_id)
    await owned_session(services, caller, connection_id)
    return DoneAnswer(atendimento_of(await database(services.atendimentos.open(caller.owner_id, connection_id, chat))))
