"""Bearer tokens: what is believed, and what is not."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.auth import Caller, Credentials, LocalAuthenticator
from api.jwt_auth import JwtAuthenticator
from contracts.errors import PereneError

SECRET = "a secret that is longer than thirty-two bytes"
OWNER, OTHER = str(uuid4()), str(uuid4())
KEY = ec.generate_private_key(ec.SECP256R1())


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": OWNER, "exp": int(time.time()) + 60, "role": "authenticated", **changes}


def shown(token: str, **headers: str) -> Credentials:
    return Credentials({"authorization": f"Bearer {token}", **headers}, {}, {})


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


async def refused(authenticator: JwtAuthenticator, credentials: Credentials) -> str:
    with pytest.raises(PereneError) as error:
        await authenticator.authenticate(credentials)
    return error.value.code


async def test_the_subject_is_the_owner_and_x_user_id_is_ignored() -> None:
    caller = await JwtAuthenticator(secret=SECRET).authenticate(shown(signed(), **{"x-user-id": OTHER}))
    assert caller.owner_id == OWNER
    assert caller.expires_at is not None


async def test_a_service_may_act_for_an_owner_and_has_to_name_one() -> None:
    authenticator = JwtAuthenticator(secret=SECRET)
    token = jwt.encode({"role": "service_role", "exp": int(time.time()) + 60}, SECRET)
    assert (await authenticator.authenticate(shown(token, **{"x-user-id": OTHER}))).owner_id == OTHER
    assert await refused(authenticator, shown(token)) == "INVALID_OWNER_ID"
    assert await refused(authenticator, shown(token, **{"x-user-id": "nobody"})) == "INVALID_OWNER_ID"


def _base64(part: dict[str, Any] | bytes) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def without_signature() -> str:
    return f"{_base64({'alg': 'none', 'typ': 'JWT'})}.{_base64(claims())}."


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed(secret="another secret that is longer than thirty-two bytes"),
        lambda: signed(exp=int(time.time()) - 60),
        lambda: signed(nbf=int(time.time()) + 600),
        lambda: signed(sub="nobody"),
        lambda: signed(sub=None),
        lambda: signed(algorithm="HS512", secret=SECRET * 2),
        lambda: jwt.encode({"sub": OWNER}, SECRET),
        lambda: jwt.encode(claims(), KEY, algorithm="ES256"),
        lambda: signed()[:-4] + "AAAA",
        lambda: "rubbish",
        lambda: "",
        without_signature,
    ],
)
async def test_other_tokens_are_refused(token: Callable[[], str]) -> None:
    assert await refused(JwtAuthenticator(secret=SECRET), shown(token())) == "UNAUTHENTICATED"


async def test_no_token_is_no_caller() -> None:
    authenticator = JwtAuthenticator(secret=SECRET)
    for headers in ({}, {"authorization": signed()}, {"authorization": f"Basic {signed()}"}, {"x-user-id": OWNER}):
        assert await refused(authenticator, Credentials(headers, {"x-user-id": OWNER}, {})) == "UNAUTHENTICATED"


async def test_audience_and_issuer_are_checked_where_they_are_configured() -> None:
    authenticator = JwtAuthenticator(secret=SECRET, audience="authenticated", issuer="https://auth.example")
    good = signed(aud="authenticated", iss="https://auth.example")
    assert (await authenticator.authenticate(shown(good))).owner_id == OWNER
    for wrong in (signed(), signed(aud="other", iss="https://auth.example"), signed(aud="authenticated", iss="x")):
        assert await refused(authenticator, shown(wrong)) == "UNAUTHENTICATED"


async def test_socket_handshakes_carry_the_token_in_auth() -> None:
    caller = await JwtAuthenticator(secret=SECRET).authenticate(Credentials({}, {}, {"token": signed()}))
    assert caller.owner_id == OWNER


async def test_keys_of_a_jwks_are_believed_and_their_public_half_is_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1", "use": "sig"}
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: {"keys": [jwk]})
    authenticator = JwtAuthenticator(jwks_url="http://127.0.0.1:1/jwks")
    token = jwt.encode(claims(), KEY, algorithm="ES256", headers={"kid": "k1"})
    assert (await authenticator.authenticate(shown(token))).owner_id == OWNER
    public = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    # By hand, as a good library refuses to make such a token.
    unsigned = f"{_base64({'alg': 'HS256', 'kid': 'k1'})}.{_base64(claims())}"
    confused = f"{unsigned}.{_base64(hmac.digest(public, unsigned.encode(), 'sha256'))}"
    assert await refused(authenticator, shown(confused)) == "UNAUTHENTICATED"
    unknown = jwt.encode(claims(), KEY, algorithm="ES256", headers={"kid": "k2"})
    assert await refused(authenticator, shown(unknown)) == "UNAUTHENTICATED"


async def test_an_unreachable_jwks_lets_nobody_in() -> None:
    authenticator = JwtAuthenticator(jwks_url="http://127.0.0.1:1/jwks")
    token = jwt.encode(claims(), KEY, algorithm="ES256", headers={"kid": "k1"})
    assert await refused(authenticator, shown(token)) == "UNAUTHENTICATED"


async def test_local_mode_prefers_the_header_and_falls_back_to_the_default() -> None:
    authenticator = LocalAuthenticator(OWNER)
    assert await authenticator.authenticate(Credentials({}, {}, {})) == Caller(OWNER)
    named = Credentials({"x-user-id": OTHER.upper()}, {"x-user-id": "x"}, {"userId": "x"})
    assert await authenticator.authenticate(named) == Caller(OTHER)
