"""Wishes: they are taken in and answered at once; what comes of them is followed by the event stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from locald.daemon import asks
from locald.daemon.api.scope import Scope, at, misused, scope
from locald.domain.messages import Again, Down, Stop
from locald.domain.spec import Caller
from locald.domain.world import with_dependents
from locald.wire.rows import problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.daemon.core import Core
    from locald.domain.names import Key

_CALLER: TypeAdapter[Caller] = TypeAdapter(Caller)


class Changing:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def up(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        directory = asked.get("directory")
        if not isinstance(directory, str):
            raise misused("must be an absolute folder", "directory")
        names, caller = _services(asked), _caller(asked)
        await self._core.processes.cleared()
        command, warnings = await asks.up(self._core.world, directory, names, caller)
        await self._core.ask(command)
        ordered = asks.in_order(command.project, command.services)
        told = {"services": ordered, "warnings": [problem(warning) for warning in warnings]}
        return web.json_response({"project": command.project.name, **told})

    async def stop(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        if self._is_not_up(asked):
            return _nothing()
        chosen = self._scope(asked)
        keys = chosen.keys(self._core.world)
        await self._core.ask(Stop(frozenset(keys)))
        return self._affected(chosen, with_dependents(self._core.world, keys))

    async def restart(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        chosen, caller = self._scope(asked), _caller(asked)
        keys = chosen.keys(self._core.world)
        await self._core.ask(Again(frozenset(keys), caller))
        return self._affected(chosen, keys)

    async def down(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        if self._is_not_up(asked):
            return _nothing()
        chosen = self._scope(asked)
        assert chosen.project is not None
        keys = Scope(chosen.project).keys(self._core.world)
        await self._core.ask(Down(chosen.project))
        return self._affected(chosen, keys)

    async def server_stop(self, request: web.Request) -> web.Response:
        await self._core.stop_everything()
        return web.json_response({})

    async def server_restart(self, request: web.Request) -> web.Response:
        """The daemon ends, services keep running; whoever asked starts the next one."""
        self._core.leaving.set()
        return web.json_response({})

    def _is_not_up(self, asked: Mapping[str, Any]) -> bool:
        """Stopping what is not up is done already."""
        directory = None if "project" in asked else asked.get("directory")
        return directory is not None and at(self._core.world, str(directory)) is None

    def _scope(self, asked: Mapping[str, Any]) -> Scope:
        chosen = scope(self._core.world, asked, _services(asked))
        if chosen.project is None:
            raise misused("give `project` or `directory`")
        return chosen

    def _affected(self, chosen: Scope, keys: list[Key]) -> web.Response:
        return web.json_response({"project": chosen.project, "services": [key.service for key in keys]})


def _nothing() -> web.Response:
    return web.json_response({"project": None, "services": []})


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        found = await request.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise misused("the request is no JSON object")
    return found


def _services(asked: Mapping[str, Any]) -> list[str]:
    names = asked.get("services", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise misused("must be a list of names", "services")
    return list(dict.fromkeys(names))


def _caller(asked: Mapping[str, Any]) -> Caller:
    try:
        return _CALLER.validate_python(asked.get("caller", {}))
    except ValidationError:
        raise misused("must have env, umask and limits", "caller") from None
