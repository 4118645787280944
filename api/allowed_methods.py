"""OPTIONS: which methods each path takes. Litestar's own answer names the first route of a path only."""

from __future__ import annotations

from collections.abc import Iterable

from litestar import Response, route
from litestar.handlers import HTTPRouteHandler


def options_routes(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """One OPTIONS route for each path of `handlers`."""
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, {"OPTIONS"}).update(map(str, handler.http_methods))
    return [_options_route(path, allowed) for path, allowed in methods.items()]


def _options_route(path: str, methods: set[str]) -> HTTPRouteHandler:
    # HEAD is answered by the GET route (see api.boundary).
    allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))

    @route(path, http_method=["OPTIONS"], status_code=204, include_in_schema=False)
    async def options() -> Response[None]:
        return Response(None, status_code=204, headers={"allow": allowed})

    return options
