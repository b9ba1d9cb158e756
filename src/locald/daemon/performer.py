"""Turns effects into deeds, by way of the adapters. The only match over effects.

It returns at once: what takes time is a task, and what comes of it is posted as an event.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from locald.adapters import ports
from locald.adapters.checks import Target
from locald.adapters.processes import Order
from locald.domain import env
from locald.domain.messages import (
    Adopt,
    Discard,
    Effect,
    Event,
    Forget,
    Kill,
    Note,
    NotStarted,
    Start,
    Terminate,
    Unwatch,
    Watch,
)
from locald.domain.spec import LogCheck, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from locald.adapters.checks import Checks
    from locald.adapters.listeners import Listeners
    from locald.adapters.logbook import Logbook
    from locald.adapters.processes import Processes
    from locald.adapters.store import Store
    from locald.daemon.tasks import Cancellable
    from locald.domain.life import Life
    from locald.domain.messages import Listener
    from locald.domain.names import Run
    from locald.domain.service import Service
    from locald.domain.spec import Definition
    from locald.domain.world import World
    from locald.linux.clock import Clock

NO_CONTAINERS = "containers are not supported yet"


class Performer:
    def __init__(
        self,
        *,
        post: Callable[[Event], None],
        spawn: Callable[[Coroutine[None, None, None], str], Cancellable],
        clock: Clock,
        store: Store,
        processes: Processes,
        listeners: Listeners,
        checks: Checks,
        logbook: Logbook,
    ) -> None:
        """`spawn` runs a coroutine as a task of the daemon's group, under a name."""
        self._post, self._spawn, self._clock = post, spawn, clock
        self._store, self._processes = store, processes
        self._listeners, self._checks, self._logbook = listeners, checks, logbook
        self._readers: dict[Run, Cancellable] = {}

    def perform(self, effect: Effect, world: World) -> None:
        match effect:
            case Start(run):
                self._spawn(self._start(run, world), f"start {run}")
            case Adopt(run):
                self._processes.adopt(run)
            case Watch(run):
                self._watch(run, world)
            case Unwatch(run):
                self._unwatch(run)
            case Terminate(run):
                number = signal.Signals[world.services[run.key].present.spec.stop_signal]
                self._processes.signal(run, number)
            case Kill(run):
                self._processes.kill(run)
            case Forget(run):
                self._logbook.over(run)
                self._spawn(self._forget(run), f"forget {run}")
            case Note(run, line):
                self._processes.note(run, line)
            case Discard(key):
                self._logbook.discard(key)

    # Start.

    async def _start(self, run: Run, world: World) -> None:
        """Spawn, once the port is free and the saved state names the run."""
        service = world.services[run.key]
        definition = service.present
        if definition.spec.type is Type.CONTAINER:
            hint = f"{run.key.service} has an `image`; give it a `command` to run it as a process"
            self._refuse(run, NO_CONTAINERS, hint)
            return
        if definition.port and not ports.free(definition.port):
            holder = await asyncio.to_thread(ports.holder, definition.port)
            self._refuse(run, *taken(definition.port, holder))
            return
        await self._store.saved()
        self._processes.start(run, self._order(service, definition, world))

    def _refuse(self, run: Run, reason: str, hint: str) -> None:
        self._post(NotStarted(run, reason, hint, self._clock.now()))

    def _order(self, service: Service, definition: Definition, world: World) -> Order:
        spec, command = definition.spec, definition.spec.command
        return Order(
            argv=("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command or ()),
            cwd=workdir(definition),
            env=environment(service, definition, world),
            umask=service.caller.umask,
            limits=service.caller.limits,
            tty=spec.tty,
            watchdog=spec.watchdog,
            logs=str(self._logbook.folder(service.key)),
            log_size=spec.log_size,
        )

    async def _forget(self, run: Run) -> None:
        """Let the keeper forget the run, once its end is in the saved state: a later daemon has to hear of
        it from one of the two."""
        await self._store.saved(hurry=False)
        self._processes.forget(run)

    # Health.

    def _watch(self, run: Run, world: World) -> None:
        service = world.services[run.key]
        life, definition = service.life, service.present
        if life is None or run in self._readers:
            return
        self._logbook.began(run)
        known = life.listening_at is not None
        self._listeners.watch(run, definition.port, lambda: self._processes.pids(run), again=known)
        check = definition.spec.health_check
        if check:
            target = Target(
                port=definition.port,
                cwd=workdir(definition),
                env=environment(service, definition, world),
            )
            self._checks.watch(run, check, target)
        if check and isinstance(check.check, LogCheck):
            self._readers[run] = self._spawn(self._read_lines(run, life), f"read the lines of {run}")

    async def _read_lines(self, run: Run, life: Life) -> None:
        """Show the log check every line of this run, from its first."""
        async for line in self._logbook.lines_of(run):
            self._checks.line(run, line)

    def _unwatch(self, run: Run) -> None:
        self._listeners.unwatch(run)
        self._checks.unwatch(run)
        if reader := self._readers.pop(run, None):
            reader.cancel()


def workdir(definition: Definition) -> str:
    """The absolute folder that a run starts in."""
    return str(Path(definition.directory, definition.spec.workdir))


def environment(service: Service, definition: Definition, world: World) -> dict[str, str]:
    """The environment of a run, but for what the keeper adds."""
    others = {other.spec.name: other.definition for other in world.of_project(service.key.project)}
    return env.compose(definition, service.caller.env, others)[0]


def taken(port: int, holder: Listener | None) -> tuple[str, str]:
    """Why a service cannot be started on a port that somebody has, and what to do."""
    if holder is None:
        return f"port {port} is taken", "`locald up` again, when it is free"
    if not holder.owner.pid:
        return f"port {port} is held by another user's process", "set another `port`"
    hint = f"end that process (kill {holder.owner.pid}), or set another `port`"
    return f"port {port} is held by {holder.owner}, which listens on {holder.shown}", hint
