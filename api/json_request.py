"""A request whose JSON body is read strictly: exact types, named fields, and no guessing of content types."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from api.errors import InvalidRequest
from contracts.errors import PereneError


class JsonRequest(Request[Any, Any, Any]):
    """Litestar converts a decoded body leniently ("true" passes for a bool), so it is decoded to its type here."""

    async def json(self) -> Any:
        """The body as what the route declares. Raises PereneError INVALID_JSON, INVALID_REQUEST, UNSUPPORTED_…"""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        # A form would pass a browser's same-origin check without a preflight, so only JSON is taken for JSON.
        if media_type and media_type != "application/json" and not media_type.endswith("+json"):
            raise PereneError(f"content type {media_type!r}", code="UNSUPPORTED_MEDIA_TYPE")
        body = await self.body()
        declared = self.route_handler.parsed_data_field
        try:
            return msgspec.json.decode(body, type=Any if declared is None else declared.annotation)
        except msgspec.ValidationError as error:
            problem, _, path = str(error).partition(" - at `$")
            raise InvalidRequest(path.rstrip("`").lstrip(".") or "body", problem) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PereneError("the body is not JSON", code="INVALID_JSON") from error
