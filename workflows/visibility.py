"""What an operator sees of a session in the Temporal Web UI: search attributes to filter by, and details in words."""

from __future__ import annotations

from typing import Final

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from contracts.session import SessionInput
from contracts.states import human_text

OWNER: Final = SearchAttributeKey.for_keyword("PereneOwner")
PHONE: Final = SearchAttributeKey.for_keyword("PerenePhone")
STATE: Final = SearchAttributeKey.for_keyword("PereneState")
HOST: Final = SearchAttributeKey.for_keyword("PereneHost")
CONNECTION: Final = SearchAttributeKey.for_keyword("PereneConnection")

KEYS: Final = (CONNECTION, OWNER, STATE, PHONE, HOST)
"""All are keywords, and must be registered with the server before a session starts."""

NOTHING: Final = "-"


def attributes(session: SessionInput, host_id: str | None = None) -> dict[SearchAttributeKey[str], str]:
    """The search attributes of a session as it is now."""
    return {
        CONNECTION: session.connection_id,
        OWNER: session.owner_id,
        STATE: session.state.value,
        PHONE: session.device.phone if session.device else NOTHING,
        HOST: host_id or NOTHING,
    }


def typed(session: SessionInput) -> TypedSearchAttributes:
    """The same, in the form that starting a workflow takes."""
    return TypedSearchAttributes([SearchAttributePair(key, value) for key, value in attributes(session).items()])


def details(session: SessionInput, host_id: str | None, epoch: int) -> str:
    """The current details, as Markdown."""
    reason = f" ({session.reason})" if session.reason else ""
    phone = session.device.phone if session.device else NOTHING
    holder = f"`{host_id}`, epoch {epoch}" if host_id else NOTHING
    return (
        f"**{session.state.value}**{reason}: {human_text(session.state)}\n\n"
        f"{human_text(session.state, 'en')}\n\n"
        f"- owner: `{session.owner_id}`\n- phone: {phone}\n- held by: {holder}\n"
    )
