"""A Unix socket at which a server of the daemon is found, for as long as the daemon lives.

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

from locald.daemon.api import closing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""seconds between two looks whether the socket is still there"""


class SocketFile:
    """A stale file is in nobody's way: who opens this holds the lock."""

    def __init__(self, path: str, admit: Callable[[], asyncio.BaseProtocol]) -> None:
        """`admit` makes what talks to who comes."""
        self.path = path
        self._admit = admit
        self._listening: closing.Listening | None = None
        self._bound: os.stat_result | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def open(self) -> None:
        """Raises OSError."""
        await self._bind()

    async def keep(self) -> None:
        """Be found also when the socket was removed. Never returns; who is connected notices nothing."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            async with self._turn:
                if not (self._closed or await asyncio.to_thread(self._stands)):
                    await self._bind_again()

    async def close(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Let nobody in any more; be gone when `finish` has finished what is under way."""
        async with self._turn:
            self._closed = True
            await self._withdraw()
            await finish()
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
        self._listening = closing.Listening(await asyncio.to_thread(self._listen), self._admit)
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
