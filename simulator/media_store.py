"""WhatsApp's media hosts over HTTP: encrypted files are put there and fetched by everybody who knows the path."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

from aiohttp import web

from simulator.media_queries import MEDIA_HOST

_LARGEST_FILE = 2 * 1024**3
_NAME = re.compile(r"[0-9a-f]{64}")


def media_app(folder: Path) -> web.Application:
    """The hosts' routes, as whatsmeow upload.go and download.go use them; files are kept in `folder`."""
    folder.mkdir(exist_ok=True)
    app = web.Application(client_max_size=_LARGEST_FILE)
    store = _Store(folder)
    app.router.add_post("/{prefix:mms|newsletter|product}/{kind:.+}/{token}", store.put)
    app.router.add_get("/v/t62.0-24/{name}", store.get)
    return app


class _Store:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, request: web.Request) -> web.StreamResponse:
        """Keep a file under the hash of its bytes. Answers where it is: `{url, direct_path, handle, object_id}`."""
        name = await asyncio.to_thread(self._write, await request.read())
        path = f"/v/t62.0-24/{name}?ccb=1-1"
        place = {"url": f"https://{MEDIA_HOST}{path}", "direct_path": path, "handle": name, "object_id": name}
        return web.json_response(place)

    def _write(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        (self._folder / name).write_bytes(data)
        return name

    async def get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        file = self._folder / name
        if not _NAME.fullmatch(name) or not file.exists():
            raise web.HTTPNotFound
        return web.FileResponse(file, headers={"Content-Type": "application/octet-stream"})
