"""What a container's health is known by: its HEALTHCHECK, its port, a command inside it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from engine.bench import Bench, bench, served
from locald.adapters.containers.translate import moment
from locald.domain.lifecycle.messages import Checked, Exited, Gone, Listens, Paused, Spawned, Unpaused
from locald.linux import netns
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from engine.session import Docker

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

A_MOMENT = 0.5
"""seconds that a line may be on its way from the engine, half of what `late` waits before it listens"""
SERVE = "nc -ll -p 8080 -e echo hi & echo $! > /tmp/pid"


@pytest.fixture
async def here(docker: Docker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with served(docker, tmp_path) as made:
        yield made


# HEALTHCHECK.


async def test_an_image_with_a_healthcheck_speaks_through_it_from_the_beginning(here: Bench) -> None:
    """Nothing weaker can be believed meanwhile: it says no right after the news that it runs."""
    here.start("healthy")
    await here.wait_for(Spawned)
    first = await here.next_event()
    assert isinstance(first, Checked)
    assert not first.ok
    assert "has not run yet, interval 300ms" in first.detail


async def test_a_healthcheck_that_succeeds_makes_it_healthy_at_that_moment(here: Bench) -> None:
    here.start("healthy")
    checked = await here.wait_for(Checked, lambda event: event.ok)
    assert here.clock.now() - checked.at < 0.5
    last = here.inspect()["State"]["Health"]["Log"]
    assert any(abs(_moment(probe["End"], here) - checked.at) < 0.01 for probe in last)


async def test_a_probe_that_fails_is_told_with_its_output_before_it_counts(here: Bench) -> None:
    here.start("healthy")
    checked = await here.wait_for(Checked, lambda event: "not succeeded yet" in event.detail)
    assert not checked.ok
    assert "exit code 1, wget: can't connect" in checked.detail


async def test_an_unhealthy_container_says_why(here: Bench) -> None:
    here.start("unhealthy")
    checked = await here.wait_for(Checked, lambda event: "in a row" in event.detail)
    assert not checked.ok
    assert checked.detail.startswith("the image's HEALTHCHECK failed 2 times in a row: exit code 1, no store")


async def test_health_follows_the_container_both_ways(here: Bench) -> None:
    run = here.start("flip")
    await here.wait_for(Checked, lambda event: event.ok)
    for command, ok in (("rm /tmp/ok", False), ("touch /tmp/ok", True), ("rm /tmp/ok", False)):
        assert (await here.containers.exec_check(run, command, 10))[0]
        asked_at = here.clock.now()
        await here.wait_for(Checked, lambda event, ok=ok: event.ok is ok)  # type: ignore[misc]
        assert here.clock.now() - asked_at < 5


async def test_the_image_without_a_healthcheck_is_not_spoken_for(here: Bench) -> None:
    here.start("http")
    await here.wait_for(Listens)
    assert not any(isinstance(event, Checked) for event in here.posted.events)


async def test_an_old_verdict_of_an_earlier_start_is_not_believed(docker: Docker, tmp_path: Path) -> None:
    """Somebody started it again: an engine says `unhealthy` until the first probe of this start."""
    async with bench(docker, tmp_path) as here:
        order = here.order("unhealthy")
        async with here.daemon() as daemon:
            daemon.start(here.run(), order)
            await here.wait_for(Checked, lambda event: "in a row" in event.detail)
        name = f"locald-{here.project}-db"
        await asyncio.to_thread(here.api.post, f"/containers/{name}/restart", t="0")
        async with here.daemon() as daemon:
            daemon.adopt(here.run(), order)
            first = await here.wait_for(Checked)
        state = here.inspect()["State"]
        recent = [probe for probe in state["Health"]["Log"] if probe["End"] > state["StartedAt"]]
        assert "HEALTHCHECK has not run yet" in first.detail or recent


# Whether it is paused.


async def test_a_pause_is_told_and_its_end(here: Bench) -> None:
    spawned = await here.spawned("http")
    for what, news in (("pause", Paused), ("unpause", Unpaused), ("pause", Paused)):
        await asyncio.to_thread(here.api.post, f"/containers/{spawned.container}/{what}")
        await here.wait_for(news)
    here.containers.signal(spawned.run, signal.SIGTERM)
    exited = await here.wait_for(Exited)
    assert exited.exit.signal == signal.SIGTERM


async def test_a_pause_is_seen_by_a_daemon_that_comes_later(docker: Docker, tmp_path: Path) -> None:
    async with bench(docker, tmp_path) as here:
        order = here.order("http")
        async with here.daemon() as daemon:
            daemon.start(here.run(), order)
            spawned = await here.wait_for(Spawned)
        await asyncio.to_thread(here.api.post, f"/containers/{spawned.container}/pause")
        async with here.daemon() as daemon:
            daemon.adopt(here.run(), order)
            await here.wait_for(Paused)
            await here.end(here.run())


# Its port.


async def test_a_port_counts_when_the_container_listens_not_when_the_proxy_does(here: Bench) -> None:
    """The proxy accepts a second before anybody listens inside."""
    order = here.order("late")
    here.containers.start(here.run(), order)
    await here.wait_for(Spawned)
    with socket.create_connection(("127.0.0.1", order.definition.port or 0), timeout=5):
        pass  # a connection succeeds, and means nothing
    assert not any(isinstance(event, Listens) and event.accepts for event in here.posted.events)
    listens = await here.wait_for(Listens, lambda event: event.accepts)
    assert await here.printed_at("listening") < listens.at + A_MOMENT
    assert listens.listeners[0].shown == f"127.0.0.1:{order.definition.port}"
    assert listens.listeners[0].owner.program == "nc"


async def test_a_listener_that_vanishes_is_told_at_once(here: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By news of the kernel: nobody looks again by himself."""
    monkeypatch.setattr("locald.adapters.containers.within.STILL", 1000.0)
    run = here.start("plain", command=f"{SERVE}; exec sleep 1000000", container_port=8080)
    await here.wait_for(Listens, lambda event: event.accepts)
    await here.containers.exec_check(run, "kill $(cat /tmp/pid)", 10)
    gone = await here.wait_for(Listens, lambda event: not event.accepts)
    assert gone.listeners == ()


async def test_a_listener_off_which_nobody_takes_connections_is_not_believed(here: Bench) -> None:
    """Workers may still be loading. Here it is the test itself that listens in the container's network."""
    spawned = await here.spawned("plain", command="exec sleep 1000000", container_port=8080)
    place = netns.Place(spawned.pid)
    (server,) = await asyncio.to_thread(place.sockets, [(socket.AF_INET, socket.SOCK_STREAM, 0)])
    with server:
        server.bind(("0.0.0.0", 8080))
        server.listen()
        await here.wait_for(Listens, lambda event: event.untaken > 0)
        assert not any(isinstance(event, Listens) and event.accepts for event in here.posted.events)

        connection, (caller, _) = await asyncio.get_running_loop().sock_accept(server)
        with connection:
            taken = await here.wait_for(Listens, lambda event: event.accepts)
    assert caller == "127.0.0.1"  # past the engine's proxy
    assert not taken.unproven
    assert taken.acceptor is not None
    assert taken.acceptor.pid == os.getpid()
    assert taken.listeners[0].owner == taken.acceptor  # no child of what else runs there


async def test_where_the_network_may_not_be_entered_what_listens_is_believed_and_that_is_told(
    here: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a user who may use the engine and is not root."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("locald.linux.netns.Place.sockets", refuse)
    monkeypatch.setattr("locald.adapters.containers.published.STILL", 0.05)
    run = here.start("plain", command=f"{SERVE}; exec sleep 1000000", container_port=8080)
    seen = await here.wait_for(Listens, lambda event: event.accepts)
    assert seen.unproven
    assert seen.listeners[0].owner.program == "nc"
    await here.containers.exec_check(run, "kill $(cat /tmp/pid)", 10)
    assert (await here.wait_for(Listens, lambda event: not event.accepts)).listeners == ()


@pytest.mark.parametrize("seen_from", ["within", "outside", "elsewhere"])
async def test_a_port_that_closed_while_no_daemon_looked_is_told(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen_from: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    if seen_from == "outside":
        monkeypatch.setattr("locald.linux.netns.Place.sockets", refuse)
    if seen_from == "elsewhere":
        monkeypatch.setattr("locald.adapters.containers.held.is_of_this_machine", lambda *_: False)
    async with bench(docker, tmp_path) as here:
        order = here.order("plain", command=f"{SERVE}; exec sleep 1000000", container_port=8080)
        async with here.daemon() as daemon:
            daemon.start(here.run(), order)
            await here.wait_for(Listens, lambda event: event.accepts)
        async with here.daemon() as daemon:
            daemon.adopt(here.run(), order)
            assert (await here.wait_for(Listens)).accepts  # and nothing else before
        await asyncio.to_thread(here.do_inside, "kill $(cat /tmp/pid)")
        async with here.daemon() as daemon:
            daemon.adopt(here.run(), order)
            closed = await here.wait_for(Listens)
            assert (closed.listeners, closed.accepts) == ((), False)
            await here.end(here.run())


async def test_a_listener_that_nobody_outside_can_reach_is_shown_as_it_is(here: Bench) -> None:
    here.start("plain", command="exec httpd -f -p 127.0.0.1:8080", container_port=8080)
    seen = await here.wait_for(Listens, lambda event: bool(event.listeners))
    assert [each.shown for each in seen.listeners] == ["127.0.0.1:8080"]
    assert not seen.accepts


async def test_where_processes_cannot_be_seen_a_connection_that_lasts_has_to_do(
    here: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with an engine in a virtual machine."""
    monkeypatch.setattr("locald.adapters.containers.held.is_of_this_machine", lambda *_: False)
    here.start("late")
    listens = await here.wait_for(Listens, lambda event: event.accepts)
    assert await here.printed_at("listening") < listens.at + A_MOMENT


async def test_the_port_inside_is_the_one_that_the_image_exposes(here: Bench) -> None:
    assert (await here.spawned("http", "a")).container_port == 8080
    assert (await here.spawned("http", "b", container_port=9090)).container_port == 9090
    assert (await here.spawned("plain", "c", command="exec sleep 1000000")).container_port is None


# A command inside.


async def test_a_command_is_run_inside_and_told_with_its_last_line(here: Bench) -> None:
    run = here.start("flip")
    await here.wait_for(Spawned)
    check = here.containers.exec_check
    assert await check(run, "test -f /tmp/ok && echo one && echo two", 10) == (
        True,
        "the health_check command exited with code 0: two",
    )
    assert await check(run, "echo bad >&2; exit 4", 10) == (
        False,
        "the health_check command exited with code 4: bad",
    )


async def test_a_command_that_takes_too_long_is_ended_with_what_it_started(here: Bench) -> None:
    run = here.start("plain", command="exec sleep 1000000")
    await here.wait_for(Spawned)
    began_at = time.monotonic()
    ok, detail = await here.containers.exec_check(run, "sleep 777 & echo waiting; sleep 777", 0.5)
    assert (ok, detail) == (False, "the health_check command did not end within 500ms: waiting")
    assert time.monotonic() - began_at < 5
    _, left = await here.containers.exec_check(run, "ps | grep -c '[s]leep 777'", 10)
    assert left == "the health_check command exited with code 1: 0"


async def test_a_command_in_a_container_that_is_gone_fails(here: Bench) -> None:
    run = here.start("crasher")
    await here.wait_for(Exited)
    await here.wait_for(Gone)
    ok, detail = await here.containers.exec_check(run, "true", 10)
    assert not ok
    assert "could not be started in the container" in detail


def _moment(text: str, here: Bench) -> float:
    """A moment of this machine's wall clock on the bench's clock."""
    wall = moment(text)
    assert wall is not None
    return here.clock.now() - (time.time() - wall)
