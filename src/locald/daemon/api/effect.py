"""What an action would do now, for faces that show it before somebody presses the button. Changes nothing.

The action is made the same command as it would be, of the file as it is and the shell that brought the
project up last, so what is refused here would be refused there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.daemon import requests
from locald.daemon.api.http import Answer, Request, document
from locald.daemon.api.scope import misused, scope
from locald.domain.explain.preview import preview
from locald.domain.lifecycle.messages import Command, Down, Restart, Stop

if TYPE_CHECKING:
    from locald.daemon.api.scope import Scope
    from locald.daemon.core import Core

ACTIONS = ("up", "stop", "restart", "down")


class Effects:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def effect(self, request: Request) -> Answer:
        action = request.query.get("action", "")
        if action not in ACTIONS:
            raise misused(f"must be one of {', '.join(ACTIONS)}", "action")
        chosen = await scope(self._core, request.query, request.query.getall("service"))
        if chosen.project is None:
            raise misused("set `project` or `directory`")
        commands = await self._commands(action, chosen.project, chosen)
        found = preview(self._core.world, commands, self._core.clock.now())
        told = {"ends": found.ends, "starts": found.starts}
        return document({what: [key.service for key in keys] for what, keys in told.items()})

    async def _commands(self, action: str, project: str, chosen: Scope) -> list[Command]:
        """Raises Refused."""
        world = self._core.world
        keys = frozenset(chosen.keys(world))
        place = world.places[project]
        match action:
            case "up":
                names, texts, ports = list(chosen.services), self._core.texts, self._core.ports
                up, _ = await requests.up(world, place.directory, names, place.caller, texts, ports)
                return [*map(Down, requests.earlier_names(world, up.project)), up]
            case "stop":
                return [Stop(keys)]
            case "restart":
                return [Restart(keys, place.caller)]
            case _:
                return [Down(project)]
