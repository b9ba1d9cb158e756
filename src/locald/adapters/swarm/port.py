"""Whether the port of a run serves, on whatever node its task is: as far as that is seen from here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from locald.adapters.containers.create import LOCALHOST
from locald.adapters.containers.listening import Target, is_of_this_machine, listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.adapters.swarm.following import Following
    from locald.adapters.swarm.tasks import Task
    from locald.domain.lifecycle.messages import Event, Listens
    from locald.domain.project.names import Run

REACHED_WITHIN = 5.0
"""seconds in which a port on another machine has to answer, before the swarm's word has to do"""


class Port:
    """`inside`: the port in the container; `published`: the one on its node; None: there is none."""

    def __init__(
        self,
        run: Run,
        following: Following,
        inside: int | None,
        published: int | None,
        post: Callable[[Event], None],
        now: Callable[[], float],
        *,
        again: bool,
    ) -> None:
        """`again`: an earlier daemon looked before."""
        self._run, self._following, self._post, self._now = run, following, post, now
        self._inside, self._published, self._again = inside, published, again
        self._listening: asyncio.Task[None] | None = None
        self._task = ""
        """the id of the task that is looked at"""

    async def attend(self, group: asyncio.TaskGroup) -> None:
        """Look at the port of the task that is alive now, in the task group."""
        task = self._following.task
        if task is None or not task.is_alive or task.id == self._task or not task.container:
            return
        if task.state != "running" and not (task.pid and self._following.has_check):
            return  # its process is told of later
        self._task = task.id
        if self._inside is None or self._published is None:
            if self._following.has_check is None:
                self._say_unseen("and its image is not here, so it is not known whether it has a HEALTHCHECK")
            return
        is_here = await asyncio.to_thread(is_of_this_machine, task.pid, task.container)
        target = Target(
            task.container,
            task.pid if is_here else 0,
            self._inside,
            self._published,
            self._address(task) or LOCALHOST,
        )
        name = f"port of {self._run}"
        self._listening = group.create_task(self._listen(target, is_here=is_here), name=name)

    def let_go(self) -> None:
        """What was looked at is over."""
        if self._listening:
            self._listening.cancel()
            self._listening = None

    def _address(self, task: Task) -> str:
        node = self._following.nodes.get(task.node)
        return node.address if node else ""

    async def _listen(self, target: Target, *, is_here: bool) -> None:
        heard = asyncio.Event()

        def post(event: Listens) -> None:
            if event.accepts:
                heard.set()
            self._post(event)

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(self._run, target, post, self._now, again=self._again))
            if is_here or self._following.has_check:
                return
            try:
                async with asyncio.timeout(REACHED_WITHIN):
                    await heard.wait()
            except TimeoutError:
                self._say_unseen(f"but {target.host}:{target.published} cannot be reached from here")

    def _say_unseen(self, why: str) -> None:
        for event in self._following.unseen(why):
            self._post(event)
