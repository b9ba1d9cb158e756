"""What the containers of a run print, one after the other, into its capture.

A kubelet keeps the lines of a container with their times, and those of the one before it. It sends them from
a second on that we name, so what is from before our place is left out here.

Source: the API reference (Pod: read log).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from locald.adapters.containers.elsewhere import AGAIN
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.logs import Message, message
from locald.adapters.containers.streams import STDOUT
from locald.adapters.kubernetes import objects
from locald.adapters.kubernetes.api import core

if TYPE_CHECKING:
    from locald.adapters.containers.printing import Printing
    from locald.adapters.kubernetes.cluster import Cluster
    from locald.adapters.kubernetes.pods import Pod
    from locald.domain.project.names import Key

log = logging.getLogger(__name__)

PIECE = 1 << 20
"""bytes of the longest line that is taken as one"""


class Output:
    def __init__(self, cluster: Cluster, key: Key, printing: Printing, group: asyncio.TaskGroup) -> None:
        """`group`: where the reading lives."""
        self._cluster, self._key, self._printing, self._group = cluster, key, printing, group
        self._life: tuple[str, int] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._is_over = False

    def attend(self, pod: Pod | None, life: tuple[str, int] | None) -> None:
        """Read what the container prints that is the run now."""
        if pod is None or life is None or life == self._life:
            return
        self._life = life
        self._reading = self._group.create_task(
            self._read(pod, self._reading), name=f"output of {self._key}: {pod.name}"
        )

    async def finish(self, within: float) -> None:
        """The last that was printed, if that comes at once."""
        self._is_over = True
        if self._reading:
            await asyncio.wait((self._reading,), timeout=within)
        await self._printing.end()

    def close(self) -> None:
        self._is_over = True
        if self._reading:
            self._reading.cancel()

    async def _read(self, pod: Pod, before: asyncio.Task[None] | None) -> None:
        """From the end of the container before it, which may have printed more than was read, to its own."""
        if before and not before.done():
            await asyncio.wait((before,), timeout=AGAIN * 5)
            before.cancel()
        if pod.restarts:
            await self._take(pod, {"previous": "true"})
        while not self._is_over:
            if await self._take(pod, {"follow": "true"}):
                return
            await asyncio.sleep(AGAIN)

    async def _take(self, pod: Pod, query: dict[str, str]) -> bool:
        """Whether it was read to its end; where it is not, it has to be asked for again."""
        try:
            api = await self._cluster.up()
            since = int((await self._printing.begin()).replace(".", "") or 0)
            asked = query | {"container": self._key.service, "timestamps": "true"}
            if since:
                second = datetime.fromtimestamp(since // 10**9, UTC)
                asked["sinceTime"] = second.strftime("%Y-%m-%dT%H:%M:%SZ")
            path = core(objects.namespace(self._key.project), "pods", pod.name, "log")
            async with api.stream(path, asked) as content:
                rest = b""
                while data := await content.readany():
                    *lines, rest = (rest + data).split(b"\n")
                    if len(rest) > PIECE:
                        lines, rest = [*lines, rest], b""
                    await self._keep([line + b"\n" for line in lines], since)
                await self._keep([rest] if rest else [], since)
        except Refusal as refusal:
            log.debug("the output of %s: %s", pod.name, refusal)
            return refusal.status == 404
        except EngineAbsent as absent:
            log.debug("the output of %s: %s", pod.name, absent)
            return False
        return True

    async def _keep(self, lines: list[bytes], since: int) -> None:
        said = [found for line in lines if (found := message(STDOUT, line))]
        if new := [each for each in said if _is_new(each, since)]:
            await self._printing.take(new)


def _is_new(said: Message, since: int) -> bool:
    return said.moment >= since
