"""The dashboard's pages and the API behind its door, by aiohttp: what `site` answers with.

Nothing here is logged but faults, and of those no query and no header: tickets and secrets are there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from locald.daemon.api.routes import failure
from locald.daemon.api.web import application, response, runner
from locald.daemon.dashboard.door import FAMILIAR, SIGN_IN, Refusal
from locald.daemon.dashboard.files import Files
from locald.daemon.dashboard.notices import POLICY, notice
from locald.domain.values.problem import Problem
from locald.linux.peers import uid_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from locald.daemon.api.crowd import Crowd
    from locald.daemon.api.routes import Api
    from locald.daemon.dashboard.door import Door, Tickets

YEAR = 365 * 24 * 3600
"""seconds that a browser stays signed in"""
WITH_EVERYTHING = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Pages:
    """`folder`: where the page was built."""

    def __init__(self, api: Api, crowd: Crowd, door: Door, tickets: Tickets, folder: Path) -> None:
        self._door, self._tickets, self._files = door, tickets, Files(folder)
        app = application(api, api.routes(), crowd, self._guard, is_masked=True)
        app.add_routes([*self._files.routes(), web.get("/signin", self._sign_in, allow_head=False)])
        app.on_response_prepare.append(self._add_headers)
        self.runner = runner(app, _discreet())

    # Every request.

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
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
        return response(failure(refusal.status, 2, Problem(refusal.what, hint=refusal.hint)))
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
