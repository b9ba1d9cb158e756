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
from locald.daemon.dashboard.by_name import visitor
from locald.daemon.dashboard.door import FAMILIAR, Refusal
from locald.daemon.dashboard.files import Files
from locald.daemon.dashboard.link import PATH as START
from locald.daemon.dashboard.notices import POLICY, notice
from locald.daemon.dashboard.starting import Starting
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
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Pages:
    """`door`: of who comes at the port. `by_name`: that of who comes by way of the proxy, None without one.
    `folder`: where the page was built."""

    def __init__(
        self,
        api: Api,
        crowd: Crowd,
        door: Door,
        by_name: Callable[[], Door | None],
        tickets: Tickets,
        folder: Path,
    ) -> None:
        self._port_door, self._name_door, self._tickets = door, by_name, tickets
        self._files = Files(folder)
        app = application(api, api.routes(), crowd, self._guard, is_masked=True)
        app.add_routes(
            [
                *self._files.routes(),
                *Starting(api).routes(),
                web.get("/signin", self._sign_in, allow_head=False),
            ]
        )
        app.on_response_prepare.append(self._add_headers)
        self.runner = runner(app, _discreet())

    # Every request.

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        door, uid = self._door(request), _uid(request)
        if door is None:
            return _refused(request, _NOT_YET)
        refusal = door.refuses(request.method, request.path, request.headers, request.cookies, uid)
        if refusal and refusal.status == 401 and _comes_from_elsewhere(request):
            return web.Response(text=notice("One moment", onward=request.path_qs), content_type="text/html")
        if refusal:
            return _refused(request, refusal)
        answer = await handler(request)
        if answer.status == 404 and not _speaks_json(request):
            return _refused(request, _NOWHERE)
        return answer

    async def _add_headers(self, request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(WITH_EVERYTHING)
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers.setdefault("Referrer-Policy", "no-referrer")
        policy = (
            _policy_of_page(request.host, _came_by_name(request)) if _is_page(request, answer) else POLICY
        )
        answer.headers["Content-Security-Policy"] = policy

    # Signing in.

    def _door(self, request: web.Request) -> Door | None:
        """None for who comes by the proxy before we know that it runs."""
        return self._name_door() if _came_by_name(request) else self._port_door

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        door = self._door(request)
        assert door  # the guard has asked
        known = door.knows(request.cookies.get(door.cookie, ""))
        if not self._tickets.take(request.query.get("ticket", "")) and not known:
            hint = f"{door.sign_in} (valid once, for five minutes)"
            return _refused(request, Refusal(403, "this address has already been used or has expired", hint))
        answer = _onward(request)
        answer.set_cookie(
            door.cookie,
            door.secret,
            max_age=YEAR,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=door.scheme == "https",
        )
        return answer


_NOT_YET = Refusal(503, "the daemon is starting", "try again in a moment")
_NOWHERE = Refusal(404, "no such page", "go to `/` for the dashboard")


def _uid(request: web.Request) -> int | None:
    """Whose request this is."""
    if _came_by_name(request):
        return visitor(request.headers)
    if request.transport is None:
        return None
    there, here = (request.transport.get_extra_info(name) for name in ("peername", "sockname"))
    return uid_of(there, here) if there and here else None


def _came_by_name(request: web.Request) -> bool:
    """By the Unix socket, whose addresses are paths."""
    return request.transport is not None and isinstance(request.transport.get_extra_info("sockname"), str)


def _discreet() -> logging.Logger:
    """Of a request that cannot be understood the server would log the line that it stumbled over."""
    logger = logging.getLogger(f"{__name__}.requests")
    logger.addFilter(_without_what_was_sent)
    return logger


def _without_what_was_sent(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.msg, record.args, record.exc_info = "malformed request", (), None
    return True


def _comes_from_elsewhere(request: web.Request) -> bool:
    """Whether a link of another page led here, so that the browser has withheld the cookie: see `_onward`."""
    is_link = request.headers.get("Sec-Fetch-Site", "none") not in FAMILIAR
    is_shown = request.headers.get("Sec-Fetch-Mode") == "navigate" and request.method == "GET"
    return is_link and is_shown and request.path in ("/", START)


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


def _policy_of_page(host: str, by_name: bool) -> str:
    """What the page may do: run its own script, and talk to us."""
    live = "wss" if by_name else "ws"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        f"connect-src 'self' {live}://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
