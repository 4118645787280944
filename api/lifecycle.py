"""Commands to a session: each is an update of its workflow, and its answer is the state after it."""

from __future__ import annotations

from litestar import delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.answers import Answer, CommandAnswer
from api.auth import Caller
from api.connection_shapes import CommandOutcome, PairingCodeAnswer, PairingCodeBody, outcome_of, start_of
from api.deadlines import database
from api.language import Language
from api.owned import owned_session
from api.phone_numbers import canonical_phone
from api.ports import Revive
from api.services import Services
from contracts.errors import ConnectionNotFound
from contracts.session import PairingCodeRequest, SessionInput
from contracts.states import SessionState, human_text

Outcome = CommandAnswer[CommandOutcome]


@post("/connections/{connection_id:str}/refresh-qr", status_code=200, summary="Open a new pairing window")
async def refresh_qr(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    language: NamedDependency[Language],
) -> CommandAnswer[CommandOutcome]:
    revive = await _reviver(services, caller, connection_id)
    result = await services.orchestrator.refresh_qr(connection_id, revive)
    return _told(connection_id, result.state, language, changed=result.changed)


@post("/connections/{connection_id:str}/reconnect", status_code=200, summary="Connect again with the keys it has")
async def reconnect(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    language: NamedDependency[Language],
) -> CommandAnswer[CommandOutcome]:
    revive = await _reviver(services, caller, connection_id)
    result = await services.orchestrator.reconnect(connection_id, revive)
    return _told(connection_id, result.state, language, changed=result.changed)


@post("/connections/{connection_id:str}/disconnect", status_code=200, summary="Close the socket and keep the keys")
async def disconnect(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    language: NamedDependency[Language],
) -> CommandAnswer[CommandOutcome]:
    revive = await _reviver(services, caller, connection_id)
    result = await services.orchestrator.disconnect(connection_id, revive)
    return _told(connection_id, result.state, language, changed=result.changed)


@post("/connections/{connection_id:str}/logout", status_code=200, summary="Unlink the device at WhatsApp")
async def logout(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    language: NamedDependency[Language],
) -> CommandAnswer[CommandOutcome]:
    revive = await _reviver(services, caller, connection_id)
    result = await services.orchestrator.logout(connection_id, revive)
    return _told(connection_id, result.state, language, changed=True, unlinked=result.unlinked)


@post("/connections/{connection_id:str}/abort", status_code=200, summary="End a connection and remove it")
async def abort(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    language: NamedDependency[Language],
) -> CommandAnswer[CommandOutcome]:
    return await _remove(services, caller, connection_id, language)


@delete("/connections/{connection_id:str}", status_code=200, summary="Remove a connection")
async def delete_connection(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    language: NamedDependency[Language],
) -> CommandAnswer[CommandOutcome]:
    return await _remove(services, caller, connection_id, language)


@post(
    "/connections/{connection_id:str}/pairing-code",
    status_code=200,
    summary="The code for linking a phone without a camera",
)
async def pairing_code(
    connection_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[PairingCodeBody],
) -> Answer[PairingCodeAnswer]:
    phone = canonical_phone(data.phone_number, field="phoneNumber")
    revive = await _reviver(services, caller, connection_id)
    result = await services.orchestrator.pairing_code(connection_id, PairingCodeRequest(phone), revive)
    return Answer(PairingCodeAnswer(result.code))


async def _reviver(services: Services, caller: Caller, connection_id: str) -> Revive:
    """Checks that the caller owns the connection; gives what starts its workflow if Temporal has none."""
    await owned_session(services, caller, connection_id)

    async def revive() -> SessionInput:
        return start_of(await database(services.sessions.get(caller.owner_id, connection_id)))

    return revive


async def _remove(services: Services, caller: Caller, connection_id: str, language: Language) -> Outcome:
    revive = await _reviver(services, caller, connection_id)
    try:
        await services.orchestrator.delete(connection_id, revive)
    except ConnectionNotFound:
        # It was there a moment ago: whoever removed it did what was asked.
        return _told(connection_id, SessionState.DELETED, language, changed=False)
    return _told(connection_id, SessionState.DELETED, language, changed=True)


def _told(
    connection_id: str, state: SessionState, language: Language, *, changed: bool, unlinked: bool | None = None
) -> Outcome:
    outcome = outcome_of(connection_id, state, changed=changed, unlinked=unlinked)
    return CommandAnswer(human_text(state, language), outcome)
