"""The Unix socket at which the API is found, for as long as the daemon lives.

Somebody may tidy up the folder it is in (a logout, a cleaner of temporary directories), and the file of a
socket cannot be had again once it is gone. So it is looked at now and then, and created again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from locald.daemon.api import closing, crowd
from locald.daemon.api.crowd import Crowd
from locald.daemon.api.server import application, failure
from locald.domain.values.problem import Problem
from locald.linux import ownership

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from locald.daemon.api.server import Api

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""seconds between two looks whether the socket is still there"""
LONGEST_LINE = 1 << 16
"""bytes of a request's first line: a path may have 4,096 bytes, each of which may take three there"""


@web.middleware
async def own_users_only(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The folder and the file keep others out; this does where somebody changed their modes."""
    connection = request.transport and request.transport.get_extra_info("socket")
    if connection and not ownership.is_trusted(ownership.peer(connection)):
        return failure(403, 2, Problem("this daemon belongs to another user"))
    return await handler(request)


class Entrance:
    """A stale file is in nobody's way: who opens this holds the lock."""

    def __init__(self, api: Api, path: str) -> None:
        self.path = path
        self._crowd = Crowd()
        routes = [*api.routes(), *api.routes_of_owner()]
        self.runner = web.AppRunner(
            application(routes, api, self._crowd.answering, own_users_only),
            access_log=None,
            shutdown_timeout=closing.END_WITHIN,
            max_line_size=LONGEST_LINE,
            **crowd.limits(),
        )
        self._listening: closing.Listening | None = None
        self._bound: os.stat_result | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def open(self) -> None:
        await self.runner.setup()
        await self._bind()

    async def keep(self) -> None:
        """Be found also when the socket was removed. Never returns; who is connected notices nothing."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            async with self._turn:
                if not (self._closed or await asyncio.to_thread(self._stands)):
                    await self._bind_again()

    async def close(self) -> None:
        """Finish what is under way, and be gone."""
        async with self._turn:
            self._closed = True
            await self._withdraw()
            await self.runner.cleanup()
            await asyncio.to_thread(Path(self.path).unlink, missing_ok=True)

    async def _bind_again(self) -> None:
        try:
            await self._bind()
        except OSError as error:
            log.warning("%s cannot be created again: %s", self.path, error)
        else:
            log.warning("%s was removed, created it again", self.path)

    async def _bind(self) -> None:
        await self._withdraw()
        self._listening = closing.Listening(self.runner, await asyncio.to_thread(self._listen), self._crowd)
        await self._listening.begin()
        self._bound = await asyncio.to_thread(os.stat, self.path)

    async def _withdraw(self) -> None:
        if self._listening:
            await self._listening.end()
        self._listening = None

    def _listen(self) -> socket.socket:
        path = Path(self.path)
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(self.path)
            path.chmod(0o600)  # till then the folder keeps others out
        except OSError:
            listening.close()
            raise
        return listening

    def _stands(self) -> bool:
        try:
            return self._bound is not None and os.path.samestat(os.stat(self.path), self._bound)
        except OSError:
            return False
