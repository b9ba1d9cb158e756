"""Follows what one container prints, as long as it prints, over all that happens to the engine."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.adapters.containers.engine import Engine
    from locald.adapters.containers.logs import Capture, Message

    Disk = Callable[..., asyncio.Future[Any]]
    """does what it is given in the one thread that waits for the disk"""

log = logging.getLogger(__name__)

AGAIN = 0.2
"""seconds before a capture that cannot be read is tried again"""


class Printing:
    def __init__(
        self, capture: Capture, disk: Disk, on_output: Callable[[], None], kind: str = "containers"
    ) -> None:
        """`on_output` is called when there is something new in the capture. `kind`: of what is followed, as
        the engine's paths call it: also `services`."""
        self._kind = kind
        self._capture, self._disk, self._on_output = capture, disk, on_output

    async def follow(self, engine: Engine, container: str) -> None:
        """Until the container ends, or the engine goes. Raises EngineAbsent, Refusal."""
        await self._read(engine, container, {"follow": "1"})

    async def finish(self, engine: Engine, container: str) -> None:
        """What a container that has ended printed, and was not read yet. Raises EngineAbsent, Refusal."""
        await self._read(engine, container, {})
        await self.end()

    async def _read(self, engine: Engine, container: str, query: dict[str, str]) -> None:
        query |= {"stdout": "1", "stderr": "1", "timestamps": "1"}
        if since := await self.begin():
            query["since"] = since
        async with engine.stream("GET", (self._kind, container, "logs"), query) as content:
            while data := await content.readany():
                await self._keep(self._capture.feed, data)

    async def begin(self) -> str:
        """Since when what was printed is to be asked for; empty: all of it."""
        said = False
        while True:
            try:
                since: str = await self._disk(self._capture.begin)
            except OSError as error:  # to begin at the beginning would keep everything twice
                if not said:
                    log.warning("the output of %s waits: its capture cannot be read: %s", self._kind, error)
                said = True
                await asyncio.sleep(AGAIN)
            else:
                return since

    async def take(self, said: list[Message]) -> bool:
        """What was asked for otherwise than of an engine, since `begin`; whether anything of it is new."""
        return await self._keep(self._capture.take, said)

    async def end(self) -> None:
        """It prints no more: lines that it did not end are whole."""
        await self._keep(self._capture.end)

    async def _keep(self, work: Callable[..., bool], *arguments: object) -> bool:
        """Called off in the middle, it is done all the same, and told of: nobody would do it again."""
        kept: asyncio.Future[bool] = self._disk(work, *arguments)
        kept.add_done_callback(self._tell)
        return await asyncio.shield(kept)

    def _tell(self, kept: asyncio.Future[Any]) -> None:
        if not kept.cancelled() and kept.exception() is None and kept.result():
            self._on_output()

    def note(self, line: str) -> None:
        """A line of locald's own; written after what came before it."""
        self._later(self._capture.note, line)

    def close(self, *, over: bool) -> None:
        """`over`: nothing of this run will ever be asked for again."""
        self._later(self._capture.close)
        if over:
            self._later(self._capture.discard_place)

    def _later(self, work: Callable[..., None], *arguments: object) -> None:
        """In its turn; it raises nothing, so nobody waits for it."""
        _ = self._disk(work, *arguments)
