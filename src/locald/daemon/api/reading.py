"""Questions: they change nothing and are answered at once, also while services are being restored."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from locald.adapters import ports
from locald.daemon import requests, runners
from locald.daemon.api.http import Answer, Failure, Request, document
from locald.daemon.api.scope import at, folder, misused, moved_from, one, project_of, scope, text
from locald.daemon.instances import checkouts
from locald.daemon.last_words import printed_last
from locald.daemon.meter import STEP
from locald.domain.explain import in_use
from locald.domain.explain.last_word import is_over, last_word
from locald.domain.explain.located import located, others
from locald.domain.explain.past import runs
from locald.domain.explain.summary import summary
from locald.domain.explain.timeline import timeline
from locald.domain.explain.view import row
from locald.domain.explain.why import root_of, why
from locald.domain.knowledge.in_use import port_in_use
from locald.domain.knowledge.masking import masked
from locald.domain.lifecycle import sharing
from locald.domain.lifecycle.service import Service
from locald.domain.lifecycle.world import World
from locald.domain.project import attaching, env
from locald.domain.project.names import Key, Run
from locald.domain.values.problem import Problem, Refused
from locald.wire import rows
from locald.wire.version import __version__

if TYPE_CHECKING:
    from locald.daemon.api.scope import Scope
    from locald.daemon.core import Core
    from locald.daemon.instances import Checkout

FOUND_WITHIN = 0.4
"""seconds that who asks for the status waits for a keeper that has not answered a new daemon yet"""


MEASURED_WITHIN = 1.0
"""seconds that who asks for the instances waits for an engine to measure volumes, unless it says otherwise"""


class Reading:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._last: tuple[World | None, object, Answer | None] = (None, None, None)
        """of which world somebody asked for the status, what exactly, and what was answered"""

    async def ping(self, request: Request) -> Answer:
        return document({"pid": self._core.identity()["pid"], "version": __version__})

    async def status(self, request: Request) -> Answer:
        names, directory = request.query.getall("service"), folder(request.query)
        if directory and not text(request.query, "project") and await at(self._core, directory) is None:
            world, keys = await self._as_written(directory, names)
        else:
            chosen = await scope(self._core, request.query, names)
            await self._found(chosen)
            world = self._core.world
            keys = chosen.keys(world)
        moved = await moved_from(self._core, request.query)
        return self._status(world, keys, {"moved_from": moved} if moved else {})

    def _status(self, world: World, keys: list[Key], more: dict[str, Any]) -> Answer:
        """Rows tell of a world alone, which is another one after each change: so who asks the same question
        before the next change gets the same answer, and many who ask cost little."""
        asked = (keys, self._core.identity(), more)
        last_world, last_asked, answer = self._last
        if last_world is world and last_asked == asked and answer:
            return answer
        services = [rows.row(row(world, world.services[key])) for key in keys]
        answer = document({"daemon": asked[1], "services": services, **more})
        self._last = (world, asked, answer)
        return answer

    async def _found(self, chosen: Scope) -> None:
        """Leave a daemon that has just begun a moment to find what the one before has left."""
        if not self._is_sought(chosen):
            return
        reader = self._core.hub.subscribe(chosen.holds, "ready")
        try:
            async with asyncio.timeout(FOUND_WITHIN):
                while self._is_sought(chosen):
                    await self._core.hub.next(reader)
        except TimeoutError:
            pass  # it is told so
        finally:
            self._core.hub.unsubscribe(reader)

    def _is_sought(self, chosen: Scope) -> bool:
        world = self._core.world
        return any(world.services[key].is_sought for key in chosen.keys(world))

    async def _as_written(self, directory: str, names: list[str]) -> tuple[World, list[Key]]:
        """A world with a project that was never brought up, as its file says. Nothing is kept of it."""
        project = await requests.as_written(self._core.world, directory, self._core.texts, self._core.ports)
        since = self._core.started_at
        chosen = requests.chosen(project.name, project.definitions, names, project.groups)
        running = self._core.world.services
        services = [
            sharing.known_to(running.get(each.key) or Service(each, since=since), project.name)
            for each in project.definitions.values()
        ]
        shown = World.of(services, {project.name: requests.place(project)})
        return shown, [project.definitions[name].key for name in chosen]

    async def why(self, request: Request) -> Answer:
        key = await one(self._core, request.query, request.query.getall("service"))
        explained = await self.explained(key)
        if explained is None:  # forgotten meanwhile
            raise Failure(404)
        return document(explained)

    async def explained(self, key: Key) -> dict[str, Any] | None:
        """The `why` document of a service; None when it is not known, or no longer."""
        if key not in self._core.world.services:
            return None
        root = root_of(self._core.world, self._core.world.services[key])
        printed = await self._printed_last(root)
        seen = await self._of_ports(root, [line for stream, line in printed if stream != "locald"])
        world = self._core.world
        if key not in world.services:
            return None
        return rows.why(why(world, key, seen), summary(world, key, last_word(printed)))

    async def _printed_last(self, service: Service) -> list[tuple[str, str]]:
        """The last lines of what the service printed, if it ended by itself, with their streams."""
        if not is_over(service):
            return []
        return await printed_last(self._core.logbook, Run(service.key, service.runs))

    async def _of_ports(self, service: Service, printed: list[str]) -> list[str]:
        """What to do if it says that its port was in use, where who has that is known."""
        named = port_in_use(printed)
        if named is None:
            return []
        for port in [named] if named else in_use.wanted(service):
            holder = await asyncio.to_thread(ports.holder, port)
            if holder or named:
                other = in_use.who_listens(self._core.world, port)
                return [in_use.hint(service, port, holder, other)]
        return [in_use.hint_without_port(service)] if service.present.port else []

    async def timeline(self, request: Request) -> Answer:
        project = await project_of(self._core, request.query)
        if project is None:
            raise Refused(Problem("a timeline needs a project", hint="set `project` or `directory`"))
        services = self._core.world.of_project(project)
        return document(rows.timeline(timeline(project, services)))

    async def runs(self, request: Request) -> Answer:
        """The runs of services that are remembered, the newest first."""
        chosen = await scope(self._core, request.query, request.query.getall("service"))
        world = self._core.world
        return document({"runs": rows.runs(runs([world.services[key] for key in chosen.keys(world)]))})

    async def usage(self, request: Request) -> Answer:
        """What services took in the last quarter of an hour, as far as it was measured."""
        chosen = await scope(self._core, request.query, request.query.getall("service"))
        past = self._core.past_usage
        told = [
            {**rows.whose(key.project), "name": key.service, "samples": rows.samples(past(key))}
            for key in chosen.keys(self._core.world)
        ]
        return document({"step": STEP, "services": told})

    async def environment(self, request: Request) -> Answer:
        key = await one(self._core, request.query, request.query.getall("service"))
        world = self._core.world
        service = world.services[key]
        definition, neighbours = located(world, service.definition), others(world, key.project)
        told: dict[str, Any] = {
            "env": runners.environment(service, definition, neighbours),
            "workdir": runners.workdir(definition),
            "origins": env.origins(definition, service.caller.env, neighbours),
        }
        if service.present.spec.in_container:
            told |= {"container": self._way_in(service), "engine": service.present.engine}
        if request.is_masked or request.query.get("mask") == "1":
            told["env"], told["masked"] = masked(told["env"])
        return document(told)

    async def terminal(self, request: Request) -> Answer:
        """Which run to attach to."""
        key = await one(self._core, request.query, request.query.getall("service"))
        service = self._core.world.services[key]
        if refused := attaching.refusal(service.present.spec):
            raise Refused(refused)
        if service.run is None:
            hint = f"run `locald up {key.service} --attach` to start it and attach to it"
            raise Refused(Problem(f"{key.service} is not running", hint=hint))
        return document({"run": str(service.run)})

    async def instances(self, request: Request) -> Answer:
        """Every folder that is known: which project or instance it is, what of it runs, and what it takes on
        disk."""
        volumes = await self._core.volumes(_within(request.query.get("timeout")))
        found = await asyncio.to_thread(checkouts, self._core.world, self._core.logbook.size, volumes)
        return document({"instances": [checkout(each) for each in found]})

    async def proxy(self, request: Request) -> Answer:
        """Where services are reached by name, and which names there are."""
        assert self._core.proxy
        return document(self._core.proxy.status())

    def _way_in(self, service: Service) -> dict[str, Any] | None:
        """Its container, and the environment for a docker command; None while it does not run."""
        found = self._core.way_in(service.run) if service.run else None
        return {"id": found[0], "docker": found[1]} if found else None


def checkout(found: Checkout) -> dict[str, Any]:
    """One entry of `instances --json`."""
    return {
        **rows.whose(found.project),
        "directory": found.folder,
        "shared": found.is_shared,
        "branch": found.branch or None,
        "exists": found.is_there,
        "services": found.services,
        "running": found.running,
        "disk_bytes": found.logs + found.volumes,
        "logs_bytes": found.logs,
        "volumes_bytes": found.volumes,
        "disk_unknown": found.unknown or None,
    }


def _within(written: str | None) -> float:
    """Seconds to wait for an engine that measures its volumes. Raises Refused."""
    try:
        seconds = float(written) if written else MEASURED_WITHIN
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise misused("must be seconds", "timeout")
    return seconds
