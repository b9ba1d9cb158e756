"""A port is believed when the service's own program has taken a connection, and not before."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import TYPE_CHECKING

import pytest

from children import Child, Children, children, free_port
from locald.adapters import acceptance
from locald.adapters.listeners import Listeners
from locald.domain.lifecycle.messages import STALLED, UNTAKEN, Listens
from locald.domain.project.names import Key, Run
from locald.linux import socket_owners
from nonblocking import blocking_raises
from posted import Posted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["blocking_raises", "children"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

WEB = Run(Key("shop", "web"), 1)


class Desk:
    """One run whose listeners are watched."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self.posted = Posted()
        self.listeners = Listeners(self.posted.post, time.time)
        self.port = free_port()

    def start(self, code: str) -> Child:
        child = self._children.start(f"port = {self.port}\n{code}")
        self.listeners.watch(WEB, self.port, child.pids)
        return child

    async def accepted(self) -> Listens:
        return await self.posted.wait_for(Listens, lambda event: event.accepts)

    async def untaken(self) -> Listens:
        return await self.posted.wait_for(Listens, lambda event: event.untaken > 0)

    @property
    def believed(self) -> bool:
        return any(isinstance(event, Listens) and event.accepts for event in self.posted.events)


@pytest.fixture
async def desk(children: Children) -> AsyncIterator[Desk]:
    desk = Desk(children)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(desk.listeners.run())
        yield desk
        running.cancel()


async def test_a_port_probe_is_not_believed_and_the_real_listener_is(desk: Desk) -> None:
    """Vite and Parcel open the port for some milliseconds, to see whether they could have it."""
    code = """
for address in ("0.0.0.0", "127.0.0.1"):
    probe = listen(address, port, accept=False)
    time.sleep(0.03)
    probe.close()
print("probed", flush=True)
told()
held = listen("127.0.0.1", port)
told()
"""
    child = desk.start(code)
    assert await asyncio.to_thread(child.says) == "probed"
    await asyncio.sleep(2 * acceptance.SAME)  # whoever was to be fooled is by now
    assert not desk.believed
    child.tell()
    event = await desk.accepted()
    assert event.acceptor is not None
    assert event.acceptor.pid == child.pid


async def test_a_parent_that_listens_for_a_child_that_loads_is_not_believed(desk: Desk) -> None:
    """Flask's reloader, gunicorn: connections are made, and nobody takes them yet."""
    code = """
held = listen("127.0.0.1", port, accept=False)
if os.fork():
    os.wait()
told()
taken = held.accept()
time.sleep(60)
"""
    child = desk.start(code)
    waiting = await desk.untaken()
    assert not waiting.accepts
    assert waiting.untaken == UNTAKEN
    assert [each.owner.pid for each in waiting.listeners] == [child.pid]
    child.tell()
    event = await desk.accepted()
    assert event.acceptor is not None
    assert event.acceptor.pid in child.pids()
    assert event.acceptor.pid != child.pid
    assert event.untaken == 0


async def test_a_program_that_takes_nothing_for_long_is_told_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locald.adapters.own_listeners.STALLED", 0.3)
    child = desk.start('held = listen("127.0.0.1", port, accept=False)\ntold()\nheld.accept()\ntold()')
    assert (await desk.untaken()).untaken == UNTAKEN
    again = await desk.untaken()
    assert again.untaken == 0.3 != STALLED
    child.tell()
    assert (await desk.accepted()).untaken == 0


async def test_only_one_connection_waits_in_the_queue(desk: Desk) -> None:
    """A program that is loading must not find dozens of them when it begins to serve."""
    code = """
held = listen("127.0.0.1", port, accept=False)
told()
held.accept()
held.settimeout(0.3)
try:
    held.accept()
    print("another", flush=True)
except TimeoutError:
    print("alone", flush=True)
told()
"""
    child = desk.start(code)
    await desk.untaken()
    child.tell()
    await desk.accepted()
    assert await asyncio.to_thread(child.says) == "alone"


async def test_a_program_that_takes_and_closes_at_once_is_believed(desk: Desk) -> None:
    desk.start('held = listen("127.0.0.1", port, accept=False)\nwhile True: held.accept()[0].close()')
    assert (await desk.accepted()).accepts


async def test_a_program_that_defers_is_believed_when_its_listener_lasts(desk: Desk) -> None:
    """TCP_DEFER_ACCEPT: the kernel gives it no connection before the client has said something."""
    code = """
held = listen("127.0.0.1", port, accept=False)
held.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
print("listens", flush=True)
told()
"""
    child = desk._children.start(f"port = {desk.port}\n{code}")
    assert await asyncio.to_thread(child.says) == "listens"
    desk.listeners.watch(WEB, desk.port, child.pids)
    event = await desk.accepted()
    assert event.acceptor is None


async def test_where_the_kernel_is_not_asked_the_same_listener_twice_has_to_do(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(acceptance, "ServerEnds", refuse)
    desk = Desk(children)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(desk.listeners.run())
        code = """
probe = listen("127.0.0.1", port, accept=False)
time.sleep(0.02)
probe.close()
print("probed", flush=True)
told()
held = listen("127.0.0.1", port, accept=False)
told()
"""
        child = desk.start(code)
        assert await asyncio.to_thread(child.says) == "probed"
        await asyncio.sleep(2 * acceptance.SAME)
        assert not desk.believed
        child.tell()
        await desk.accepted()
        running.cancel()


async def test_a_connection_that_a_process_outside_the_service_took_is_no_evidence(
    children: Children, desk: Desk
) -> None:
    """Two share the port (SO_REUSEPORT): ours takes nothing, the other one everything that it gets."""
    other = children.start(
        f"held = listen('127.0.0.1', {desk.port}, reuse=True)\nprint('listens', flush=True)\ntold()"
    )
    assert other.says() == "listens"
    code = """
held = listen("127.0.0.1", port, reuse=True, accept=False)
print("listens", flush=True)
told()
serve(held)
"""
    child = desk.start(code)
    assert await asyncio.to_thread(child.says) == "listens"
    named = await desk.posted.wait_for(Listens, lambda event: event.holder is not None)
    assert named.holder is not None
    assert named.holder.owner.pid == other.pid
    await asyncio.sleep(5 * acceptance.SAME)
    assert not desk.believed
    child.tell()
    event = await desk.accepted()
    assert event.acceptor is not None
    assert event.acceptor.pid == child.pid


async def test_without_a_descriptor_to_look_with_nobody_is_believed(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_of_them(_: object) -> dict[int, list[int]]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket_owners, "holders_anywhere", short_of_them)
    port = free_port()
    child = children.start(f"held = listen('127.0.0.1', {port})\nprint('listens', flush=True)\nserve(held)")
    assert await asyncio.to_thread(child.says) == "listens"
    door = acceptance.Door()
    try:
        nobody: tuple[int, ...] = ()
        found = await door.try_listener("127.0.0.1", port, lambda: nobody, lambda: True, lambda: None)
    finally:
        door.close()
    assert found.answer is acceptance.Answer.GONE
