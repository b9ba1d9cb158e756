"""The routes, and what every answer has in common: errors are problems, never tracebacks."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from locald.daemon.api.changing import Changing
from locald.daemon.api.defined import Defined
from locald.daemon.api.effect import Effects
from locald.daemon.api.events import Events
from locald.daemon.api.http import Answer, Failure, Route, document
from locald.daemon.api.logs import Logs
from locald.daemon.api.reading import Reading
from locald.daemon.api.scope import misused
from locald.daemon.api.streams import Streams
from locald.daemon.core import Ending, Unsaved
from locald.domain.values.problem import Problem, Refused
from locald.wire.rows import refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from locald.daemon.api.http import Request, Stream
    from locald.daemon.core import Core

log = logging.getLogger(__name__)

LIVE = "/v1/live"
"""the WebSocket, which a server of web pages answers"""


def failure(status: int, exit_code: int, *problems: Problem) -> Answer:
    return document(refusal(problems, exit_code), status)


async def told(method: str, path: str, answering: Awaitable[Answer | Stream]) -> Answer | Stream:
    """The answer, or what went wrong on the way to it."""
    try:
        return await answering
    except Refused as refused:
        return failure(422, 2, *refused.problems)
    except Ending:
        what = "the daemon is stopping all services (`locald server stop`)"
        return failure(503, 3, Problem(what, hint="run `locald up` again when it has stopped"))
    except Unsaved as unsaved:
        what = f"{unsaved}; another daemon would not know what was asked for since"
        hint = "run `locald doctor` to find the cause, then run `locald server restart`"
        return failure(503, 3, Problem(what, hint=hint))
    except Failure as wrong:
        return failed(method, path, wrong.status, str(wrong), wrong.headers.get("Allow"))
    except ConnectionError:
        return Answer(b"", 400)  # who asked went away in the middle: nobody reads this
    except Exception as error:
        log.exception("%s %s", method, path)
        what = f"the daemon failed: {type(error).__name__}: {error}"
        return failure(500, 3, Problem(what, hint="run `locald doctor` to find its log"))


def failed(method: str, path: str, status: int, reason: str, allow: str | None = None) -> Answer:
    """The answer to a request that is wrong in its HTTP."""
    answer = failure(status, 2, *misused(f"{method} {path}: {reason}").problems)
    return Answer(answer.body, status, headers={"Allow": allow}) if allow else answer


class Table:
    """Which route answers a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = self._routes.setdefault(route.path, {})
            methods[route.method] = route
            if route.method == "GET" and route.allows_head:
                methods["HEAD"] = route

    async def answer(self, request: Request) -> Answer | Stream:
        return await told(request.method, request.path, self._answered(request))

    async def _answered(self, request: Request) -> Answer | Stream:
        return await self._handler(request)(request)

    def _handler(self, request: Request) -> Callable[[Request], Awaitable[Answer | Stream]]:
        methods = self._routes.get(request.path)
        if methods is None:
            raise Failure(404)
        if request.method not in methods:
            raise Failure(405, {"Allow": ",".join(sorted(methods))})
        return methods[request.method].answers


class Api:
    """What is answered, wherever it is asked: on the Unix socket and by the dashboard's site."""

    def __init__(self, core: Core) -> None:
        self.core, self.streams = core, Streams()
        self.reading, self.changing = Reading(core), Changing(core)
        self._effects = Effects(core)

    def routes(self) -> list[Route]:
        return self._with_description(self._for_all())

    def routes_of_owner(self) -> list[Route]:
        """Those, and what is answered on the Unix socket only, which is its owner's alone."""
        return self._with_description(
            [*self._for_all(), Route("POST", "/v1/dashboard", self.changing.invite)]
        )

    def _for_all(self) -> list[Route]:
        reading, changing, logs = self.reading, self.changing, Logs(self.core)
        return [
            Route("GET", "/v1/ping", reading.ping),
            Route("GET", "/v1/status", reading.status),
            Route("GET", "/v1/events", Events(self.core).events),
            Route("GET", LIVE, _no_socket, allows_head=False),
            Route("GET", "/v1/why", reading.why),
            Route("GET", "/v1/runs", reading.runs),
            Route("GET", "/v1/usage", reading.usage),
            Route("GET", "/v1/timeline", reading.timeline),
            Route("GET", "/v1/logs", logs.logs),
            Route("GET", "/v1/lines", logs.lines),
            Route("GET", "/v1/environment", reading.environment),
            Route("GET", "/v1/definition", Defined(self.core).definition),
            Route("GET", "/v1/terminal", reading.terminal),
            Route("GET", "/v1/effect", self._effects.effect),
            Route("GET", "/v1/instances", reading.instances),
            Route("GET", "/v1/proxy", reading.proxy),
            Route("POST", "/v1/instances/prune", changing.prune),
            Route("POST", "/v1/up", changing.up),
            Route("POST", "/v1/stop", changing.stop),
            Route("POST", "/v1/restart", changing.restart),
            Route("POST", "/v1/down", changing.down),
            Route("POST", "/v1/server/stop", changing.server_stop),
            Route("POST", "/v1/server/restart", changing.server_restart),
        ]

    def _with_description(self, routes: list[Route]) -> list[Route]:
        async def openapi(_: Request) -> Answer:
            from locald.daemon.api.openapi import described  # rarely asked for, and it takes a while

            return document(await asyncio.to_thread(described, routes))

        return [*routes, Route("GET", "/v1/openapi.json", openapi)]


async def _no_socket(request: Request) -> Answer:
    raise misused("this is a WebSocket", request.path)
