"""Atendimentos by themselves: their mode, and reading one by its id."""

from __future__ import annotations

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.answers import DoneAnswer
from api.auth import Caller
from api.conversation_shapes import Atendimento, ChangeMode, ReadAnswer, atendimento_of
from api.deadlines import database
from api.owned import owned_session
from api.row_ids import is_row_id
from api.sends import chat_jid
from api.services import Services
from contracts.errors import AtendimentoNotFound


@post("/atendimentos/change-mode", status_code=200, summary="Change the mode of a chat's open atendimento")
async def change_mode(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[ChangeMode]
) -> DoneAnswer[Atendimento]:
    chat = chat_jid(data.chat_id)
    await owned_session(services, caller, data.connection_id)
    changed = await database(services.atendimentos.change_mode(caller.owner_id, data.connection_id, chat, data.mode))
    if changed is None:
        raise AtendimentoNotFound
    return DoneAnswer(atendimento_of(changed))


@post("/atendimentos/{atendimento_id:str}/read", status_code=200, summary="Mark the messages of its chat as read")
async def read_atendimento(
    atendimento_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ReadAnswer:
    """As `mark-read` of its chat."""
    found = None
    if is_row_id(atendimento_id):
        found = await database(services.atendimentos.get(caller.owner_id, atendimento_id))
    if found is None:
        raise AtendimentoNotFound
    return ReadAnswer(
        await database(services.read_marks.mark_read(caller.owner_id, found.connection_id, found.chat_id))
    )
