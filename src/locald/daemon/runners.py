"""Who carries out a run: the keeper for processes, the local engine for containers.

Both do the same for a run, so the performer need not know which it speaks to. What differs is how a run is
ordered, and who looks at its port: the kernel's tables for a process, the engine's own view for a container.
"""

from __future__ import annotations

import os
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from signal import SIGCONT
from typing import TYPE_CHECKING, Protocol

from locald.adapters.checks import Target
from locald.adapters.containers.create import Order as ContainerOrder
from locald.adapters.processes import Order as ProcessOrder
from locald.domain.explain.located import Others, located
from locald.domain.lifecycle.belief import believed
from locald.domain.lifecycle.given_port import may_become
from locald.domain.project import env
from locald.domain.project.spec import Type

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import ModuleType

    from locald.adapters.containers.containers import Containers
    from locald.adapters.listeners import Listeners
    from locald.adapters.logbook import Logbook
    from locald.adapters.processes import Processes
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Run
    from locald.domain.project.spec import Definition


class Runner(Protocol):
    """Orders return at once; they are answered by events."""

    def start(self, run: Run, service: Service, world: World) -> None: ...
    def adopt(self, run: Run, service: Service, world: World) -> None: ...
    def stop(self, run: Run, number: int, *, only_main: bool) -> None: ...
    def signal(self, run: Run, number: int) -> None: ...
    def kill(self, run: Run) -> None: ...
    def note(self, run: Run, line: str) -> None: ...
    def forget(self, run: Run) -> None: ...
    def watch(self, run: Run, service: Service) -> None: ...
    def unwatch(self, run: Run) -> None: ...
    def target(self, run: Run, service: Service, world: World) -> Target: ...
    def way_in(self, run: Run) -> tuple[str, dict[str, str]] | None:
        """The id of its container, and the environment with which the docker command finds that; None for
        what has none, or none that can be entered."""
        ...


class ProcessRunner:
    def __init__(self, processes: Processes, listeners: Listeners, logbook: Logbook) -> None:
        self._listeners, self._logbook = listeners, logbook
        self._processes = processes
        self._others = Others()
        self.kill = processes.kill
        self.note, self.forget = processes.note, processes.forget

    def start(self, run: Run, service: Service, world: World) -> None:
        self._processes.start(run, self.order(service, world))

    def order(self, service: Service, world: World) -> ProcessOrder:
        definition = located(world, service.present)
        spec, command = definition.spec, definition.spec.command
        return ProcessOrder(
            argv=("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command or ()),
            cwd=workdir(definition),
            env=environment(service, definition, self._others.of(world, service.key.project)),
            umask=service.caller.umask,
            limits=service.caller.limits,
            tty=spec.tty,
            stdin=spec.stdin,
            watchdog=spec.watchdog,
            logs=str(self._logbook.folder(service.key)),
            log_size=spec.log_size,
        )

    def adopt(self, run: Run, service: Service, world: World) -> None:
        self._processes.adopt(run)

    def stop(self, run: Run, number: int, *, only_main: bool) -> None:
        """A process that somebody has stopped (Ctrl-Z, a debugger) hears of it only when it goes on."""
        self._processes.signal(run, number, only_main=only_main)
        self._processes.signal(run, SIGCONT, only_main=only_main)

    def signal(self, run: Run, number: int) -> None:
        self._processes.signal(run, number, only_main=True)

    def way_in(self, run: Run) -> None:
        """A process has no container."""

    def watch(self, run: Run, service: Service) -> None:
        self.watch_members(run, service, partial(self._processes.pids, run), speaks=True)

    def watch_members(
        self, run: Run, service: Service, pids: Callable[[], Collection[int]], *, speaks: bool
    ) -> None:
        """Look at what the processes of a run on this machine listen on. `speaks`: its READY=1 is heard."""
        facts, definition = service.facts, service.present
        self._listeners.watch(
            run,
            facts.port if facts else definition.port,
            pids,
            again=facts is not None and facts.listening_at is not None,
            may_become=partial(may_become, definition),
            assigned=definition.port,
            tells=_tells(service),
            may_tell=speaks and _may_tell(service),
            main=facts.pid if facts else None,
        )

    def unwatch(self, run: Run) -> None:
        self._listeners.unwatch(run)

    def target(self, run: Run, service: Service, world: World) -> Target:
        definition = located(world, service.present)
        whole = environment(service, definition, self._others.of(world, run.key.project))
        port = service.facts.port if service.facts else definition.port
        return Target(port, workdir(definition), whole, service.caller.umask)


class ContainerRunner:
    """The engine tells what listens by itself; a command check is carried out inside the container.

    `begin` makes the containers when the first one is of interest. Most daemons never have one, and what
    talks to an engine takes longer to import than they take to start. `LIBRARY` may be imported before.
    """

    LIBRARY = "locald.adapters.containers.containers"

    def __init__(self, begin: Callable[[ModuleType], Containers], logbook: Logbook, used: str) -> None:
        """`used`: the file of the engines where something of ours may be left."""
        self._begin, self._logbook, self._used = begin, logbook, used
        self._others = Others()

    @cached_property
    def _containers(self) -> Containers:
        return self._begin(import_module(self.LIBRARY))

    def way_in(self, run: Run) -> tuple[str, dict[str, str]] | None:
        """The id of a run's container, and the environment with which the docker command finds that."""
        return self._containers.way_in(run)

    def main(self, run: Run) -> tuple[int, str] | None:
        """The main process of a run and the id of its container; None for what is no container."""
        return self._containers.main(run) if self._has_begun else None

    def tidy(self) -> None:
        """Remove what is left on an engine of runs that nobody knows any more, if there may be something."""
        if os.path.exists(self._used):
            self._containers.tidy()

    async def close(self) -> None:
        if self._has_begun:
            await self._containers.close()

    @property
    def _has_begun(self) -> bool:
        return "_containers" in self.__dict__

    def stop(self, run: Run, number: int, *, only_main: bool) -> None:
        self._containers.signal(run, number)

    def signal(self, run: Run, number: int) -> None:
        self._containers.signal(run, number)

    def kill(self, run: Run) -> None:
        self._containers.kill(run)

    def note(self, run: Run, line: str) -> None:
        self._containers.note(run, line)

    def forget(self, run: Run) -> None:
        self._containers.forget(run)

    def start(self, run: Run, service: Service, world: World) -> None:
        self._containers.start(run, self._order(service, world))

    def adopt(self, run: Run, service: Service, world: World) -> None:
        pid = service.facts.pid if service.facts else None
        self._containers.adopt(run, self._order(service, world), pid)

    def watch(self, run: Run, service: Service) -> None:
        pass

    def unwatch(self, run: Run) -> None:
        pass

    def target(self, run: Run, service: Service, world: World) -> Target:
        definition = service.present
        inside = partial(self._containers.exec_check, run)
        return Target(definition.port, workdir(definition), inside=inside)

    def _order(self, service: Service, world: World) -> ContainerOrder:
        definition = located(world, service.present)
        return ContainerOrder(
            definition=definition,
            env=environment(service, definition, self._others.of(world, service.key.project)),
            shell=service.caller.env,
            logs=str(self._logbook.folder(service.key)),
            is_alone=_is_alone(service, world),
        )


def _is_alone(service: Service, world: World) -> bool:
    """Whether it is the only container of its project."""
    project = world.of_project(service.key.project)
    return not any(each.spec.type is Type.CONTAINER for each in project if each.key != service.key)


def _tells(service: Service) -> bool:
    """Its program says READY=1, as it did before, and nothing else is asked of its port. One that has said
    it now and is not believed waits for its port."""
    facts = service.facts
    tells = believed(facts) if facts and facts.notify.ready else service.expects_ready
    return tells and service.present.spec.health_check is None


def _may_tell(service: Service) -> bool:
    """It is not known whether its program says READY=1, so that one which can is given a moment."""
    has_said = service.facts is not None and service.facts.notify.ready
    return service.is_patient and not has_said and service.present.spec.health_check is None


def workdir(definition: Definition) -> str:
    """The absolute folder that a run starts in."""
    return str(Path(definition.directory, definition.spec.workdir))


def environment(service: Service, definition: Definition, others: Mapping[str, Definition]) -> dict[str, str]:
    """The environment of a run, but for what the keeper or the engine adds."""
    return env.compose(definition, service.caller.env, others)[0]
