"""The site on 127.0.0.1: the page and the API, behind the door.

It keeps its port from one daemon to the next, so that an open page finds it again; only when somebody else
has taken the port does it move to another. A daemon that cannot listen anywhere has no dashboard, and nothing
else suffers. Nothing here is logged but faults, and of those no query and no header: tickets and secrets are
there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from locald.adapters import ports
from locald.daemon.api import closing, crowd
from locald.daemon.api.crowd import Crowd
from locald.daemon.api.reading import MASKED
from locald.daemon.api.server import application, failure
from locald.daemon.dashboard import memory
from locald.daemon.dashboard.door import FAMILIAR, SIGN_IN, Door, Refusal, Tickets
from locald.daemon.dashboard.files import Files
from locald.daemon.dashboard.memory import Memory
from locald.daemon.dashboard.notices import POLICY, notice
from locald.domain.project.names import Key
from locald.domain.values.problem import Problem
from locald.linux.peers import uid_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from locald.daemon.api.server import Api

log = logging.getLogger(__name__)

YEAR = 365 * 24 * 3600
"""seconds that a browser stays signed in"""
WITH_EVERYTHING = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Site:
    def __init__(self, api: Api, noted: str, files: Files | None = None) -> None:
        """`noted`: the file with the port and the secret."""
        self._noted = noted
        self._files = files or Files()
        self._tickets = Tickets(asyncio.get_running_loop().time)
        self._crowd = Crowd()
        self._app = application(api.routes(), api, self._crowd.answering, self._guard)
        self._app[MASKED] = True
        self._app.add_routes([*self._files.routes(), web.get("/signin", self._sign_in, allow_head=False)])
        self._app.on_response_prepare.append(self._add_headers)
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            logger=_discreet(),
            shutdown_timeout=closing.END_WITHIN,
            **crowd.limits(),
        )
        self._door: Door | None = None
        self._listening: closing.Listening | None = None

    @property
    def url(self) -> str | None:
        """Where the page is; None when the site is closed."""
        return f"http://{self._door.hosts[0]}/" if self._door else None

    def invite(self) -> str | None:
        """An address that lets a browser in, once, soon."""
        return f"{self.url}signin?ticket={self._tickets.issue()}" if self._door else None

    async def open(self, taken: Collection[int]) -> None:
        """Begin to answer, if there is a port to be had. `taken`: those promised to services."""
        try:
            listening, remembered = await asyncio.to_thread(_listen, self._noted, taken)
        except OSError as error:
            log.warning("no dashboard: %s", error.strerror)
            return
        port = listening.getsockname()[1]
        self._door = Door(port, remembered.secret, os.geteuid())
        await self._runner.setup()
        self._listening = closing.Listening(self._runner, listening, self._crowd)
        await self._listening.begin()
        log.info("dashboard: %s", self.url)

    async def withdraw(self) -> None:
        """Let nobody in any more: who is notified that the daemon ends should not find it here again."""
        if self._listening:
            await self._listening.end()
        self._listening = None

    async def close(self) -> None:
        """Finish what is under way, and be gone."""
        await self.withdraw()
        self._door = None
        await self._runner.cleanup()

    # Every request.

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self._door is None:
            raise web.HTTPServiceUnavailable
        refusal = self._door.refuses(
            request.method, request.path, request.headers, request.cookies, _uid(request)
        )
        if refusal:
            return _refused(request, refusal)
        answer = await handler(request)
        if answer.status == 404 and not _speaks_json(request):
            return _refused(request, _NOWHERE)
        return answer

    async def _add_headers(self, request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(WITH_EVERYTHING)
        answer.headers.setdefault("Cache-Control", "no-store")
        policy = _policy_of_page(request.host) if _is_page(request, answer) else POLICY
        answer.headers["Content-Security-Policy"] = policy

    # Signing in.

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        assert self._door is not None
        known = self._door.knows(request.cookies.get(self._door.cookie, ""))
        if not self._tickets.take(request.query.get("ticket", "")) and not known:
            return _refused(request, _USED)
        answer = _onward(request)
        answer.set_cookie(
            self._door.cookie, self._door.secret, max_age=YEAR, path="/", httponly=True, samesite="Strict"
        )
        return answer


_USED = Refusal(
    403, "this address has already been used or has expired", f"{SIGN_IN} (valid once, for five minutes)"
)
_NOWHERE = Refusal(404, "no such page", "go to `/` for the dashboard")


def _uid(request: web.Request) -> int | None:
    """Whose request this is."""
    if request.transport is None:
        return None
    there, here = (request.transport.get_extra_info(name) for name in ("peername", "sockname"))
    return uid_of(there, here) if there and here else None


def _discreet() -> logging.Logger:
    """Of a request that cannot be understood the server would log the line that it stumbled over."""
    logger = logging.getLogger(f"{__name__}.requests")
    logger.addFilter(_without_what_was_sent)
    return logger


def _without_what_was_sent(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.msg, record.args, record.exc_info = "malformed request", (), None
    return True


def _onward(request: web.Request) -> web.Response:
    """To the page. A browser that came from elsewhere and was merely redirected would withhold the cookie,
    which is for requests of our own pages only: so a page of ours sends it on."""
    if request.headers.get("Sec-Fetch-Site", "none") in FAMILIAR:
        return web.Response(status=303, headers={"Location": "/"})
    return web.Response(text=notice("Signed in", onward="/"), content_type="text/html")


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    if _speaks_json(request):
        return failure(refusal.status, 2, Problem(refusal.what, hint=refusal.hint))
    title = refusal.what[0].upper() + refusal.what[1:]
    hint = refusal.hint[0].upper() + refusal.hint[1:] + "."
    return web.Response(text=notice(title, hint), status=refusal.status, content_type="text/html")


def _speaks_json(request: web.Request) -> bool:
    return request.path.startswith("/v1/")


def _is_page(request: web.Request, answer: web.StreamResponse) -> bool:
    return request.path == "/" and answer.status == 200


def _policy_of_page(host: str) -> str:
    """What the page may do: run its own script, and talk to us."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        f"connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


# In a thread.


def _listen(noted: str, taken: Collection[int]) -> tuple[socket.socket, Memory]:
    """A socket that listens, on the port of last time if it is free. Raises OSError."""
    earlier = memory.recall(noted)
    port = ports.assign(Key("locald", "dashboard"), noted, earlier.port, taken)
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for what the last daemon left
        listening.bind(("127.0.0.1", port))
        listening.listen(closing.QUEUE)
    except OSError:
        listening.close()
        raise
    now = Memory(port, earlier.secret)
    if now != earlier:
        memory.keep(noted, now)
    return listening, now
