"""The QR code of a connection, as JSON, PNG or SVG."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api import qr_image
from api.answers import Answer
from api.auth import Caller
from api.language import weight_of
from api.owned import owned_session
from api.services import Services
from contracts.errors import PereneError
from contracts.states import MEANINGS, SessionState

JSON, PNG, SVG = "application/json", "image/png", "image/svg+xml"


class QrAnswer(msgspec.Struct, rename="camel"):
    """`qrCode` is the raw payload and `qrCodeImage` a data URI; both are null unless a code can be scanned now.

    `expiresAt` is UTC.
    """

    qr_code: str | None
    qr_code_image: str | None
    expires_at: datetime | None
    connection_state: str
    is_connected: bool
    state: str


@get(
    "/connections/{connection_id:str}/qr",
    summary="The QR code to scan",
    description="`Accept: image/png` or `image/svg+xml` gives the picture, anything else JSON.",
)
async def get_qr(
    connection_id: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> Response[Answer[QrAnswer]]:
    row = await owned_session(services, caller, connection_id)
    payload = row.qr_code
    wanted = preferred_form(request.headers.get("accept", ""))
    # The payload is a pairing secret, and an old one misleads.
    headers = {"cache-control": "no-store", "vary": "Accept"}
    if wanted == JSON:
        answer = QrAnswer(
            qr_code=payload,
            qr_code_image=None if payload is None else qr_image.data_uri(payload),
            expires_at=None if payload is None else row.qr_expires_at,
            connection_state=MEANINGS[row.state].status.value,
            is_connected=row.state is SessionState.CONNECTED,
            state=row.state.value,
        )
        return Response(Answer(answer), headers=headers)
    if payload is None:
        raise PereneError("no live code", code="QR_NOT_AVAILABLE")
    picture: Any = qr_image.png(payload) if wanted == PNG else qr_image.svg(payload)
    return Response(picture, media_type=wanted, headers=headers)


def preferred_form(accept: str) -> str:
    """JSON, PNG or SVG, by the weights of an Accept header (RFC 9110, 12.5.1); JSON where nothing of ours is asked."""
    weights = {JSON: 0.0, PNG: 0.0, SVG: 0.0}
    for item in accept[:1000].split(","):
        media, _, parameters = item.partition(";")
        weight = weight_of(parameters)
        named = media.strip().lower()
        if named in weights:
            weights[named] = weight
        elif named == "image/*":
            # A browser's <img> asks for image/avif, image/webp, image/png, image/*: any picture, but PNG if named.
            weights[PNG] = max(weights[PNG], weight * 0.999)
        elif named in ("*/*", "application/*"):
            weights[JSON] = max(weights[JSON], weight * 0.998)
    best = max(weights, key=lambda form: weights[form])
    return best if weights[best] > 0 else JSON
