"""The Unix socket of the API."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from locald.daemon.api import closing
from locald.daemon.api.connection import HttpServer
from locald.daemon.api.crowd import Crowd
from locald.daemon.api.routes import Table
from locald.daemon.api.socket_file import SocketFile

if TYPE_CHECKING:
    from aiohttp import web

    from locald.daemon.api.routes import Api


class Entrance:
    def __init__(self, api: Api, path: str) -> None:
        self.path = path
        self.routes = api.routes_of_owner()
        self._api = api
        self._crowd = Crowd()
        self._server = HttpServer(
            Table(self.routes).answer, self._of_sockets, api.streams, self._crowd, api.core.clock.now
        )
        self._sockets: web.AppRunner | None = None
        """the server of those who asked for a WebSocket, made for the first one"""
        self._making = asyncio.Lock()
        self._file = SocketFile(path, self._admit)

    async def open(self) -> None:
        await self._file.open()

    async def keep(self) -> None:
        """Be found also when the socket was removed. Never returns; who is connected notices nothing."""
        await self._file.keep()

    async def close(self) -> None:
        """Finish what is under way, and be gone."""
        await self._file.close(self.finish)

    async def finish(self) -> None:
        """Answer those who are there, end every stream."""
        self._api.streams.end()
        await self._server.close(closing.END_WITHIN)
        if self._sockets:
            await self._sockets.cleanup()

    async def _of_sockets(self) -> asyncio.Protocol:
        """Who talks to a connection that wants a WebSocket."""
        async with self._making:
            if self._sockets is None:
                module = await asyncio.to_thread(import_module, "locald.daemon.api.web")
                self._sockets = module.runner(module.application(self._api, self.routes, self._crowd))
                await self._sockets.setup()
        assert self._sockets.server
        return self._sockets.server()

    def _admit(self) -> asyncio.BaseProtocol:
        others = self._sockets.server.connections if self._sockets and self._sockets.server else []
        return self._crowd.admit([*self._server.connections, *others], self._server)
