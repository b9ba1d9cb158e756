"""Looks at one container whenever there is something to see, and says what it sees.

The engine's events say that there is something, then it looks at the container itself: what that
says is what is, whatever was missed. While there is something to wait for that no event tells of (what the
probes of a HEALTHCHECK say before they succeed), and now and then as a safety net, it looks without being
told. While the engine is away it waits: `Silenced`, then `Resumed`, then whatever has changed.

Signals go the same way: they are sent with the next look, so one that finds the engine away is sent when it
comes back, if there is still somebody to see it. An engine that stops ends its containers first; so while
one is away, and a container is to end, it is enough to see that its first process has gone.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from locald.adapters.containers import translate
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.health import Word, word
from locald.adapters.containers.seen import is_of_this_machine
from locald.domain.lifecycle.messages import (
    Checked,
    Event,
    Exited,
    Paused,
    Prepares,
    Process,
    Resumed,
    Silenced,
    Stuck,
    Unpaused,
)
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.adapters.containers.engine import Engine
    from locald.adapters.containers.link import Link
    from locald.domain.lifecycle.messages import Exit
    from locald.domain.project.names import Run
    from locald.linux.clock import Clock

News = Event | Prepares | Checked | Silenced | Resumed

log = logging.getLogger(__name__)

SOONEST, LATEST = 0.25, 2.0
"""seconds between two looks while a HEALTHCHECK does not succeed"""
NET = 15.0
"""seconds between two looks that nothing asked for"""
DIES_WITHIN = 2.0
"""seconds after SIGKILL until remaining processes are named"""
SIGNALS_WITHIN = 15.0
"""seconds for an engine to pass on a signal; of SIGKILL it waits ten for the end"""
AWAY = 0.5
"""seconds between two looks whether a process still lives whose engine is away"""
PATIENT = 2.0
"""seconds before an engine that could not show a container is asked again"""


class Vanished(Exception):
    """The container is not there, and nobody saw how it ended. One sentence."""


class Looking:
    """`container`, `link` and `pid` are set as soon as they are known."""

    def __init__(self, run: Run, pid: int, post: Callable[[News], None], clock: Clock) -> None:
        self.run, self.pid = run, pid
        self.container = ""
        self.link: Link | None = None
        self._post, self._clock = post, clock
        self._wake = asyncio.Event()
        self._signals: list[int] = []
        """to be sent with the next look"""
        self._dies_by: float | None = None
        self._code: int | None = None
        """how it exited, as an event said"""
        self._told: Word | None = None
        self._silent = False
        self._paused = False
        self._is_to_end = False
        self.is_here = False
        """its first process is one of this machine, and can be looked at"""

    # News for it.

    def signal(self, number: int) -> None:
        self._is_to_end = True
        self._signals.append(number)
        self._wake.set()

    def happened(self, event: translate.Event) -> None:
        if event.action == "die":
            self._code = event.code
        self._wake.set()

    def engine_went(self, why: str) -> None:
        if not self._silent:
            self._silent = True
            self._post(Silenced(self.run, why, self._clock.now()))

    def engine_came(self) -> None:
        self._wake.set()

    # Looking.

    async def look(self) -> tuple[translate.State, int | None]:
        """The container as it is, and its port inside; waits while the engine is away. Raises Vanished."""
        while True:
            try:
                engine = await self.engine()
                await self._send_signals(engine)
                found = await engine.get(("containers", self.container, "json"))
            except EngineAbsent as absent:
                await self.doubt(absent)
            except Refusal as refusal:
                if refusal.status == 404:
                    raise Vanished("its container was removed outside locald") from None
                log.warning("%s cannot be inspected: %s", self.run, refusal)
                await asyncio.sleep(PATIENT)
            else:
                self._resume()
                return translate.state(found), translate.published(found)

    async def engine(self) -> Engine:
        """The engine, when it is there. Raises Vanished when nothing is left that it would be needed for."""
        assert self.link, "it is reached before anything is looked at"
        while True:
            try:
                async with asyncio.timeout(AWAY):
                    return await self.link.up()
            except TimeoutError:
                if self._is_to_end and await self._has_gone():
                    raise Vanished("it exited while the engine was unavailable") from None

    async def _has_gone(self) -> bool:
        return self.is_here and not await asyncio.to_thread(is_of_this_machine, self.pid, self.container)

    async def doubt(self, absent: EngineAbsent) -> None:
        """A call failed: wait until the engine has been found to be there, or not."""
        assert self.link, "it was called"
        self.link.doubt(absent.reason)
        await asyncio.sleep(0)

    def _resume(self) -> None:
        if self._silent:
            self._silent = False
            self._post(Resumed(self.run, self._clock.now()))

    async def until_ended(self) -> Exited:
        """Raises Vanished."""
        while True:
            self._wake.clear()
            try:
                state, _ = await self.look()
            except Vanished:
                if self._code is None:
                    raise
                return self._exited(translate.ended(None, self._code), None)
            if not state.running:
                return self._exited(translate.ended(state, self._code), state.finished_at)
            self.tell_health(state)
            self._tell_stuck()
            await self._pause(state)

    def _exited(self, exit_: Exit, wall: float | None) -> Exited:
        return Exited(self.run, self.pid, exit_, 0, self._clock.of_wall(wall))

    async def _pause(self, state: translate.State) -> None:
        """Until something happens, or it is time to look."""
        try:
            async with asyncio.timeout(DIES_WITHIN if self._dies_by else pace(state.health)):
                await self._wake.wait()
        except TimeoutError:
            pass

    # Telling.

    def tell_health(self, state: translate.State) -> None:
        """That it is paused, and what its HEALTHCHECK says, when that is something new."""
        self._tell_pause(state)
        said = word(state.health) if state.health and state.running else None
        if said and said[:2] != (self._told and self._told[:2]):
            self._told = said
            self._post(Checked(self.run, said.ok, said.detail, self._clock.of_wall(said.at)))

    def _tell_pause(self, state: translate.State) -> None:
        if state.paused != self._paused:
            self._paused = state.paused
            self._post((Paused if state.paused else Unpaused)(self.run, self._clock.now()))

    def _tell_stuck(self) -> None:
        now = self._clock.now()
        if self._dies_by and now >= self._dies_by:
            self._dies_by = None
            self._post(Stuck(self.run, (Process(self.pid, procfs.program(self.pid)),), now))

    async def _send_signals(self, engine: Engine) -> None:
        """Raises EngineAbsent; then the rest is sent later."""
        while self._signals:
            number = self._signals[0]
            try:
                await engine.post(
                    ("containers", self.container, "kill"),
                    query={"signal": str(number)},
                    timeout=SIGNALS_WITHIN,
                )
            except Refusal as refusal:  # it has ended already
                log.info("%s did not get signal %d: %s", self.run, number, refusal)
            self._signals.pop(0)
            if number == signal.SIGKILL:
                self._dies_by = self._clock.now() + DIES_WITHIN


def pace(health: translate.Health | None) -> float:
    """Seconds until the next look that nobody asks for."""
    if health is None or health.status == "healthy":
        return NET
    return min(max(health.interval / 2, SOONEST), LATEST)
