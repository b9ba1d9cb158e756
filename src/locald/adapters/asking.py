"""Asks servers that are known by their program whether they serve, each in its own protocol.

From the moment that its port is open a server is asked until it says yes; then again every so often, where
that leaves no line in its log, so that one that hangs is seen. A connection is made for each question and
ended with it. What is no answer in the expected protocol ends the questions: the open port has to do.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from locald.adapters import questions
from locald.adapters.probes import Result, look_http
from locald.adapters.questions import Answer, Place
from locald.adapters.reach import ways_to
from locald.domain.knowledge.protocols import PROTOCOLS, Meaning
from locald.domain.lifecycle.messages import Asked
from locald.domain.project.spec import HttpCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.knowledge.servers import Server
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run

TIMEOUT = 2.0
"""seconds that an answer may take"""
FIRST, LAST = 0.02, 0.5
"""seconds between two questions to a server that does not serve yet: at first, and in the end"""
SHARE, LOUD = 0.01, 0.1
"""between those: this share of the time since the first; the second where it writes each one down"""
STEADY = 15.0
"""seconds between two questions to a server that serves"""
AGAIN = 2.0
"""seconds until a healthy server that did not answer is asked again"""
_SUCCESS = tuple(range(200, 300))
RETRIES = 3
"""questions in a row without an answer, before a healthy server is not healthy any more"""


class Target(NamedTuple):
    """Where a run's server listens, which it is, and what it is called in a sentence."""

    server: Server
    address: str
    port: int
    name: str
    pid: int | None = None


class _Asked(Struct):
    target: Target
    task: asyncio.Task[None]


class Asking:
    """Posts `Asked` for every run whose server is known."""

    def __init__(
        self,
        post: Callable[[Event], None],
        clock: Callable[[], float],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`clock`: epoch seconds, never going back. `tasks`: where the questions live."""
        self._post, self._clock, self._tasks = post, clock, tasks
        self._asked: dict[Run, _Asked] = {}

    def listening(self, run: Run, target: Target | None) -> None:
        """The run's server listens here now, or (None) nowhere. Nothing happens where that is known."""
        known = self._asked.get(run)
        if known and known.target == target:
            return
        self.forget(run)
        if target:
            task = self._tasks.create_task(self._ask(run, target), name=f"ask {run}")
            self._asked[run] = _Asked(target, task)

    def forget(self, run: Run) -> None:
        if known := self._asked.pop(run, None):
            known.task.cancel()

    async def close(self) -> None:
        """Nobody is asked any more."""
        for run in list(self._asked):
            self.forget(run)

    async def _ask(self, run: Run, target: Target) -> None:
        """Until it says yes, or something else than what is asked for; then now and then."""
        answer = await self._until_ready(run, target)
        if answer.meaning is Meaning.READY and is_quiet(target.server):
            await self._keep_asking(run, target, again=answer.left_a_line)

    async def _until_ready(self, run: Run, target: Target) -> Answer:
        since = self._clock()
        while True:
            answer = await ask(target)
            self._tell(run, target, answer)
            if answer.meaning in (Meaning.READY, Meaning.OTHER):
                return answer
            await asyncio.sleep(pause(self._clock() - since, leaves_lines=answer.left_a_line))

    async def _keep_asking(self, run: Run, target: Target, *, again: bool) -> None:
        failures = 0
        while True:
            await asyncio.sleep(AGAIN if 0 < failures < RETRIES else STEADY)
            answer = await ask(target, again=again)
            failures = 0 if answer.meaning is Meaning.READY else failures + 1
            if failures == 0 or failures >= RETRIES:
                self._tell(run, target, answer)

    def _tell(self, run: Run, target: Target, answer: Answer) -> None:
        known = answer.meaning is not Meaning.OTHER
        ok = answer.meaning is Meaning.READY
        self._post(Asked(run, target.server.protocol, ok, answer.detail, self._clock(), known=known))


def pause(waited: float, *, leaves_lines: bool = False) -> float:
    """Seconds until the next question to a server that has not served for `waited` seconds: one that takes
    long is asked less often, and still known to serve soon after it does."""
    return min(max(FIRST, (LOUD if leaves_lines else SHARE) * waited), LAST)


def is_quiet(server: Server) -> bool:
    """Whether the server may be asked again and again without a line in its log."""
    return server.protocol == "http" or PROTOCOLS[server.protocol].is_quiet


async def ask(target: Target, *, again: bool = False, timeout: float | None = None) -> Answer:
    """One question. `again`: the silent one, to a server that said yes before and wrote a line. Never raises
    for what the other side does."""
    server, within, hosts = target.server, timeout or TIMEOUT, ways_to(target.address)
    if server.protocol == "http":
        check = HttpCheck(server.path, status=server.status or _SUCCESS)
        seen = await look_http(hosts, target.port, check, within)
        return Answer(_http_meaning(seen), seen.detail)
    place = Place(hosts, target.port, target.name, target.pid)
    return await questions.put(PROTOCOLS[server.protocol], place, within, again=again)


def _http_meaning(seen: Result) -> Meaning | None:
    """Only a server that fails says that it is not ready. One that knows no such path, asks for a login, or
    speaks TLS there says nothing about it."""
    if seen.ok:
        return Meaning.READY
    if seen.status is None:
        return None
    return Meaning.NOT_YET if seen.status >= 500 else Meaning.OTHER
