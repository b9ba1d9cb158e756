"""The daemon: the only place that constructs things, and ties them together.

It takes the lock, reads what an earlier daemon left, begins to answer, and only then looks for the keeper:
so it answers at once, whatever there is to restore. It ends without touching services: they are the keeper's.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from locald.adapters.asking import Asking, Target
from locald.adapters.checks import Checks
from locald.adapters.listeners import Listeners
from locald.adapters.logbook import Logbook
from locald.adapters.processes import Processes
from locald.adapters.state.reading import Saved, load
from locald.adapters.state.store import Store
from locald.daemon import disk, engines, limits, supervisor
from locald.daemon.api.entrance import Entrance
from locald.daemon.api.routes import Api
from locald.daemon.core import Core
from locald.daemon.dashboard.site import Site
from locald.daemon.hub import Hub
from locald.daemon.keeping import Keeping
from locald.daemon.last_words import LastWords
from locald.daemon.lock import Held, Lock
from locald.daemon.log import begin_log
from locald.daemon.loop import Loop
from locald.daemon.meter import Meter
from locald.daemon.performer import Performer
from locald.daemon.port_choice import PortChoice
from locald.daemon.proxy.answers import Answers
from locald.daemon.proxy.entrance import Entrance as ProxyEntrance
from locald.daemon.proxy.idle import Idle
from locald.daemon.proxy.proxy import Proxy
from locald.daemon.recovery import restore
from locald.daemon.runners import ContainerRunner, ProcessRunner
from locald.daemon.shortage import Shortage, behind, opening
from locald.daemon.tasks import Tasks
from locald.daemon.watches import Watches
from locald.domain.lifecycle.found_port import checked_by_datagram
from locald.domain.lifecycle.messages import Event, Exited, Listens, Notified
from locald.domain.lifecycle.senders import is_main
from locald.domain.project.spec import Engine
from locald.domain.values.problem import Refused
from locald.linux.clock import Clock
from locald.wire.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper import launch

log = logging.getLogger(__name__)


def main(arguments: list[str], keeper: launch.Begun | None = None) -> int:
    """Run until told to end. Returns an exit code; a start that fails says why on standard error.

    `keeper`: one that was begun for this daemon."""
    foreground = "--foreground" in arguments
    os.umask(0o077)  # what is made here is the owner's alone, whatever the starter wants for himself
    try:
        home = Home.find()
        home.make()
        begin_log(home.log, foreground=foreground)
        with Lock(home.lock, home.socket):
            limits.raise_limits()
            return _run(home, load(home.state_file), keeper, foreground=foreground)
    except Held as held:
        print(f"error: {held}\nhint: run `locald server status` for details", file=sys.stderr)
        return 3
    except Refused as refused:
        for problem in refused.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        print("hint: run `locald doctor` to find the cause", file=sys.stderr)
        return 3


def _run(home: Home, saved: Saved, keeper: launch.Begun | None, *, foreground: bool) -> int:
    """A fault of ours ends the daemon, not the services; it is in the log, and another one can be started."""
    try:
        asyncio.run(_live(home, saved, keeper, foreground=foreground))
    except OSError as error:  # of the machine, before or after there are any tasks: not a fault of ours
        log.critical("the daemon cannot run: %s", error)
        raise
    except Exception as error:
        if lacking := behind(error):
            log.critical("the daemon cannot go on: %s", lacking)
            raise lacking from None
        log.critical("the daemon stops because of an internal error", exc_info=error)
        print(f"error: internal: {error!r}\nhint: see the log of the daemon: {home.log}", file=sys.stderr)
        return 3
    return 0


async def _live(home: Home, saved: Saved, keeper: launch.Begun | None, *, foreground: bool) -> None:
    """Answer, restore, run; return when told to end."""
    if saved.trouble:
        log.error("%s", saved.trouble)
    clock = Clock(saved.epoch) if saved.epoch is not None else Clock.new()
    logbook = Logbook(Path(home.logs))
    world, first = restore(saved.world, logbook.last_runs(saved.world.services))
    shortage = Shortage()
    shortage.watch()
    async with Tasks() as tasks:
        loop = Loop(world, clock)
        store = Store(home.state_file, home.wanted, clock.epoch, lambda: loop.world)
        checks = Checks(loop.post, clock.now, tasks)
        asking = Asking(loop.post, clock.now, tasks)
        ports = PortChoice(home.state)
        post = _also_to(checks, asking, loop, ports)
        listeners = Listeners(post, clock.now)
        owner, used = _owner(home), home.engines_used(Engine.LOCAL)
        containers = ContainerRunner(
            lambda library: library.Containers(post, clock, tasks, logbook.hint, owner, used),
            logbook,
            used,
        )
        keeping = Keeping(home, keeper)
        post_after = _after_a_look(listeners, loop)
        processes = Processes(keeping.reach, lambda event: proxy.take(event, post_after), clock, logbook.hint)
        logbook.tail, processes.on_unwritten = processes.tail, checks.unwritten
        here = ProcessRunner(processes, listeners, logbook)
        elsewhere = engines.runners(
            lambda module, used: module.Adapter(post, clock, tasks, logbook.hint, owner, used),
            logbook,
            here,
            home.engines_used,
        )
        hub = Hub(lambda: loop.world)
        proxy = Proxy(home, loop, processes, hub.change_all, os.environ)
        meter = Meter(
            lambda: loop.world,
            processes,
            lambda run: containers.main(run) or engines.main_of(elsewhere, run),
            clock.now,
        )
        core = Core(loop, hub, logbook, clock, store, processes, clock.now(), saved.trouble)
        core.usage, core.ports = meter.sweep, ports
        core.volumes = lambda within: disk.volumes(loop.world, owner, within)
        core.engines_ready = partial(engines.ready, elsewhere)
        core.past_usage = meter.past
        core.troubles = (lambda: shortage.trouble, lambda: store.trouble, lambda: processes.trouble)
        performer = Performer(
            post=loop.post,
            spawn=tasks.spawn,
            clock=clock,
            store=store,
            ports=ports,
            processes=here,
            containers=containers,
            engines=elsewhere,
            checks=checks,
            asking=asking,
            logbook=logbook,
            by_name=proxy.known,
        )
        core.way_in = performer.way_in
        last_words = LastWords(logbook, loop.post, tasks.spawn, clock.now)
        loop.watch(proxy.change)
        loop.watch(hub.change)
        watches = Watches(loop.post, clock.now)
        for watcher in (last_words, watches, meter):
            loop.watch(watcher.look)
            watcher.look(world, frozenset(world.services))
        loop.record(store.change)
        api = Api(core)
        entrance, site = Entrance(api, home.socket), Site(api, home.dashboard, home.dashboard_socket)
        answers = Answers(core, api.reading)
        idle = Idle(core, home)
        loop.watch(answers.change)
        loop.watch(idle.change)
        for_proxy = ProxyEntrance(answers, api.streams, home.proxy_socket)
        core.proxy = proxy
        if keeping.is_there():
            processes.look()  # before anybody can ask for anything: who does waits until all of it is ended
        with opening():
            await site.open(
                {each.definition.port for each in world.services.values() if each.definition.port}
            )
            core.dashboard = site  # before anybody can ask for it
            await entrance.open()
            await for_proxy.open()
        proxy.begin()
        for effect in first:
            performer.perform(effect, world)
        containers.tidy()
        for runner in elsewhere.values():
            runner.tidy()
        for name, work in {
            "the loop": loop.run(performer),
            "save the state": store.run(),
            "watch listeners": listeners.run(),
            "talk to the keeper": processes.run(),
            "be found": entrance.keep(),
            "be found by the proxy": for_proxy.keep(),
            "let the dashboard be found by the proxy": site.keep(),
            "keep the proxy": proxy.run(),
            "stop idle services": idle.run(),
            "measure": meter.run(),
        }.items():
            tasks.begin(work, name)
        _announce(core, home, foreground=foreground)
        await core.leaving.wait()
        supervisor.tell("STOPPING=1")
        log.info("stopping, %s", "as everything else did" if core.stopping else "services keep running")
        await (
            store.saved()
        )  # or a client that learns now that the daemon ends would find something to restore
        if core.stopping:
            await proxy.stop()
        await site.withdraw()
        await entrance.close()
        await for_proxy.close()
        await site.close()
        await store.write()
        processes.release()
        watches.close()
        await checks.close()
        await asking.close()
        await containers.close()
        for runner in elsewhere.values():
            await runner.close()


def _owner(home: Home) -> str:
    """What tells our containers from those of another locald on the same engine: whose state they are in."""
    return hashlib.sha256(os.fsencode(home.state)).hexdigest()[:12]


def _also_to(checks: Checks, asking: Asking, loop: Loop, ports: PortChoice) -> Callable[[Event], None]:
    """Listeners and containers are news for the world. Checks look at the service's own port from then on; a
    known server is asked, unless the user has configured how to know."""

    def post(event: Event) -> None:
        loop.post(ports.moved(event, loop.world))
        service = loop.world.services.get(event.run.key)
        if isinstance(event, Listens) and service:
            port = service.facts.port if service.facts else service.present.port
            own = next((each for each in event.listeners if each.port == port), None)
            checks.listening(event.run, own or checked_by_datagram(service.present, event, port), port)
            is_asked = own and event.accepts and event.server and not service.present.spec.health_check
            if own and event.server and is_asked:
                name, pid = str(own.owner), own.owner.pid
                asking.listening(event.run, Target(event.server, own.address, own.port, name, pid))
            else:
                asking.forget(event.run)

    return post


def _after_a_look(listeners: Listeners, loop: Loop) -> Callable[[Event], None]:
    """What the processes say and do is news for the world. READY=1 of a main process comes together with
    where that listens; that of another one waits for a port off which a connection was taken. The end of a
    main process comes after what those listen on that it leaves."""

    def post(event: Event) -> None:
        is_ready = isinstance(event, Notified) and b"READY=1" in event.datagram and _is_of_main(event, loop)
        is_first = is_ready and not listeners.is_answered(event.run)
        if is_ready:
            listeners.look_at(event.run, everywhere=is_first)
        if isinstance(event, Exited) and event.left:
            listeners.look_at(event.run, everywhere=True)
        loop.post(event)
        if is_first:
            listeners.answer(event.run)

    return post


def _is_of_main(event: Notified, loop: Loop) -> bool:
    service = loop.world.services.get(event.run.key)
    facts = service.facts if service else None
    return facts is not None and is_main(event.sender, event.main or facts.pid)


def _announce(core: Core, home: Home, *, foreground: bool) -> None:
    """The daemon answers: say so to the process that started it, and let go of what it inherited."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, core.leaving.set)
    supervisor.tell("READY=1")
    log.info("ready: %s", home.socket)
    if not foreground:
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.close(nothing)
