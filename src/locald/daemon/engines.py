"""What runs elsewhere than on this machine: one runner for each engine, all of the same shape.

An engine's adapter takes orders that return at once, and answers them by events, as the keeper and the local
engine do; the world does not know the difference. Another engine is a value of `Engine`, a module with an
`Adapter`, and a line in `ADAPTERS`; what the engine cannot express is told by `domain.export.losses`, and
what it cannot run is refused by `domain.project.placing`.
"""

from __future__ import annotations

import asyncio
import os
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from msgspec.structs import replace

from locald.adapters.checks import Target
from locald.adapters.containers.create import Order
from locald.adapters.systemd.unit import Order as UnitOrder
from locald.daemon.runners import environment, workdir
from locald.domain.explain.located import Others, located
from locald.domain.project.placing import OF_PROCESSES
from locald.domain.project.spec import Engine, NotifyCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from locald.adapters.logbook import Logbook
    from locald.daemon.runners import ProcessRunner
    from locald.domain.lifecycle.messages import Up
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Run

ADAPTERS: Mapping[Engine, str] = {
    Engine.SWARM: "locald.adapters.swarm.swarm",
    Engine.SYSTEMD: "locald.adapters.systemd.systemd",
    Engine.KUBERNETES: "locald.adapters.kubernetes.kubernetes",
}
"""by engine, the module that has its adapter; imported when the first service is to run there"""


class Adapter(Protocol):
    """Every run that was ordered ends in exactly one `NotStarted`, `Gone` or `Lost`."""

    async def ready(self, shell: Mapping[str, str], context: str) -> str:
        """Which of its engines is meant, by this shell and a context that was named (it may be empty): a
        context. Raises Refused where it cannot be used; changes nothing."""
        ...

    def start(self, run: Run, order: Any) -> None:
        """Answered by `Prepares`, `Spawned` or `NotStarted`; then by `Reported`, `Replaced`, `Listens`.
        What is ordered is of the engine's own kind."""
        ...

    def adopt(self, run: Run, order: Any) -> None:
        """Take up a run of an earlier daemon: answered like a start, or by `Lost`."""
        ...

    def stop(self, run: Run) -> None:
        """By the service's stop signal; answered by `Exited` and `Gone`."""
        ...

    def signal(self, run: Run, number: int) -> None: ...
    def kill(self, run: Run) -> None: ...
    def note(self, run: Run, line: str) -> None: ...
    def forget(self, run: Run) -> None: ...
    def tidy(self) -> None:
        """Remove what earlier daemons have left, and nobody knows any more."""
        ...

    def way_in(self, run: Run) -> tuple[str, dict[str, str]] | None: ...
    async def close(self) -> None:
        """Let go of everything; what runs goes on."""
        ...


class UnitAdapter(Adapter, Protocol):
    """Of an engine that runs processes on this machine."""

    def main(self, run: Run) -> tuple[int, str] | None:
        """The main process of a run, and what its cgroup is called; None while there is none."""
        ...

    def pids(self, run: Run) -> list[int]: ...


A = TypeVar("A", bound=Adapter)


class EngineRunner(Generic[A]):
    """Carries out runs on one engine. `begin` makes its adapter when the first one is of interest."""

    def __init__(self, library: str, begin: Callable[[ModuleType], A], logbook: Logbook, used: str) -> None:
        """`used`: the file of the engines where something of ours may be left."""
        self._library, self._begin, self._logbook, self._used = library, begin, logbook, used
        self._others = Others()

    @cached_property
    def adapter(self) -> A:
        return self._begin(import_module(self._library))

    async def ready(self, shell: Mapping[str, str], context: str) -> str:
        """See `Adapter`."""
        await asyncio.to_thread(import_module, self._library)
        return await self.adapter.ready(shell, context)

    def tidy(self) -> None:
        """Remove what is left there of runs that nobody knows any more, if there may be something."""
        if os.path.exists(self._used):
            self.adapter.tidy()

    async def close(self) -> None:
        if self._has_begun:
            await self.adapter.close()

    @property
    def _has_begun(self) -> bool:
        return "adapter" in self.__dict__

    def way_in(self, run: Run) -> tuple[str, dict[str, str]] | None:
        return self.adapter.way_in(run)

    def start(self, run: Run, service: Service, world: World) -> None:
        self.adapter.start(run, self._order(service, world))

    def adopt(self, run: Run, service: Service, world: World) -> None:
        self.adapter.adopt(run, self._order(service, world))

    def stop(self, run: Run, number: int, *, only_main: bool) -> None:
        self.adapter.stop(run)

    def signal(self, run: Run, number: int) -> None:
        self.adapter.signal(run, number)

    def kill(self, run: Run) -> None:
        self.adapter.kill(run)

    def note(self, run: Run, line: str) -> None:
        self.adapter.note(run, line)

    def forget(self, run: Run) -> None:
        self.adapter.forget(run)

    def watch(self, run: Run, service: Service) -> None:
        pass

    def unwatch(self, run: Run) -> None:
        pass

    def target(self, run: Run, service: Service, world: World) -> Target:
        return Target(service.present.port, workdir(service.present))

    def main(self, run: Run) -> tuple[int, str] | None:
        """The main process of a run of this machine, and what its cgroup is called."""
        return None

    def _order(self, service: Service, world: World) -> Any:
        definition = located(world, service.present)
        return Order(
            definition=definition,
            env=environment(service, definition, self._others.of(world, service.key.project)),
            shell=service.caller.env,
            logs=str(self._logbook.folder(service.key)),
        )


class UnitRunner(EngineRunner[UnitAdapter]):
    """Runs processes on this machine, by another than the keeper: what they listen on is looked at, and
    checks are carried out, as of any other."""

    def __init__(
        self,
        library: str,
        begin: Callable[[ModuleType], UnitAdapter],
        logbook: Logbook,
        used: str,
        processes: ProcessRunner,
    ) -> None:
        """`processes`: who runs them here else."""
        super().__init__(library, begin, logbook, used)
        self._processes = processes

    def watch(self, run: Run, service: Service) -> None:
        self._processes.watch_members(run, service, partial(self.adapter.pids, run), speaks=False)

    def unwatch(self, run: Run) -> None:
        self._processes.unwatch(run)

    def target(self, run: Run, service: Service, world: World) -> Target:
        return self._processes.target(run, service, world)

    def main(self, run: Run) -> tuple[int, str] | None:
        return self.adapter.main(run) if self._has_begun else None

    def _order(self, service: Service, world: World) -> UnitOrder:
        process, check = self._processes.order(service, world), service.present.spec.health_check
        waits = check is not None and isinstance(check.check, NotifyCheck)
        return UnitOrder(
            definition=service.present,
            process=process,
            shell=service.caller.env,
            logs=process.logs,
            speaks=waits or (check is None and service.expects_ready),
        )


def runners(
    begin: Callable[[ModuleType, str], Any],
    logbook: Logbook,
    processes: ProcessRunner,
    used: Callable[[Engine], str],
) -> dict[Engine, EngineRunner[Any]]:
    """One for each engine. `begin` makes the adapter that is in a module, with the file that `used` names for
    its engine: of where something of ours may be left."""

    def runner(engine: Engine, library: str) -> EngineRunner[Any]:
        file = used(engine)

        def made(module: ModuleType) -> Any:
            return begin(module, file)

        if engine in OF_PROCESSES:
            return UnitRunner(library, made, logbook, file, processes)
        return EngineRunner(library, made, logbook, file)

    return {engine: runner(engine, library) for engine, library in ADAPTERS.items()}


def main_of(runners: Mapping[Engine, EngineRunner[Any]], run: Run) -> tuple[int, str] | None:
    """The main process of a run that an engine runs on this machine, and what its cgroup is called."""
    found = (runner.main(run) for runner in runners.values())
    return next((each for each in found if each), None)


async def ready(runners: Mapping[Engine, EngineRunner[Any]], world: World, up: Up) -> Up:
    """The command with the contexts that are meant. What runs somewhere already stays there, unless another
    context is named. Raises Refused where an engine of what is to be brought up cannot be used."""
    definitions, found = up.project.definitions, {Engine.LOCAL: ""}
    for each in definitions.values():
        if each.engine not in found:
            context = each.context or _present_context(world, up.project.name, each.engine)
            found[each.engine] = await runners[each.engine].ready(up.caller.env, context)
    if not any(found.values()):
        return up
    placed = {name: replace(each, context=found[each.engine]) for name, each in definitions.items()}
    return replace(up, project=replace(up.project, definitions=placed))


def _present_context(world: World, project: str, engine: Engine) -> str:
    there = (each.present for each in world.of_project(project) if each.run)
    return next((each.context for each in there if each.engine is engine), "")
