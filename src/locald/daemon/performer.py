"""Turns effects into deeds, by way of the adapters. The only match over effects.

It returns at once: what takes time is a task, and what comes of it is posted as an event.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from locald.adapters import ports
from locald.domain.explain.in_use import PROXY, taken, who_listens
from locald.domain.lifecycle import lost_port
from locald.domain.lifecycle.exits import stops_main_only
from locald.domain.lifecycle.messages import (
    Adopt,
    Discard,
    Effect,
    Event,
    Forget,
    Kill,
    Note,
    NotStarted,
    Signal,
    Start,
    Terminate,
    Unwatch,
    Watch,
)
from locald.domain.lifecycle.phase import Launching
from locald.domain.lifecycle.run_facts import carries_out
from locald.domain.project import whereabouts
from locald.domain.project.spec import Engine, LogCheck, Type

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from locald.adapters.asking import Asking
    from locald.adapters.checks import Checks
    from locald.adapters.logbook import Logbook
    from locald.adapters.state.store import Store
    from locald.daemon.port_choice import PortChoice
    from locald.daemon.runners import ContainerRunner, ProcessRunner, Runner
    from locald.daemon.tasks import Cancellable
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Run
    from locald.domain.project.spec import Definition
    from locald.linux.clock import Clock

log = logging.getLogger(__name__)


class Performer:
    def __init__(
        self,
        *,
        post: Callable[[Event], None],
        spawn: Callable[[Coroutine[None, None, None], str], Cancellable],
        clock: Clock,
        store: Store,
        ports: PortChoice,
        processes: ProcessRunner,
        containers: ContainerRunner,
        engines: Mapping[Engine, Runner],
        checks: Checks,
        asking: Asking,
        logbook: Logbook,
        by_name: Callable[[], Awaitable[tuple[World, str]]],
    ) -> None:
        """`spawn` runs a coroutine as a task of the daemon's group, under a name. `engines`: who carries out
        what runs elsewhere than on this machine. `by_name`: waits until it is known where services are
        reached by name; the world then, and why they are not, if so."""
        self._by_name = by_name
        self._post, self._spawn, self._clock = post, spawn, clock
        self._store, self._checks, self._asking, self._logbook = store, checks, asking, logbook
        self._ports = ports
        self._processes, self._containers, self._engines = processes, containers, engines
        self._runners: dict[Run, Runner] = {}
        self._readers: dict[Run, Cancellable] = {}
        self._ended: dict[Run, tuple[Runner, Cancellable]] = {}
        """runs that are over and known to their runner still, and who waits until that is saved"""

    def perform(self, effect: Effect, world: World) -> None:
        match effect:
            case Start(run):
                service = world.services[run.key]
                self._runner(run, service)
                if not self._started_at_once(run, service, world):
                    self._spawn(self._start(run, service, world), f"start {run}")
            case Adopt(run):
                service = world.services[run.key]
                self._runner(run, service).adopt(run, service, world)
            case Watch(run):
                self._watch(run, world.services[run.key], world)
            case Unwatch(run):
                self._unwatch(run)
            case Terminate(run):
                service = world.services[run.key]
                number = signal.Signals[service.present.spec.stop_signal]
                self._runner(run, service).stop(run, number, only_main=stops_main_only(service))
            case Signal(run, name):
                self._runner(run, world.services[run.key]).signal(run, signal.Signals[name])
            case Kill(run):
                self._runners[run].kill(run)
            case Forget(run):
                self._logbook.over(run)
                runner = self._runners.pop(run)
                self._ended[run] = runner, self._spawn(self._forget(run), f"forget {run}")
            case Note(run, line):
                self._runners[run].note(run, line)
            case Discard(key):
                self._logbook.discard(key)

    def _runner(self, run: Run, service: Service) -> Runner:
        """The runner that carries out this run. Remembered, since a run may outlive its service."""
        known = self._runners.get(run)
        if known is None:
            known = self._runners[run] = self._runner_of(service.present)
        return known

    def _runner_of(self, definition: Definition) -> Runner:
        if definition.engine is not Engine.LOCAL:
            return self._engines[definition.engine]
        return self._containers if definition.spec.type is Type.CONTAINER else self._processes

    def way_in(self, run: Run) -> tuple[str, dict[str, str]] | None:
        """The id of a run's container, and the environment with which the docker command finds that."""
        runner = self._runners.get(run)
        return runner.way_in(run) if runner else None

    # Start.

    def _started_at_once(self, run: Run, service: Service, world: World) -> bool:
        """The usual start, which has to wait for nothing, is under way before anybody is told of anything.
        Whatever is not usual takes the long way, which tells what it is."""
        port = _port_here(service)
        try:
            if not self._store.save_now() or (port and not ports.free(port)):
                return False
            if whereabouts.is_by_name(service.present) and world.https_port is None:
                return False
        except Exception:
            log.exception("failed: start %s at once", run)
            return False
        try:
            self._forget_earlier(run)
            self._runner(run, service).start(run, service, world)
        except Exception as error:
            self._failed_to_start(run, error)
        return True

    async def _start(self, run: Run, service: Service, world: World) -> None:
        """A start is answered, whatever happens: else the service would be starting for ever."""
        try:
            await self._begin(run, service, world)
        except Exception as error:
            self._failed_to_start(run, error)

    def _failed_to_start(self, run: Run, error: Exception) -> None:
        log.error("failed: start %s", run, exc_info=error)
        reason = f"internal error while starting it: {type(error).__name__}: {error}"
        hint = "run `locald doctor` to find the daemon's log"
        self._post(NotStarted(run, reason, hint, self._clock.now()))

    async def _begin(self, run: Run, service: Service, world: World) -> None:
        """Have it begun, once the port is free and the saved state names the run. If the port is taken, no
        runner ever knows of the run, so it is for us to write in its history why there is no more of it."""
        if in_the_way := await self._in_the_way(service, world):
            refused = self._refused(run, in_the_way, world)
            line = lost_port.told(refused)
            await self._logbook.note(run, line, refused.at, service.present.spec.log_size)
            self._post(refused)
            return
        await self._store.saved()
        trouble = ""
        if whereabouts.is_by_name(service.present):
            world, trouble = await self._by_name()
            if not _is_to_start(run, world):
                self._post(NotStarted(run, "stopped before it was started", "", self._clock.now()))
                return
        self._forget_earlier(run)
        runner = self._runner(run, service)
        runner.start(run, service, world)
        if trouble:
            runner.note(run, f"no service is reached by name: {trouble}")

    def _refused(self, run: Run, in_the_way: tuple[str, str], world: World) -> NotStarted:
        refused = NotStarted(run, *in_the_way, self._clock.now(), is_port_taken=True)
        moved = self._ports.moved(refused, world)
        return moved if isinstance(moved, NotStarted) else refused

    async def _in_the_way(self, service: Service, world: World) -> tuple[str, str] | None:
        """Why its port is not free, and what to do. What may be another container is left to the engine,
        where that is asked anyway: it knows the name."""
        port = _port_here(service)
        if not port or ports.free(port):
            return None
        holder, other = await asyncio.to_thread(ports.holder, port), who_listens(world, port)
        is_container = service.present.spec.type is Type.CONTAINER
        if is_container and other is None and holder and holder.owner.program in ("", PROXY):
            return None
        return taken(port, holder, other)

    async def _forget(self, run: Run) -> None:
        """Let the run be forgotten, once its end is in the saved state: a later daemon has to learn of it
        from one of the two."""
        await self._store.saved(hurry=False)
        runner, _ = self._ended.pop(run)
        runner.forget(run)

    def _forget_earlier(self, run: Run) -> None:
        """After `down` runs are counted from 1 again, so a run may have the name of one that is over. The
        state is saved: nothing needs to be known of that one any more."""
        if earlier := self._ended.pop(run, None):
            runner, waiting = earlier
            waiting.cancel()
            runner.forget(run)

    # Health.

    def _watch(self, run: Run, service: Service, world: World) -> None:
        runner, check = self._runner(run, service), service.present.spec.health_check
        runner.watch(run, service)  # also of a run that is known: its port may be another one now
        if run in self._readers:
            return
        self._logbook.began(run)
        if check and not carries_out(service.present.engine, check.check):
            listened = service.facts is not None and service.facts.listening_at is not None
            self._checks.watch(run, check, runner.target(run, service, world), listened=listened)
        if check and isinstance(check.check, LogCheck):
            self._readers[run] = self._spawn(self._read_lines(run), f"read the lines of {run}")

    async def _read_lines(self, run: Run) -> None:
        """Show the log check every line of this run, from its first."""
        async for line in self._logbook.lines_of(run):
            self._checks.line(run, line)

    def _unwatch(self, run: Run) -> None:
        if runner := self._runners.get(run):
            runner.unwatch(run)
        self._checks.unwatch(run)
        self._asking.forget(run)
        if reader := self._readers.pop(run, None):
            reader.cancel()


def _port_here(service: Service) -> int | None:
    """The port that has to be free on this machine."""
    definition = service.present
    return None if definition.engine.is_cluster else definition.port


def _is_to_start(run: Run, world: World) -> bool:
    service = world.services.get(run.key)
    return service is not None and isinstance(service.phase, Launching) and service.phase.run == run
