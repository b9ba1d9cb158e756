"""Commands: accepted and answered at once. What comes of them is followed on the event stream."""

from __future__ import annotations

import asyncio
import json
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from locald.daemon import requests
from locald.daemon.api.http import Answer, Request, document
from locald.daemon.api.openapi import BODIES
from locald.daemon.api.reading import checkout
from locald.daemon.api.scope import Scope, at, folder, misused, moved_from, project_of, scope, text
from locald.daemon.instances import checkouts
from locald.daemon.placement import Where, moves
from locald.daemon.runners import ContainerRunner
from locald.domain.explain.preview import is_ending, preview
from locald.domain.lifecycle.messages import Down, Prune, Restart, Stop, Up
from locald.domain.lifecycle.reachable import with_dependents
from locald.domain.project.file import FILE
from locald.domain.project.labelled import of_all, parts
from locald.domain.project.spec import Caller, Engine, Type
from locald.domain.values.problem import Problem, Refused
from locald.wire.dataclass_json import Unfit, codec
from locald.wire.rows import problem, whose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.daemon.core import Core
    from locald.domain.explain.preview import Preview
    from locald.domain.lifecycle.messages import Command
    from locald.domain.project.names import Key

Json = dict[str, Any]

FIELDS = frozenset().union(*BODIES.values())
STOPPED_WITHIN = 45.0
"""seconds that an `up` waits for the end of what its project was called before"""


class Changing:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._turn = asyncio.Lock()
        """of one `up` after the other, for two at once might choose the same port"""

    async def up(self, request: Request) -> Answer:
        asked = await _body(request)
        names = _services(asked)
        if isinstance(read := asked.get("read"), dict):
            self._core.texts.learn(read)
        directory, caller = await self._whence(asked)
        await self._core.processes.cleared()
        attach = _truth(asked, "attach")
        where = _where(asked)
        command, effect, warnings = await self._up(directory, names, caller, where, attach=attach)
        told: Json = {"services": requests.starting(command.project, command.services), "warnings": warnings}
        if later := self._on_demand(command, told["services"]):
            told["on_demand"] = later
        if self._core.proxy:
            await self._core.proxy.served()
        return document({**whose(command.project.name), **told, **effect})

    async def invite(self, request: Request) -> Answer:
        by_name = _truth(await _body(request), "by_name")
        site = self._core.dashboard
        url = site.invite(by_name=by_name) if site else None
        if url is None and by_name and site and site.url:
            hint = "run `locald proxy status` for the cause, or `locald dashboard` without --by-name"
            raise Refused(Problem("the proxy is not running", hint=hint))
        if url is None:
            hint = "run `locald monitor` instead, or see the daemon's log for the cause"
            raise Refused(Problem("the dashboard has no port to listen on", hint=hint))
        return document({"url": url})

    def _on_demand(self, command: Up, starting: list[str]) -> list[str]:
        """Those that the first request starts, if they do not run already."""
        names = (name for name, each in command.project.definitions.items() if each.spec.on_demand)
        own = self._core.world.services
        keys = [command.project.definitions[name].key for name in names if name not in starting]
        return [key.service for key in keys if key in own and not own[key].desired.is_up]

    async def _whence(self, asked: Mapping[str, Any]) -> tuple[str, Caller]:
        """The folder to bring up, and the shell to do it for: who has none means the one that did it last."""
        caller, directory = _caller(asked), folder(asked)
        if directory:
            project = await at(self._core, directory)
            directory = await asyncio.to_thread(os.path.realpath, directory)
        elif project := await project_of(self._core, asked):
            directory = requests.place_of(self._core.world, project).directory
        else:
            raise misused("must be an absolute folder", "directory")
        return directory, caller or self._last_caller(project)

    def _last_caller(self, project: str | None) -> Caller:
        return requests.place_of(self._core.world, project).caller if project else Caller()

    async def _up(
        self, directory: str, names: list[str], caller: Caller, where: Where, *, attach: bool
    ) -> tuple[Up, Json, list[Json]]:
        """Have it taken in; what is wrong with it is not. Returns what was understood, what that begins, and
        warnings."""
        async with self._turn:
            command, warnings = await requests.up(
                self._core.world,
                directory,
                names,
                caller,
                self._core.texts,
                self._core.ports,
                attach=attach,
                where=where,
            )
            command = await self._core.engines_ready(self._core.world, command)
            earlier = requests.earlier_names(self._core.world, command.project)
            if not earlier:
                await _prepared(command)
                effect = self._effect(command.project.name, command)
                await self._core.ask(command)
                return command, effect, [problem(warning) for warning in warnings]
        renamed = [problem(await self._bring_down(name, command.project.name)) for name in earlier]
        command, effect, others = await self._up(directory, names, caller, where, attach=attach)
        return command, effect, renamed + others

    def _effect(self, project: str, command: Up | Restart) -> Json:
        """What the command is about to begin. `ends`: of each service the run that ends, so that who follows
        can tell news from what was so before; `changed`: those of which `locald.toml` is the reason."""
        world = self._core.world
        seen = self._preview(command)
        removed, changed = requests.removed(world, command), requests.changed(world, command)
        ends = self._ends(project, seen)
        own = (project, of_all(project)) if isinstance(command, Up) else (project,)
        names = [key.service for key in seen.starts if key.project in own]
        told = {"ends": ends, "starts": names, "changed": changed, "removed": removed}
        moved = moves(world, command.project) if isinstance(command, Up) else {}
        return told | ({"moved": moved} if moved else {})

    def _preview(self, command: Command) -> Preview:
        return preview(self._core.world, [command], self._core.clock.now())

    def _ends(self, project: str, seen: Preview) -> dict[str, int]:
        """The runs that end because of what was previewed, or that are ending already."""
        ends = frozenset(seen.ends)
        own = self._core.world.of_project(project)
        return {each.spec.name: each.runs for each in own if each.key in ends or is_ending(each)}

    async def _bring_down(self, project: str, now: str) -> Problem:
        """It is called by another name now: nobody would find its services under the old one."""
        await self._core.ask(Down(project))
        reader = self._core.hub.subscribe(Scope(project).holds, "down")
        try:
            async with asyncio.timeout(STOPPED_WITHIN):
                while project in self._core.world.places:
                    await self._core.hub.next(reader)
        except TimeoutError:
            what = f'services of "{project}", the former name of this project, are still stopping'
            hint = "run `locald status --all` to see them, and `locald up` when they have stopped"
            raise Refused(Problem(what, f"{FILE}: project.name", hint)) from None
        finally:
            self._core.hub.unsubscribe(reader)
        is_label = parts(project)[0] == parts(now)[0]
        kind, where = ("instance", "") if is_label else ("project", f"{FILE}: project.name")
        what = f'{kind} renamed from "{project}" to "{now}", services under the old name were stopped'
        return Problem(what, where, "its ports and logs are discarded")

    async def stop(self, request: Request) -> Answer:
        asked = await _body(request)
        if await self._is_not_up(asked):
            return _nothing()
        project, keys = await self._chosen(asked)
        command = Stop(frozenset(keys), project)
        ends, moved = self._ends(project, self._preview(command)), await moved_from(self._core, asked)
        kept = requests.kept(self._core.world, keys, project)
        await self._core.ask(command)
        world = self._core.world
        reached = with_dependents(world.services, world.dependents, keys)
        return self._ending(project, reached, ends, moved, kept)

    async def restart(self, request: Request) -> Answer:
        asked = await _body(request)
        asker = _caller(asked)
        project, keys = await self._chosen(asked)
        command = Restart(frozenset(keys), asker or self._last_caller(project), project)
        kept = requests.kept(self._core.world, keys, project)
        warnings = await requests.unapplied(
            self._core.world, project, keys, self._core.texts, self._core.ports
        )
        warnings += requests.not_restarted(kept, project)
        effect = self._effect(project, command)
        await self._core.ask(command)
        told = {"services": [key.service for key in keys], "warnings": list(map(problem, warnings))}
        return document({**whose(project), **told, **effect})

    async def down(self, request: Request) -> Answer:
        asked = await _body(request)
        if await self._is_not_up(asked):
            return _nothing()
        project, _ = await self._chosen(asked)
        command, keys = Down(project), Scope(project).keys(self._core.world)
        ends = self._ends(project, self._preview(command))
        kept = requests.kept(self._core.world, keys, project)
        told = self._ending(project, keys, ends, await moved_from(self._core, asked), kept)
        await self._core.ask(command)
        return told

    async def prune(self, request: Request) -> Answer:
        """Stop and forget every instance whose folder is gone."""
        await _body(request)
        known = await asyncio.to_thread(checkouts, self._core.world, lambda _: 0)
        gone = [each for each in known if not (each.is_there or each.is_shared)]
        for each in gone:
            if each.project in self._core.world.places:
                await self._core.ask(Down(each.project))
        await self._core.ask(Prune(frozenset(each.folder for each in gone)))
        return document({"removed": [checkout(each) for each in gone]})

    async def server_stop(self, request: Request) -> Answer:
        await self._core.stop_everything()
        return document({})

    async def server_restart(self, request: Request) -> Answer:
        """The daemon ends, services keep running; the caller starts the next one, which would not know what
        is not saved."""
        await self._core.leave_to_another()
        return document({})

    async def _is_not_up(self, asked: Mapping[str, Any]) -> bool:
        """Stopping what is not up is done already."""
        directory = "" if text(asked, "project") else folder(asked)
        return bool(directory) and await at(self._core, directory) is None

    async def _chosen(self, asked: Mapping[str, Any]) -> tuple[str, list[Key]]:
        """The project and its services that are meant."""
        chosen = await scope(self._core, asked, _services(asked))
        if chosen.project is None:
            raise misused("set `project` or `directory`")
        return chosen.project, chosen.keys(self._core.world)

    def _ending(
        self,
        project: str,
        keys: list[Key],
        ends: dict[str, int],
        moved: str | None,
        kept: dict[str, list[str]],
    ) -> Answer:
        """`kept`: what goes on because other instances want it, and which."""
        ordered = requests.ending(self._core.world, project, keys)
        told = {"moved_from": moved, "services": ordered, "ends": ends, "kept": kept}
        return document({**whose(project), **told})


async def _prepared(command: Up) -> None:
    """Import in a thread what the first container would import in the loop."""
    if any(each.spec.type is Type.CONTAINER for each in command.project.definitions.values()):
        await asyncio.to_thread(import_module, ContainerRunner.LIBRARY)


def _nothing() -> Answer:
    none = {"project": None, "instance": None, "moved_from": None}
    return document({**none, "services": [], "ends": {}, "kept": {}})


async def _body(request: Request) -> dict[str, Any]:
    sent = await request.body()
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise misused("the request must be a JSON object")
    for field in found.keys() - FIELDS:  # passed over, a misspelt `services` would mean all of them
        raise misused("unknown field", field)
    return found


def _truth(asked: Json, field: str) -> bool:
    """Raises Refused for what is neither true nor false."""
    if not isinstance(found := asked.get(field, False), bool):
        raise misused("must be true or false", field)
    return found


def _services(asked: Mapping[str, Any]) -> list[str]:
    names = asked.get("services", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise misused("must be a list of names", "services")
    return list(dict.fromkeys(names))


def _where(asked: Mapping[str, Any]) -> Where:
    engine, images = asked.get("engine"), asked.get("images", {})
    if engine is not None and engine not in tuple(Engine):
        raise misused(f"must be one of {', '.join(Engine)}", "engine")
    if not isinstance(images, dict) or not all(isinstance(each, str) for each in images.values()):
        raise misused("must be a map of services and images", "images")
    return Where(Engine(engine) if engine else None, images, text(asked, "context"))


def _caller(asked: Mapping[str, Any]) -> Caller | None:
    """The shell that asks; None for a page, which is none."""
    if "caller" not in asked:
        return None
    try:
        found: Caller = codec(Caller).load(asked["caller"])
    except Unfit:
        raise misused("must have env, umask and limits", "caller") from None
    return found
