"""The routes, and what every answer has in common: errors are problems, never tracebacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from locald.daemon.api.changing import Changing
from locald.daemon.api.effect import Effects
from locald.daemon.api.live import Live
from locald.daemon.api.openapi import document
from locald.daemon.api.reading import Reading
from locald.daemon.api.scope import misused
from locald.daemon.api.streams import Streams
from locald.daemon.core import Ending
from locald.domain.values.problem import Problem, Refused
from locald.wire.rows import refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp.typedefs import Middleware

    from locald.daemon.core import Core

log = logging.getLogger(__name__)

LARGEST_REQUEST = 16 << 20
"""bytes: an environment, of which the kernel allows some 2 MB, in JSON"""


@web.middleware
async def tell_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return failure(422, 2, *refused.problems)
    except Ending:
        what = "the daemon is stopping all services (`locald server stop`)"
        return failure(503, 3, Problem(what, hint="run `locald up` again when it has stopped"))
    except web.HTTPException as error:
        wrong = misused(f"{request.method} {request.path}: {error.reason}")
        answer = failure(error.status, 2, *wrong.problems)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except ConnectionError:
        return web.Response(status=400)  # who asked went away in the middle: nobody reads this
    except Exception as error:
        log.exception("%s %s", request.method, request.path)
        what = f"the daemon failed: {type(error).__name__}: {error}"
        return failure(500, 3, Problem(what, hint="run `locald doctor` to find its log"))


def failure(status: int, exit_code: int, *problems: Problem) -> web.Response:
    return web.json_response(refusal(problems, exit_code), status=status)


class Api:
    """What is answered, wherever it is asked: on the Unix socket and by the dashboard's site."""

    def __init__(self, core: Core) -> None:
        streams = Streams()
        self.end_streams = streams.end
        self._core = core
        self._reading, self._changing = Reading(core, streams), Changing(core)
        self._live, self._effects = Live(core, streams), Effects(core)

    def routes(self) -> list[web.RouteDef]:
        reading, changing = self._reading, self._changing
        return [
            web.get("/v1/ping", reading.ping),
            web.get("/v1/status", reading.status),
            web.get("/v1/events", reading.events),
            web.get("/v1/live", self._live.live, allow_head=False),
            web.get("/v1/why", reading.why),
            web.get("/v1/timeline", reading.timeline),
            web.get("/v1/logs", reading.logs),
            web.get("/v1/environment", reading.environment),
            web.get("/v1/effect", self._effects.effect),
            web.post("/v1/up", changing.up),
            web.post("/v1/stop", changing.stop),
            web.post("/v1/restart", changing.restart),
            web.post("/v1/down", changing.down),
            web.post("/v1/server/stop", changing.server_stop),
            web.post("/v1/server/restart", changing.server_restart),
        ]

    def routes_of_owner(self) -> list[web.RouteDef]:
        """What is answered on the Unix socket only, which is its owner's alone."""
        return [web.post("/v1/dashboard", self._invite)]

    async def _invite(self, _: web.Request) -> web.Response:
        url = self._core.dashboard.invite() if self._core.dashboard else None
        if url is None:
            hint = "run `locald monitor` instead, or see the daemon's log for the cause"
            raise Refused(Problem("the dashboard has no port to listen on", hint=hint))
        return web.json_response({"url": url})


def application(routes: Iterable[web.RouteDef], api: Api, *around: Middleware) -> web.Application:
    """`around`: what every request passes before it is answered."""
    app = web.Application(middlewares=[*around, tell_problems], client_max_size=LARGEST_REQUEST)
    app.add_routes(routes)
    app.on_shutdown.append(api.end_streams)
    described = document(app.router.routes())

    async def openapi(_: web.Request) -> web.Response:
        return web.json_response(described)

    app.router.add_get("/v1/openapi.json", openapi)
    return app
