"""Daemons and engines come and go; containers stay what they are, and nobody else's are touched."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from engine.bench import PATIENCE, Bench, bench, served
from locald.adapters.containers import create
from locald.domain.lifecycle.messages import (
    Exited,
    Gone,
    Listens,
    Lost,
    Prepares,
    Resumed,
    Silenced,
    Spawned,
)
from locald.linux import procfs
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from engine.session import Docker, PrivateDocker

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

SLEEP = "exec sleep 1000000"


@pytest.fixture
async def here(docker: Docker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(docker, tmp_path) as made:
        yield made


# Another daemon.


async def test_a_running_container_is_adopted_and_never_made_again(here: Bench) -> None:
    order = here.order("http")
    async with here.daemon() as daemon:
        daemon.start(here.run(), order)
        first = await here.wait_for(Spawned)
        await here.wait_for(Listens)
    async with here.daemon() as daemon:
        daemon.adopt(here.run(), order, first.pid)
        second = await here.wait_for(Spawned)
        assert (second.container, second.pid, second.container_port) == (first.container, first.pid, 8080)
        assert second.at == pytest.approx(first.at, abs=0.05)
        assert (await here.wait_for(Listens)).accepts
        await here.end(here.run())


async def test_an_end_that_nobody_saw_is_told_to_the_next_daemon(here: Bench) -> None:
    order = here.order("plain", command="until test -e /tmp/go; do sleep 0.02; done; echo last; exit 7")
    async with here.daemon() as daemon:
        daemon.start(here.run(), order)
        spawned = await here.wait_for(Spawned)
    await asyncio.to_thread(here.do_inside, "touch /tmp/go")
    await here.until_not_running()
    async with here.daemon() as daemon:
        daemon.adopt(here.run(), order, spawned.pid)
        exited = await here.wait_for(Exited)
        assert (exited.pid, exited.exit.code) == (spawned.pid, 7)
        await here.wait_for(Gone)
    assert await here.lines() == ["last"]


async def test_a_container_that_is_not_there_any_more_is_lost(here: Bench) -> None:
    async with here.daemon() as daemon:
        daemon.adopt(here.run(), here.order("plain"))
        lost = await here.wait_for(Lost)
        assert "no longer exists" in lost.reason


async def test_a_container_that_was_made_and_not_started_is_removed_and_lost(here: Bench) -> None:
    body = {"Image": here.order("plain").image, "Labels": create.labels(here.run(), here.owner)}
    await asyncio.to_thread(here.api.post, "/containers/create", body)
    async with here.daemon() as daemon:
        daemon.adopt(here.run(), here.order("plain"))
        await here.wait_for(Lost)
        await here.until_nothing_is_left()


async def test_runs_that_nobody_knows_are_removed_and_those_of_others_are_not(
    here: Bench, docker: Docker, tmp_path: Path
) -> None:
    async with served(docker, tmp_path / "other") as other:
        theirs = await other.spawned("plain", command=SLEEP)
        async with here.daemon() as daemon:
            daemon.start(here.run("old"), here.order("plain", "old", command=SLEEP))
            old = await here.wait_for(Spawned)
        async with here.daemon() as daemon:
            daemon.start(here.run("new"), here.order("plain", "new", command=SLEEP))
            await here.wait_for(Spawned)
            assert not procfs.alive(old.pid)
            assert procfs.alive(theirs.pid)
            await here.end(here.run("new"))
            await here.until_nothing_is_left()


async def test_a_daemon_that_has_lost_its_state_removes_what_it_does_not_know(here: Bench) -> None:
    async with here.daemon() as daemon:
        daemon.start(here.run(), here.order("plain", command=SLEEP))
        await here.wait_for(Spawned)
    async with here.daemon() as daemon:
        daemon.tidy()
        await here.until_nothing_is_left()
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(here.engines_used):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_what_is_adopted_stays_when_the_rest_is_removed(here: Bench) -> None:
    order = here.order("plain", command=SLEEP)
    async with here.daemon() as daemon:
        daemon.start(here.run(), order)
        first = await here.wait_for(Spawned)
        daemon.start(here.run("other"), here.order("plain", "other", command=SLEEP))
        await here.wait_for(Spawned)
    async with here.daemon() as daemon:
        daemon.adopt(here.run(), order, first.pid)
        daemon.tidy()
        assert (await here.wait_for(Spawned)).container == first.container
        async with asyncio.timeout(PATIENCE):
            while any(  # noqa: ASYNC110
                "other" in name for name in await asyncio.to_thread(here.left)
            ):
                await asyncio.sleep(0.02)
        assert await asyncio.to_thread(here.engines_used), "there is one"
        await here.end(here.run())


async def test_what_an_earlier_run_left_does_not_keep_its_name(here: Bench) -> None:
    """A container of ours with the name, that came after the engine was tidied."""
    async with here.daemon() as daemon:
        await here.spawned("plain", "keeps-the-link", command=SLEEP)
        body = {
            "Image": here.order("plain").image,
            "Labels": create.labels(here.run(number=8), here.owner),
        }
        name = create.name(here.run().key)
        await asyncio.to_thread(here.api.post, "/containers/create", body, name=name)
        daemon.start(here.run(number=9), here.order("plain", command=SLEEP))
        spawned = await here.wait_for(Spawned)
        assert spawned.container == here.inspect()["Id"]


# Another engine.


async def test_an_engine_that_is_killed_is_told_within_a_second_and_the_truth_afterwards(
    private_docker: PrivateDocker, tmp_path: Path
) -> None:
    """This engine, when it starts again, ends the containers that went on without it."""
    async with served(private_docker, tmp_path) as here:
        await here.spawned("http")
        await here.wait_for(Listens)
        began_at = here.clock.now()
        await asyncio.to_thread(private_docker.kill)
        try:
            silenced = await here.wait_for(Silenced)
            assert silenced.at - began_at < 1
            assert "lost the connection" in silenced.detail
        finally:
            await asyncio.to_thread(private_docker.start)
        await here.wait_for(Resumed)
        await here.wait_for(Exited)
        await here.wait_for(Gone)
        await here.until_nothing_is_left()


async def test_an_engine_that_stops_ends_its_containers_and_is_used_again_when_it_is_back(
    private_docker: PrivateDocker, tmp_path: Path
) -> None:
    """It takes no new connections while it ends them, so the engine that is back tells of their end. Were it
    told before, the next run would be begun by half an engine, which may never start again."""
    async with served(private_docker, tmp_path) as here:
        await here.spawned("healthy")
        await asyncio.to_thread(private_docker.stop)
        try:
            assert "is not running" in (await here.wait_for(Silenced)).detail
            late = here.start("plain", "late", command=SLEEP)
            waits = await here.wait_for(Prepares)
            assert "waiting for the container engine to be back: the Docker Engine is not" in waits.detail
        finally:
            await asyncio.to_thread(private_docker.start)
        await here.wait_for(Resumed)
        await here.wait_for(Exited)
        await here.gone(here.run())
        await here.wait_for(Spawned, lambda event: event.run == late)
        await here.end(late)
        await here.until_nothing_is_left()


async def test_a_start_waits_for_an_engine_that_was_there_though_nothing_ran_on_it(
    private_docker: PrivateDocker, tmp_path: Path
) -> None:
    """As a service does that is started again after a while, when the engine is being upgraded."""
    async with served(private_docker, tmp_path) as here:
        await here.spawned("plain", command=SLEEP)
        await here.end(here.run())
        await asyncio.to_thread(private_docker.kill)
        try:
            again = here.start("plain", "again", command=SLEEP)
            await here.wait_for(Prepares)
            called_off = here.start("plain", "unwanted", command=SLEEP)
            await here.wait_for(Prepares, lambda event: event.run == called_off)
            here.containers.signal(called_off, 15)
            assert (await here.not_started(called_off)).startswith("stopped before it started")
        finally:
            await asyncio.to_thread(private_docker.start)
        await here.wait_for(Spawned, lambda event: event.run == again)
        await here.end(again)
        await here.until_nothing_is_left()


async def test_a_start_does_not_wait_for_ever(
    private_docker: PrivateDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locald.adapters.containers.held.BACK_WITHIN", 1.0)
    async with served(private_docker, tmp_path) as here:
        await here.spawned("plain", command=SLEEP)
        await here.end(here.run())
        await asyncio.to_thread(private_docker.kill)
        try:
            said = await here.not_started(here.start("plain", "again", command=SLEEP))
        finally:
            await asyncio.to_thread(private_docker.start)
        assert "the Docker Engine is not running" in said
        assert "systemctl start docker" in said


async def test_what_is_to_end_is_not_waited_for_when_an_engine_that_stopped_has_ended_it(
    private_docker: PrivateDocker, tmp_path: Path
) -> None:
    """What it left is removed when it is there again."""
    async with served(private_docker, tmp_path) as here:
        await here.spawned("healthy")
        await asyncio.to_thread(private_docker.stop)
        try:
            await here.wait_for(Silenced)
            here.containers.signal(here.run(), 15)
            await here.over()
            here.containers.forget(here.run())
        finally:
            await asyncio.to_thread(private_docker.start)
        await here.until_nothing_is_left()
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(here.engines_used):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_what_is_to_end_is_waited_for_while_it_lives_without_an_engine(
    private_docker: PrivateDocker, tmp_path: Path
) -> None:
    async with served(private_docker, tmp_path) as here:
        await here.spawned("healthy")
        await asyncio.to_thread(private_docker.kill)
        try:
            await here.wait_for(Silenced)
            here.containers.kill(here.run())
            with pytest.raises(TimeoutError):
                await here.posted.wait_for(Lost, timeout=2)
        finally:
            await asyncio.to_thread(private_docker.start)
        await here.over()


async def test_a_stop_says_soon_that_an_engine_hangs_and_is_carried_out_when_it_goes_on(
    private_docker: PrivateDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locald.adapters.containers.looking.SIGNALS_WITHIN", 0.5)
    async with served(private_docker, tmp_path) as here:
        await here.spawned("plain", command=SLEEP)
        await asyncio.to_thread(private_docker.freeze)
        try:
            here.containers.signal(here.run(), 15)
            assert "does not answer" in (await here.wait_for(Silenced)).detail
        finally:
            await asyncio.to_thread(private_docker.thaw)
        await here.wait_for(Resumed)
        assert (await here.wait_for(Exited)).exit.signal == 15
        await here.gone(here.run())
        await here.until_nothing_is_left()


async def test_a_run_is_adopted_from_an_engine_that_comes_later(
    private_docker: PrivateDocker, tmp_path: Path
) -> None:
    """After a start of the machine the daemon may be there before the engine."""
    async with bench(private_docker, tmp_path) as here:
        order = here.order("plain", command=SLEEP)
        async with here.daemon() as daemon:
            daemon.start(here.run(), order)
            await here.wait_for(Spawned)
        await asyncio.to_thread(private_docker.kill)
        try:
            async with here.daemon() as daemon:
                daemon.adopt(here.run(), order)
                await here.wait_for(Silenced)
                await asyncio.to_thread(private_docker.start)
                await here.wait_for(Resumed)
                await here.wait_for(Gone)
        finally:
            await asyncio.to_thread(private_docker.start_again)
