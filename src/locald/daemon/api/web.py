"""The same answers by aiohttp: for the dashboard's site, and on the Unix socket for who wants a WebSocket.

Importing aiohttp takes longer than all else that a daemon does until it answers, so who needs this module
imports it when somebody comes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.log import server_logger

from locald.daemon.api import closing, crowd
from locald.daemon.api.http import LARGEST_REQUEST, Answer, Failure, Query, Request
from locald.daemon.api.live import Live
from locald.daemon.api.routes import LIVE, failed, failure, told
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from logging import Logger

    from aiohttp.typedefs import Middleware

    from locald.daemon.api.crowd import Crowd
    from locald.daemon.api.http import Route, Stream
    from locald.daemon.api.routes import Api


def application(
    api: Api, routes: Iterable[Route], crowd: Crowd, *around: Middleware, is_masked: bool = False
) -> web.Application:
    """`around`: what every request passes before it is answered. `is_masked`: it shows no secrets."""
    app = web.Application(
        middlewares=[_counted(crowd), *around, tell_problems], client_max_size=LARGEST_REQUEST
    )
    live = Live(api.core, api.streams)
    for route in routes:
        if route.path == LIVE:
            app.router.add_get(LIVE, live.live, allow_head=False)
        elif route.method == "GET":
            app.router.add_get(route.path, _carried(api, route, is_masked=is_masked))
        else:
            app.router.add_route(route.method, route.path, _carried(api, route, is_masked=is_masked))
    app.on_shutdown.append(_end_streams(api))
    return app


def runner(app: web.Application, logger: Logger = server_logger) -> web.AppRunner:
    """The server of an application, with the limits of all our servers."""
    return web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=closing.END_WITHIN,
        keepalive_timeout=crowd.ASK_WITHIN,  # begins with the connection, and again with each answer
        lingering_time=crowd.LINGER,
        logger=logger,
    )


@web.middleware
async def tell_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What aiohttp itself refuses, or the live socket, is told as a problem too."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        allow = error.headers.get("Allow")
        return response(failed(request.method, request.path, error.status, error.reason, allow))
    except Refused as refused:  # of who wants a WebSocket: other routes tell it themselves
        return response(failure(422, 2, *refused.problems))


def response(answer: Answer) -> web.Response:
    kind = {"Content-Type": answer.content_type} if answer.body else {}
    return web.Response(body=answer.body, status=answer.status, headers={**kind, **answer.headers})


def _counted(crowd: Crowd) -> Middleware:
    """The outermost: who is being answered is not sent away for somebody else."""

    @web.middleware
    async def answering(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        with crowd.answering(request.protocol):
            return await handler(request)

    return answering


def _carried(
    api: Api, route: Route, *, is_masked: bool
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = Request(
            request.method,
            request.path,
            Query(request.rel_url.raw_query_string),
            lambda: _body(request),
            is_masked,
        )
        answer = await told(request.method, request.path, route.answers(asked))
        return response(answer) if isinstance(answer, Answer) else await _streamed(api, request, answer)

    return handle


async def _body(request: web.Request) -> bytes:
    """All of the request's body. Raises Failure when it is too large, or takes too long."""
    if (request.content_length or 0) > LARGEST_REQUEST:  # it would be waited for, and then refused
        raise Failure(413)
    try:
        async with asyncio.timeout(crowd.BODY_WITHIN):
            return await request.read()
    except TimeoutError:
        raise Failure(408) from None
    except web.HTTPRequestEntityTooLarge:
        raise Failure(413) from None


async def _streamed(api: Api, request: web.Request, stream: Stream) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": stream.content_type, "Cache-Control": "no-store"})
    if request.method == "HEAD":
        return answer
    pieces = stream.pieces()
    try:
        with api.streams.open():
            await answer.prepare(request)  # before anything is read: a large history takes its time
            async for piece in pieces:
                await _push(request, answer, piece, stream.read_within)
    finally:
        await pieces.aclose()
    return answer


async def _push(request: web.Request, answer: web.StreamResponse, piece: bytes, within: float | None) -> None:
    """As the other server does it: see `Connection`."""
    try:
        async with asyncio.timeout(within):
            await answer.write(piece)
    except TimeoutError:
        if request.transport:
            request.transport.abort()
        raise ConnectionResetError from None


def _end_streams(api: Api) -> Callable[[web.Application], Awaitable[None]]:
    async def end(_: web.Application) -> None:
        api.streams.end()

    return end
