"""Bearer tokens: HS256 with a shared secret, or the asymmetric algorithms of a JWKS. Supabase's tokens are such."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import jwt
import structlog

from api.auth import Caller, Credentials, canonical_owner_id
from contracts.errors import PereneError

SERVICE_ROLE: Final = "service_role"
LEEWAY_SECONDS: Final = 10
JWKS_SECONDS: Final = 3
JWKS_LIFESPAN_SECONDS: Final = 300

_SECRET_ALGORITHMS: Final = ("HS256",)
_JWKS_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384", "EdDSA")

_log = structlog.get_logger()


class JwtAuthenticator:
    """The owner is the token's `sub`; only a token of the role `service_role` may name another in `x-user-id`.

    Which algorithms count follows from what was configured, never from the token: a public key must not serve as an
    HMAC secret (RFC 8725, 3.1).
    """

    def __init__(
        self,
        *,
        secret: str | None = None,
        jwks_url: str | None = None,
        audience: str | None = None,
        issuer: str | None = None,
    ) -> None:
        """One of `secret` and `jwks_url`. `audience` and `issuer` are checked where given."""
        if (secret is None) == (jwks_url is None):
            raise ValueError("one of secret and jwks_url")
        self._secret = secret
        self._keys = (
            None
            if jwks_url is None
            else jwt.PyJWKClient(jwks_url, lifespan=JWKS_LIFESPAN_SECONDS, timeout=JWKS_SECONDS)
        )
        self._audience = audience
        self._issuer = issuer

    async def authenticate(self, credentials: Credentials) -> Caller:
        claims = await self._claims(_token(credentials))
        expires_at = float(cast(int, claims["exp"]))
        if claims.get("role") == SERVICE_ROLE and "x-user-id" in credentials.headers:
            return Caller(canonical_owner_id(credentials.headers["x-user-id"]), expires_at)
        try:
            return Caller(canonical_owner_id(claims.get("sub")), expires_at)
        except PereneError as error:
            if claims.get("role") == SERVICE_ROLE:
                raise  # It has no owner of its own: it has to say for whom it acts.
            raise PereneError("the token's subject is no owner", code="UNAUTHENTICATED") from error

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key, algorithms = await self._key(token)
            return jwt.decode(
                token,
                key,
                algorithms=list(algorithms),
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp"], "verify_aud": self._audience is not None},
            )
        except jwt.PyJWKClientConnectionError as error:
            _log.error("jwks_unreachable", problem=str(error))
            raise PereneError("the keys cannot be fetched", code="UNAUTHENTICATED") from error
        except jwt.PyJWTError as error:
            # The text names the check that failed, and nothing of the token.
            raise PereneError(f"token refused: {type(error).__name__}", code="UNAUTHENTICATED") from error

    async def _key(self, token: str) -> tuple[Any, tuple[str, ...]]:
        if self._keys is None:
            return self._secret, _SECRET_ALGORITHMS
        # It fetches with a blocking call when it does not know the key's id.
        signing = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
        return signing.key, _JWKS_ALGORITHMS


def _token(credentials: Credentials) -> str:
    """The bearer token of a request's header, or of Socket.IO's handshake."""
    scheme, _, token = credentials.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    given = credentials.auth.get("token")
    if isinstance(given, str) and given:
        return given.removeprefix("Bearer ").strip()
    raise PereneError("no token", code="UNAUTHENTICATED")
