"""Which pages may call the API from a browser: CORS, and the same rule for what CORS does not cover.

A browser sends simple requests (an empty POST is one) to any address, loopback included, and only hides the answer.
Where no credentials are needed that would let every web page act on this machine's sessions, so a request that names a
foreign origin is refused before it is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from litestar import Request
from litestar.config.cors import CORSConfig

from contracts.errors import PereneError

_LOOPBACK = re.compile(r"https?://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?")
_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)

_METHODS = ["GET", "POST", "DELETE", "HEAD", "OPTIONS"]
_HEADERS = ["Accept", "Accept-Language", "Authorization", "Content-Type", "X-Request-Id", "X-User-Id"]
_EXPOSED = ["X-Request-Id", "Retry-After"]


class Origins:
    """The pages that may call. `allowed` are exact origins (`https://crm.example.com`), or `*` for all.

    Pages served from loopback always may; `loopback_only` (for `local` auth) also asks that the API was addressed by a
    loopback name, which defeats a page whose own name was made to resolve to this machine (DNS rebinding).
    """

    def __init__(self, allowed: Sequence[str] = (), *, loopback_only: bool) -> None:
        self._any = "*" in allowed
        self._allowed = frozenset(allowed)
        self._loopback_only = loopback_only

    def accepts(self, origin: str | None, host: str) -> bool:
        """Whether a request from `origin` (None where no browser is known to be behind it) to `host` is served."""
        if self._loopback_only and not self._any and host and not _LOOPBACK_HOST.fullmatch(host):
            return False
        if origin is None or self._any or origin in self._allowed or _LOOPBACK.fullmatch(origin):
            return True
        # The page that this very server shows, where it is reached by another name.
        return not self._loopback_only and urlsplit(origin).netloc == host

    def check(self, request: Request[Any, Any, Any]) -> None:
        """A Litestar `before_request` hook. Raises PereneError FORBIDDEN."""
        if not self.accepts(request.headers.get("origin"), request.headers.get("host", "")):
            raise PereneError("origin or host not allowed", code="FORBIDDEN")

    def check_environ(self, origin: str | None, environ: dict[str, Any]) -> bool:
        """The same for Engine.IO, which asks for every request that has an origin."""
        return self.accepts(origin, cast(str, environ.get("HTTP_HOST", "")))

    def cors(self) -> CORSConfig:
        """Litestar's part: the headers that let a page read the answer."""
        return CORSConfig(
            allow_origins=["*"] if self._any else sorted(self._allowed),
            allow_origin_regex=None if self._any else _LOOPBACK.pattern,
            allow_methods=cast("list[Any]", _METHODS),
            allow_headers=_HEADERS,
            expose_headers=_EXPOSED,
            max_age=600,
        )
