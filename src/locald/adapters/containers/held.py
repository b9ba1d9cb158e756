"""One run in a container, from its order to the news that nothing is left of it.

    order ── begin ──► Spawned ── look, and look again ──► Exited ── the last output, remove ──► Gone
          └─► NotStarted                              └─► Lost

What is begun can be called off: then whatever was made is removed, and it has never been there. From the
first news on, the container is looked at, its port listened for and its output read, each on its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

from locald.adapters.containers import create
from locald.adapters.containers.begin import Begin
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.link import remove
from locald.adapters.containers.listening import Target, is_of_this_machine, listen
from locald.adapters.containers.looking import Looking, Vanished
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.refusals import Reason
from locald.domain.lifecycle.messages import Ends, Exited, Gone, Lost, NotStarted, Prepares, Spawned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from locald.adapters.containers.create import Order
    from locald.adapters.containers.engine import Engine
    from locald.adapters.containers.link import Link
    from locald.adapters.containers.looking import News
    from locald.adapters.containers.printing import Printing
    from locald.adapters.containers.translate import Event, State
    from locald.domain.project.names import Run
    from locald.linux.clock import Clock

    Reach = Callable[["Held"], Awaitable[Link]]
    """connects to the engine of a run's order, with the run as a user; raises EngineAbsent"""
    Found = tuple[State, int | None]
    """a container, and its port inside"""

log = logging.getLogger(__name__)

READS_WITHIN = 1.0
"""seconds for which the news of an end waits for the last output"""
REMOVES_WITHIN = 10.0
"""seconds for an engine to remove a container that has ended"""
AGAIN, PATIENT = 0.2, 2.0
"""seconds before something that failed is tried again: at first, and at most"""
BACK_WITHIN = 30.0
"""seconds for which a start waits for an engine that was there before"""
CALLED_OFF = Reason("stopped before it started")


class Held:
    def __init__(
        self,
        run: Run,
        order: Order,
        *,
        pid: int,
        owner: str,
        reach: Reach,
        sharing: Callable[[Run], Collection[str]],
        printing: Printing,
        post: Callable[[News], None],
        clock: Clock,
    ) -> None:
        """`pid`: the first process of a run that is known already, else 0. `sharing`: the projects whose
        containers have to reach this one too."""
        self.run, self.order = run, order
        self.printing = printing
        self.gone = self._known = False
        self.is_removed = True
        """whether nothing of it is left on its engine, once it is gone"""
        self._owner, self._reach, self._sharing = owner, reach, sharing
        self._post, self._clock = post, clock
        self._looking = Looking(run, pid, post, clock)
        self._beginning: asyncio.Timeout | None = None
        """reschedule it, and what begins is called off"""

    @property
    def container(self) -> str:
        """Its id; empty while there is none."""
        return self._looking.container

    @property
    def pid(self) -> int:
        """Its first process; 0 while it is not known, or where the engine hides it."""
        return self._looking.pid

    @property
    def link(self) -> Link | None:
        return self._looking.link

    # What others want of it.

    def signal(self, number: int) -> None:
        """Sent now, or as soon as it can be. What has not begun does not."""
        if self._beginning and self._beginning.expired():
            return  # it is called off already, and what was made of it is being removed
        if self._beginning:
            self._beginning.reschedule(asyncio.get_running_loop().time())
        else:
            self._looking.signal(number)

    def happened(self, event: Event) -> None:
        self._looking.happened(event)

    def engine_went(self, why: str) -> None:
        if self.container:
            self._looking.engine_went(why)

    def engine_came(self) -> None:
        self._looking.engine_came()

    # Its facts.

    async def live(self, *, known: bool) -> None:
        """`known`: it was started by an earlier daemon, and is looked for."""
        self._known = known
        try:
            found = await (self._find() if known else self._start())
            ended = await self._look_after(*found)
        except CannotBegin as cannot:
            at, taken = self._clock.now(), cannot.is_port_taken
            self._post(NotStarted(self.run, *cannot.reason, at, is_port_taken=taken))
        except Vanished as vanished:
            self.is_removed = self.link is None or self.link.is_up  # else it may be there still
            self._post(Lost(self.run, str(vanished), self._clock.now()))
        else:
            self._post(Ends(self.run, self._clock.now()))
            await self._read_on()  # so that its last words come before ours about its end
            self._post(ended)
            await self._take_away()
            self.gone = True
            self._post(Gone(self.run, self._clock.now()))

    async def _start(self) -> Found:
        """Raises CannotBegin, and then nothing of it is left; or Vanished."""
        begin: Begin | None = None
        try:
            async with asyncio.timeout(None) as self._beginning:
                link, engine = await self._engine_for_a_start()
                begin = Begin(engine, link.networks, self.run, self.order, self._owner)
                await begin.carry_out(self._tell_progress)
        except TimeoutError:
            if begin:
                await self._undo(begin)
            raise CannotBegin(CALLED_OFF) from None
        except EngineAbsent as absent:
            self.is_removed = False  # it may have been made
            raise CannotBegin(Reason(absent.reason, absent.hint)) from None
        finally:
            self._beginning = None
        self._looking.container = begin.container or ""
        await self._meet(link, engine)
        return await self._looking.look()

    async def _meet(self, link: Link, engine: Engine) -> None:
        """Be where those are that share it, who may have begun before."""
        for project in sorted(self._sharing(self.run)):
            try:
                await link.networks.have(engine, project)
            except (CannotBegin, EngineAbsent) as error:
                log.warning("%s is not in the network of %s: %s", self.run, project, error)

    async def _engine_for_a_start(self) -> tuple[Link, Engine]:
        """One that was there before may be about to come back, as after an upgrade; else it is there now, or
        it is absent. Raises EngineAbsent."""
        pause, give_up_at = AGAIN, self._clock.now() + BACK_WITHIN
        while True:
            try:
                self._looking.link = link = await self._reach(self)
                return link, await link.engine_for_a_start()
            except EngineAbsent as absent:
                was_there = absent.was_there or self._looking.link is not None
                if not was_there or self._clock.now() + pause >= give_up_at:
                    raise
                self._tell_progress(f"waiting for the container engine to be back: {absent.reason}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, PATIENT)

    async def _undo(self, begin: Begin) -> None:
        try:
            await begin.undo()
        except EngineAbsent as absent:  # it is removed when the engine is there again
            self.is_removed = False
            log.warning("%s has not been removed yet: %s", self.run, absent)

    def _tell_progress(self, sentence: str) -> None:
        self._post(Prepares(self.run, sentence, self._clock.now()))

    async def _find(self) -> Found:
        """Raises Vanished."""
        self._looking.link = await self._reach_patiently()
        labels = [f"{name}={value}" for name, value in create.labels(self.run, self._owner).items()]
        query = {"all": "1", "filters": json.dumps({"label": labels})}
        while not self.container:
            try:
                listed = await (await self._looking.engine()).get(("containers", "json"), query)
            except EngineAbsent as absent:
                await self._looking.doubt(absent)
                continue
            if not listed:
                raise Vanished("the run was lost: its container no longer exists")
            self._looking.container = listed[0]["Id"]
        found = await self._looking.look()
        if found[0].created:
            await self._take_away()
            raise Vanished("the run was lost: the daemon exited while creating its container")
        return found

    async def _reach_patiently(self) -> Link:
        """An engine that is away may come back, and our container with it."""
        pause = AGAIN
        while True:
            try:
                return await self._reach(self)
            except EngineAbsent as absent:
                self._looking.engine_went(absent.reason)
            await asyncio.sleep(pause)
            pause = min(pause * 2, PATIENT)

    async def _look_after(self, state: State, port: int | None) -> Exited:
        """From the news that it runs to its end. Raises Vanished."""
        looking = self._looking
        looking.pid = looking.pid or state.pid
        at = self._clock.of_wall(state.started_at)
        self._post(Spawned(self.run, looking.pid, at, self.container, port))
        looking.is_here = await asyncio.to_thread(is_of_this_machine, state.pid, state.id)
        looking.tell_health(state)
        async with asyncio.TaskGroup() as group:
            prints = group.create_task(self._print(), name=f"output of {self.run}")
            listens = group.create_task(self._listen(state, port), name=f"port of {self.run}")
            try:
                return await looking.until_ended()
            except Vanished as vanished:
                gone = vanished
            finally:
                listens.cancel()
                prints.cancel()
        raise gone

    # Its port, its output.

    async def _listen(self, state: State, port: int | None) -> None:
        published = self.order.definition.port
        if port is None or published is None or not state.running:
            return
        target = Target(state.id, state.pid if self._looking.is_here else 0, port, published)
        await listen(self.run, target, self._post, self._clock.now, again=self._known)

    async def _print(self) -> None:
        """Until cancelled. Where the engine's stream ends too early, from our place on again."""
        while True:
            try:
                await self.printing.follow(await self._looking.engine(), self.container)
            except Vanished:
                return
            except EngineAbsent as absent:
                log.debug("the output of %s: %s", self.run, absent)
            except Refusal as refusal:
                log.warning("the output of %s cannot be read: %s", self.run, refusal)
            await asyncio.sleep(AGAIN)

    # Its end.

    async def _read_on(self) -> None:
        """The last of its output, if that can be had at once."""
        try:
            async with asyncio.timeout(READS_WITHIN):
                await self._finish(await self._looking.engine())
        except (EngineAbsent, TimeoutError, Vanished):
            pass

    async def _take_away(self) -> None:
        """Read the last of its output, and remove it. An engine that cannot remove it is not waited for, and
        one that is away not when somebody wants to have done with it: it is tidied when it is back."""
        self.is_removed = False
        give_up_at = self._clock.now() + REMOVES_WITHIN
        while True:
            try:
                engine = await self._looking.engine()
                await self._finish(engine)
                if await remove(engine, self.container):
                    self.is_removed = True
                    return
            except Vanished:
                return
            except EngineAbsent as absent:
                await self._looking.doubt(absent)
                give_up_at = self._clock.now() + REMOVES_WITHIN
            if self._clock.now() >= give_up_at:
                self.printing.note(f"the engine cannot remove its container {self.container[:12]}")
                return
            await asyncio.sleep(AGAIN)

    async def _finish(self, engine: Engine) -> None:
        """Raises EngineAbsent."""
        try:
            await self.printing.finish(engine, self.container)
        except Refusal as refusal:
            log.info("the last output of %s: %s", self.run, refusal)
