"""The Unix socket at which Caddy asks the daemon."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from locald.daemon.api.connection import HttpServer
from locald.daemon.api.crowd import Crowd
from locald.daemon.api.routes import told
from locald.daemon.api.socket_file import SocketFile

if TYPE_CHECKING:
    import asyncio

    from locald.daemon.api.http import Answer, Request, Stream
    from locald.daemon.api.streams import Streams
    from locald.daemon.proxy.answers import Answers

log = logging.getLogger(__name__)


class Entrance:
    def __init__(self, answers: Answers, streams: Streams, path: str) -> None:
        self._answers = answers
        self._crowd = Crowd()
        self._server = HttpServer(self._respond, _no_socket, streams, self._crowd)
        self._file = SocketFile(path, self._admit)

    async def open(self) -> None:
        """Without it there are no answers in place of services, and nothing else suffers."""
        try:
            await self._file.open()
        except OSError as error:
            log.warning("%s: %s", self._file.path, error.strerror)

    async def keep(self) -> None:
        await self._file.keep()

    async def close(self) -> None:
        await self._file.close(self._finish)

    async def _finish(self) -> None:
        """Who is kept waiting asks the next daemon: see `adapters.caddy.config`."""
        await self._server.close(0)

    async def _respond(self, request: Request) -> Answer | Stream:
        return await told(request.method, request.path, self._answers.respond(request))

    def _admit(self) -> asyncio.BaseProtocol:
        return self._crowd.admit([*self._server.connections], self._server)


async def _no_socket() -> asyncio.Protocol:
    raise ConnectionRefusedError
