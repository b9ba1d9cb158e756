"""A run's own listener is seen at once, its end is, and nobody else's is taken for it."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import statistics
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from children import Child, Children, children, free_port
from locald.adapters import acceptance
from locald.adapters import listeners as module
from locald.adapters.listeners import Listeners
from locald.adapters.own_listeners import Watched, pace
from locald.domain.knowledge.servers import server_of
from locald.domain.lifecycle.messages import Listens
from locald.domain.project.names import Key, Run
from locald.linux import procfs, socket_owners
from locald.linux.sockdiag import Deaths, Listening, Table
from nonblocking import blocking_raises
from posted import Posted
from starved import starved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

__all__ = ["blocking_raises", "children"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

WEB = Run(Key("shop", "web"), 1)
PYTHON = os.path.realpath(sys.executable)

SERVER = """
port = int(told())
listener = listen("127.0.0.1", port)
print(time.time(), flush=True)
told()
listener.close()
told()
listener = listen("127.0.0.1", port)
told()
"""


@asynccontextmanager
async def looking(listeners: Listeners) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(listeners.run())
        yield
        running.cancel()


def new() -> tuple[Listeners, Posted]:
    posted = Posted()
    return Listeners(posted.post, time.time), posted


def accepts(event: Listens) -> bool:
    return event.accepts


def closed(event: Listens) -> bool:
    return not event.listeners


def start(children: Children, code: str, port: int) -> Child:
    child = children.start(code)
    child.tell(str(port))
    return child


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "127.3.2.1", "::1", "::"])
async def test_its_own_listener_is_told_with_address_and_process(children: Children, address: str) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        child = start(children, f"held = listen({address!r}, int(told()))\ntold()", port)
        listeners.watch(WEB, port, child.pids)
        event = await posted.wait_for(Listens)
        (listener,) = event.listeners
        assert (event.run, event.accepts, event.holder) == (WEB, True, None)
        assert (listener.address, listener.port, listener.owner.pid) == (address, port, child.pid)
        assert listener.owner.program.startswith("python")


async def test_the_end_of_a_listener_is_told_and_its_return(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        child = start(children, SERVER, port)
        listeners.watch(WEB, port, child.pids)
        await posted.wait_for(Listens, accepts)
        child.tell("close")
        gone = await posted.wait_for(Listens)
        assert (gone.listeners, gone.accepts) == ((), False)
        child.tell("listen again")
        assert (await posted.wait_for(Listens)).accepts


async def test_the_death_of_its_process_ends_a_listener(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        child = start(children, SERVER, port)
        listeners.watch(WEB, port, child.pids)
        await posted.wait_for(Listens, accepts)
        child.end()
        assert (await posted.wait_for(Listens)).listeners == ()


async def test_a_listener_of_a_grandchild_is_its_own(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        code = """
port = int(told())
if not os.fork():
    held = listen("127.0.0.1", port)
    time.sleep(60)
told()
"""
        child = start(children, code, port)
        listeners.watch(WEB, port, child.pids)
        (listener,) = (await posted.wait_for(Listens)).listeners
        assert listener.owner.pid in child.pids()
        assert listener.owner.pid != child.pid


async def test_a_socket_shared_by_processes_of_the_run_is_told_once_until_its_last_holder_ends(
    children: Children,
) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        code = """
held = listen("127.0.0.1", int(told()))
worker = os.fork()
if not worker:
    time.sleep(60)
told()
os.kill(worker, 9)
os.waitpid(worker, 0)
print("ended", flush=True)
told()
held.close()
told()
"""
        child = start(children, code, port)
        listeners.watch(WEB, port, child.pids)
        (listener,) = (await posted.wait_for(Listens)).listeners
        assert listener.owner.pid == child.pid
        child.tell("end the worker")
        assert child.says() == "ended"
        child.tell("close")
        assert (await posted.wait_for(Listens)).listeners == ()
        assert posted.events == []


async def test_a_strangers_listener_is_never_taken_for_its_own_but_named(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        stranger = start(children, SERVER, port)
        ours = start(children, "told(); told(); held = listen('127.0.0.1', int(told())); told()", port)
        listeners.watch(WEB, port, ours.pids)
        event = await posted.wait_for(Listens)
        assert (event.listeners, event.accepts) == ((), False)
        assert event.holder is not None
        assert (event.holder.shown, event.holder.owner.pid) == (f"127.0.0.1:{port}", stranger.pid)
        stranger.tell("close")
        assert (await posted.wait_for(Listens)).holder is None
        ours.tell()
        ours.tell(str(port))
        event = await posted.wait_for(Listens)
        assert (event.accepts, event.listeners[0].owner.pid) == (True, ours.pid)


async def test_of_two_that_share_a_port_ours_counts_and_the_other_is_named(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        code = "held = listen('127.0.0.1', int(told()), reuse=True)\nprint('listens', flush=True)\ntold()"
        stranger = start(children, code, port)
        assert stranger.says() == "listens"
        ours = start(children, code, port)
        listeners.watch(WEB, port, ours.pids)
        event = await posted.wait_for(Listens, lambda event: event.accepts and event.holder is not None)
        assert [listener.owner.pid for listener in event.listeners] == [ours.pid]
        assert event.holder is not None
        assert event.holder.owner.pid == stranger.pid


SHARES = "held = listen('127.0.0.1', int(told()), reuse=True)\nprint('listens', flush=True)\ntold()"


async def test_a_stranger_that_joins_a_port_later_is_named_until_it_leaves(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        ours = start(children, SHARES, port)
        listeners.watch(WEB, port, ours.pids)
        await posted.wait_for(Listens, accepts)
        stranger = start(children, SHARES, port)
        event = await posted.wait_for(Listens, lambda event: event.holder is not None)
        assert event.holder is not None
        assert (event.accepts, event.holder.owner.pid) == (True, stranger.pid)
        stranger.tell()
        event = await posted.wait_for(Listens, lambda event: event.holder is None)
        assert (event.accepts, [each.owner.pid for each in event.listeners]) == (True, [ours.pid])


async def test_a_worker_that_joins_the_port_of_its_service_is_never_called_a_stranger(
    children: Children,
) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        ours = start(children, SHARES, port)
        worker, looks = start(children, SHARES, port), 0

        def late() -> list[int]:
            """The worker is seen from the third look on, as one that was just born may be."""
            nonlocal looks
            looks += 1
            return [*ours.pids(), *(worker.pids() if looks > 2 else [])]

        assert (ours.says(), worker.says()) == ("listens", "listens")
        listeners.watch(WEB, port, late)
        event = await posted.wait_for(Listens, accepts)
        assert (event.holder, len(event.listeners)) == (None, 1)
        await asyncio.sleep(0.5)
        assert all(event.holder is None for event in posted.events if isinstance(event, Listens))


async def test_a_holder_that_cannot_be_known_has_pid_0(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_owners, "holders_anywhere", lambda _: {})
    listeners, posted = new()
    async with looking(listeners):
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            ours = children.start("told()")
            listeners.watch(WEB, port, ours.pids)
            event = await posted.wait_for(Listens)
            assert event.holder is not None
            assert event.holder.owner.pid == 0


async def test_a_holder_is_looked_for_again_when_there_are_descriptors_to_look_with(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = socket_owners.holders_anywhere
    failed: list[OSError] = []

    def short_of_them(inodes: Collection[int]) -> dict[int, list[int]]:
        if not failed:
            failed.append(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
            raise failed[0]
        return find(inodes)

    monkeypatch.setattr(socket_owners, "holders_anywhere", short_of_them)
    listeners, posted = new()
    async with looking(listeners):
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            listeners.watch(WEB, port, children.start("told()").pids)
            event = await posted.wait_for(Listens, lambda event: event.holder is not None)
            assert event.holder is not None
            assert event.holder.owner.pid == os.getpid()
    assert failed


async def test_a_process_too_young_to_be_seen_at_first_is_no_stranger(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        child = start(children, SERVER, port)
        child.says()
        asked = 0

        def late() -> list[int]:
            nonlocal asked
            asked += 1
            return child.pids() if asked > 1 else []

        listeners.watch(WEB, port, late)
        event = await posted.wait_for(Listens)
        assert (event.accepts, event.holder) == (True, None)


async def test_what_it_listens_on_instead_of_its_port_is_told(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port, other = free_port(), free_port()
        child = start(children, "held = listen('::1', int(told()))\ntold()", other)
        listeners.watch(WEB, port, child.pids)
        event = await posted.wait_for(Listens)
        assert (event.accepts, event.holder) == (False, None)
        assert [listener.shown for listener in event.listeners] == [f"[::1]:{other}"]


async def test_its_own_port_comes_first_and_each_address_once(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port, other = free_port(), free_port()
        code = f"""
port = int(told())
held = [listen("127.0.0.1", {other}), listen("::1", port)]
held += [listen("127.0.0.1", port, reuse=True) for _ in range(3)]
told()
"""
        child = start(children, code, port)
        listeners.watch(WEB, port, child.pids)
        event = await posted.wait_for(Listens, lambda event: len(event.listeners) == 3)
        shown = [listener.shown for listener in event.listeners]
        assert shown == [f"127.0.0.1:{port}", f"[::1]:{port}", f"127.0.0.1:{other}"]


async def test_a_listener_that_accepts_nobody_is_told_as_such_until_it_does(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue is full: a connection to it is neither made nor refused."""
    monkeypatch.setattr(acceptance, "CONNECT", 0.1)
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        code = """
held = socket.socket()
held.bind(("127.0.0.1", int(told())))
held.listen(0)
waiting = [socket.create_connection(held.getsockname(), 1)]
print("full", flush=True)
told()
while True:
    held.accept()
"""
        child = start(children, code, port)
        assert child.says() == "full"
        listeners.watch(WEB, port, child.pids)
        event = await posted.wait_for(Listens)
        assert (event.accepts, [one.port for one in event.listeners]) == (False, [port])
        child.tell("accept")
        assert (await posted.wait_for(Listens)).accepts


async def test_of_who_says_that_it_is_ready_it_is_told_at_once_where_it_listens(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        code = "held = listen('::1', int(told()), accept=False)\nprint('listens', flush=True)\ntold()"
        child = start(children, code, port)
        listeners.watch(WEB, port, child.pids)
        await asyncio.sleep(0)  # until it runs
        assert child.says() == "listens"
        listeners.look_at(WEB)
        event = posted.events[-1]
        assert isinstance(event, Listens)
        assert [(one.address, one.port) for one in event.listeners] == [("::1", port)]
        before = len(posted.events)
        listeners.look_at(WEB)
        assert len(posted.events) == before


async def test_who_says_that_it_is_ready_and_listens_nowhere_is_told_of_at_once(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        child = children.start("told()")
        port = free_port()
        listeners.watch(WEB, port, child.pids)
        await asyncio.sleep(0)  # until it runs
        listeners.look_at(WEB, everywhere=True)
        assert not posted.events
        listeners.answer(WEB)
        listeners.watch(WEB, port, child.pids, tells=True)
        await asyncio.sleep(0)
        assert [event.listeners for event in posted.events if isinstance(event, Listens)] == [()]


async def test_nothing_is_told_after_unwatch(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        child = start(children, SERVER, port)
        listeners.watch(WEB, port, child.pids)
        await posted.wait_for(Listens, accepts)
        again = WEB._replace(number=2)
        listeners.unwatch(WEB)
        listeners.watch(again, port, child.pids)
        assert (await posted.wait_for(Listens)).run == again
        child.tell("close")
        assert (await posted.wait_for(Listens)).run == again
        assert posted.events == []


async def test_a_run_without_a_port_is_not_looked_at() -> None:
    listeners, posted = new()
    listeners.watch(WEB, None, lambda: pytest.fail("nobody needs to know"))
    async with looking(listeners):
        await asyncio.sleep(0)
    assert posted.events == []


class Counting(Table):
    reads = 0

    def read(self) -> list[Listening]:
        self.reads += 1
        return super().read()


async def test_once_every_run_has_its_port_nothing_is_looked_at_any_more(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while nothing happens nor when others' connections and listeners come and go."""
    counting = Counting()
    monkeypatch.setattr(module, "Table", lambda: counting)
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        child = start(children, SERVER, port)
        listeners.watch(WEB, port, child.pids)
        await posted.wait_for(Listens, accepts)
        await asyncio.sleep(0.05)
        before = counting.reads
        for _ in range(10):
            with socket.create_server(("127.0.0.1", 0)):
                await asyncio.sleep(0.02)
        # Polling would have looked forty times. Where very much goes on, news is lost, and made up for.
        assert counting.reads - before <= 2
        child.tell("close")
        await posted.wait_for(Listens, closed)
        assert counting.reads > before


async def test_lost_news_is_made_up_for_by_a_look(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deaths, "read", lambda _: None)
    await test_the_end_of_a_listener_is_told_and_its_return(children)


async def test_where_the_kernel_tells_no_deaths_they_are_looked_for(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise PermissionError

    monkeypatch.setattr(module, "Deaths", refuse)
    await test_the_end_of_a_listener_is_told_and_its_return(children)


def test_looks_become_rarer_the_longer_nothing_comes() -> None:
    assert [pace(waited) for waited in (0, 0.8, 2, 4, 9.9)] == [0.004, 0.004, 0.01, 0.02, 0.02]
    assert 0.02 < pace(20) < pace(50) < 0.05
    assert [pace(waited) for waited in (60, 599, 600)] == [0.1, 0.1, 0.5]


async def test_a_program_that_tells_is_looked_at_at_leisure_and_when_asked_for(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEISURE", 3600.0)
    monkeypatch.setattr(module, "STRANGERS", 3600.0)
    looks = _counted(monkeypatch)
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        child = start(children, SERVER, port)
        listeners.watch(WEB, port, child.pids, tells=True)
        await asyncio.to_thread(_listening, port)
        assert len(looks) < 5  # the kernel has news of what others do, too
        listeners.watch(WEB, port, child.pids, tells=True)
        await posted.wait_for(Listens, accepts)


async def test_a_program_that_can_tell_is_looked_at_at_leisure_from_when_that_is_found(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given a moment for it, which begins when its port is seen: a tenth of a second more is little."""
    monkeypatch.setattr(module, "LEISURE", 3600.0)
    monkeypatch.setattr(module, "STRANGERS", 3600.0)
    listeners, posted = new()
    loop, searched = asyncio.get_running_loop(), asyncio.Event()

    def prepare(_: Collection[int]) -> bool:
        loop.call_soon_threadsafe(loop.call_soon, searched.set)  # after what is found has been noted
        return True

    monkeypatch.setattr(listeners._programs, "prepare", prepare)
    async with looking(listeners):
        port = free_port()
        child = children.start(SERVER)
        listeners.watch(WEB, port, child.pids, may_tell=True)
        await asyncio.wait_for(searched.wait(), 10)
        looks = _counted(monkeypatch)
        child.tell(str(port))
        await asyncio.to_thread(_listening, port)
        assert len(looks) < 5
        listeners.watch(WEB, port, child.pids)  # it is known by now that it never does
        await posted.wait_for(Listens, accepts)


async def test_once_it_is_asked_for_it_is_waited_for(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has said READY=1, and its port opens only then."""
    monkeypatch.setattr(module, "LEISURE", 3600.0)
    monkeypatch.setattr(module, "STRANGERS", 3600.0)
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        processes: list[int] = []
        listeners.watch(WEB, port, lambda: processes, tells=True)
        listeners.watch(WEB, port, lambda: processes)
        await posted.wait_for(Listens)
        child = start(children, SERVER, port)
        processes.extend(child.pids())
        await posted.wait_for(Listens, accepts)


REALLY = Table.read


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[Table]:
    """Who looks from now on, each time."""
    looks: list[Table] = []

    def counted(table: Table) -> list[Listening]:
        looks.append(table)
        return REALLY(table)

    monkeypatch.setattr(Table, "read", counted)
    return looks


def _listening(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with Table() as table:
            if any(each.port == port for each in REALLY(table)):
                return


async def test_a_program_is_searched_while_it_loads(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one takes longer than it may take to be told."""
    listeners, posted = new()
    loop, searched = asyncio.get_running_loop(), asyncio.Event()
    child = children.start(SERVER)

    def prepare(pids: Collection[int]) -> bool:
        if child.pid in pids:
            loop.call_soon_threadsafe(searched.set)
        return False

    monkeypatch.setattr(listeners._programs, "prepare", prepare)
    async with looking(listeners):
        listeners.watch(WEB, free_port(), child.pids)
        await asyncio.wait_for(searched.wait(), 10)
        assert not posted.events


def test_only_who_may_say_that_it_is_ready_is_searched_and_ever_more_rarely() -> None:
    run = Watched(WEB, 8000, tuple, 0.0, 0.5, lambda _: False, 8000)
    assert [run.is_to_prepare(at) for at in (0.0, 0.049, 0.05, 0.24, 0.25, 1.2, 1.25)] == [
        *(False, False, True, False, True, False, True)
    ]
    run.tells = True
    assert not run.is_to_prepare(10.0)


BECOMES = "os.execve(program, *started)"
LEAVES = """
if not os.fork():
    os.execve(program, *started)
print(os.getpid(), flush=True)
os._exit(0)
"""
LATER = """
import socket, sys
sys.stdin.readline()
listener = socket.socket(fileno=int(sys.argv[1]))
taken = listener.accept()
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", [BECOMES, LEAVES], ids=["becomes", "leaves"])
async def test_a_server_is_known_by_the_program_that_listens_when_a_connection_is_taken(
    children: Children, tmp_path: Path, how: str
) -> None:
    """What bound the port may have become another program by then, or have left the port to one and ended."""
    program = Path(shutil.copy(PYTHON, tmp_path / "redis-server"))
    code = f"""
import ctypes
program = {str(program)!r}
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER, as the keeper does
if os.fork():
    while True:  # the leader stays
        os.wait()
port = int(told())
held = listen("127.0.0.1", port, accept=False)
held.set_inheritable(True)
arguments = [program, "-S", "-c", {LATER!r}, str(held.fileno())]
started = arguments, {{"PYTHONHOME": {sys.base_prefix!r}}}
told()
"""
    listeners, posted = new()
    async with looking(listeners):
        port = free_port()
        child = start(children, code + how, port)
        listeners.watch(WEB, port, child.pids)
        waiting = await posted.wait_for(Listens, lambda event: event.untaken > 0)
        assert waiting.server is None
        child.tell("go on")
        await asyncio.to_thread(_runs, program, child)
        child.tell("take the connection")
        event = await posted.wait_for(Listens, accepts)
        assert event.server == server_of(str(program), ())
        assert event.listeners[0].owner.program == "redis-server"


def _runs(program: Path, child: Child) -> None:
    """Nobody but this program is left below the leader."""
    until = time.monotonic() + 10
    while {procfs.executable(pid) for pid in child.pids()[1:]} != {str(program)}:
        assert time.monotonic() < until
        time.sleep(0.001)


async def test_twenty_services_that_start_together_are_seen_soon(children: Children) -> None:
    listeners, posted = new()
    async with looking(listeners):
        taken = {free_port() for _ in range(40)}
        started: dict[Run, tuple[Child, int]] = {}
        for number, port in zip(range(1, 21), taken, strict=False):
            child = children.start(SERVER)
            started[WEB._replace(number=number)] = (child, port)
            listeners.watch(WEB._replace(number=number), port, child.pids)
        waited = starved()
        for child, port in started.values():
            child.tell(str(port))
        seen: dict[Run, float] = {}
        while len(seen) < 20:
            event = await posted.wait_for(Listens, accepts)
            seen[event.run] = event.at
        late = [seen[run] - float(child.says()) for run, (child, _) in started.items()]
        assert statistics.median(late) < 0.5 + starved() - waited  # it is some 5 ms where nothing else runs
