"""Who is asking: one interface for REST and Socket.IO, and its local form, which trusts whoever reaches loopback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from contracts.errors import PereneError


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client showed. `headers` has lower-case names; `auth` is Socket.IO's handshake object, empty for REST."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    auth: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a request acts. `expires_at`: unix seconds after which the credentials are void, or None."""

    owner_id: str
    expires_at: float | None = None


class Authenticator(Protocol):
    """Turns credentials into a caller."""

    async def authenticate(self, credentials: Credentials) -> Caller:
        """Raises PereneError: UNAUTHENTICATED, FORBIDDEN or INVALID_OWNER_ID."""
        ...


class LocalAuthenticator:
    """No credentials: the owner is `x-user-id` if it was sent, else the default owner. For loopback only."""

    def __init__(self, default_owner_id: str) -> None:
        self._default = Caller(canonical_owner_id(default_owner_id))

    async def authenticate(self, credentials: Credentials) -> Caller:
        given = credentials.headers.get("x-user-id")
        if given is None:
            # Browsers cannot set headers on a websocket, so a page names its owner in the handshake or the address.
            given = credentials.auth.get("userId", credentials.query.get("x-user-id"))
        if given is None:
            return self._default
        return Caller(canonical_owner_id(given))


def canonical_owner_id(given: object) -> str:
    """A UUID in its canonical form. Raises PereneError INVALID_OWNER_ID."""
    # UUID() takes braces, "urn:uuid:" and misplaced dashes too; an id must have one spelling.
    if isinstance(given, str) and len(given) == 36:
        try:
            owner_id = str(UUID(given))
        except ValueError:
            owner_id = ""
        if owner_id == given.lower():
            return owner_id
    raise PereneError("the owner's id is no UUID", code="INVALID_OWNER_ID")
