"""What an action would do now, for faces that show it before somebody presses the button. Changes nothing.

The action is made the same command as it would be, of the file as it is and the shell that brought the
project up last, so what is refused here would be refused there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from locald.daemon import requests
from locald.daemon.api.http import Answer, Request, document
from locald.daemon.api.scope import misused, scope
from locald.domain.explain.preview import preview
from locald.domain.lifecycle.messages import Command, Down, Restart, Stop
from locald.domain.project.labelled import of_all

if TYPE_CHECKING:
    from locald.daemon.api.scope import Scope
    from locald.daemon.core import Core
    from locald.domain.project.names import Key

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
        named = partial(_named, project=chosen.project)
        told = {"ends": map(named, found.ends), "starts": map(named, found.starts)}
        return document({what: list(names) for what, names in told.items()})

    async def _commands(self, action: str, project: str, chosen: Scope) -> list[Command]:
        """Raises Refused."""
        world = self._core.world
        keys = frozenset(chosen.keys(world))
        place = requests.place_of(world, project)
        match action:
            case "up":
                names, texts, ports = list(chosen.services), self._core.texts, self._core.ports
                up, _ = await requests.up(world, place.directory, names, place.caller, texts, ports)
                return [*map(Down, requests.earlier_names(world, up.project)), up]
            case "stop":
                return [Stop(keys, project)]
            case "restart":
                return [Restart(keys, place.caller, project)]
            case _:
                return [Down(project)]


def _named(key: Key, project: str) -> str:
    """By its whole name where it is of another instance, which shares something."""
    is_other = key.project not in (project, of_all(project)) and of_all(key.project) == of_all(project)
    return str(key) if is_other else key.service
