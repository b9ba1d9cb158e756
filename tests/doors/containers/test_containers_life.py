"""A container's life, from its order to nothing being left, against a real engine."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from engine.bench import Bench, served
from locald.adapters.containers import create
from locald.domain.lifecycle.messages import Exited, Gone, Lost, NotStarted, Spawned
from locald.linux import procfs
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from engine.session import Docker
    from locald.domain.project.names import Run

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

MOMENTS = 15
"""in which a run is called off"""
SLEEP = "exec sleep 1000000"


@pytest.fixture
async def here(docker: Docker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with served(docker, tmp_path) as made:
        yield made


async def test_a_started_container_is_told_with_its_id_and_its_first_process(here: Bench) -> None:
    began_at = here.clock.now()
    spawned = await here.spawned("plain", command=SLEEP)
    assert spawned.container == here.inspect()["Id"]
    assert procfs.alive(spawned.pid)
    assert began_at <= spawned.at <= here.clock.now()


async def test_it_carries_labels_a_name_and_an_init(here: Bench) -> None:
    await here.spawned("plain", command=SLEEP)
    found = here.inspect()
    assert found["Config"]["Labels"] == create.labels(here.run(), here.owner)
    assert found["HostConfig"]["Init"]


async def test_it_gets_the_environment_of_its_order_and_no_other(here: Bench) -> None:
    os.environ["LOCALD_TEST_OF_THE_DAEMON"] = "1"
    try:
        run = here.start("plain", command="env", env={"GREETING": "a b\nc", "EMPTY": ""}, container_port=7000)
        await here.wait_for(Gone)
    finally:
        del os.environ["LOCALD_TEST_OF_THE_DAEMON"]
    lines = await here.lines(run.key.service)
    assert {"GREETING=a b", "c", "EMPTY=", "PORT=7000"} <= set(lines)
    assert not any("TEST_OF_THE_DAEMON" in line for line in lines)


async def test_a_list_is_run_as_it_is_and_a_string_by_the_shell(here: Bench) -> None:
    here.start("plain", "list", command=("echo", "$HOME", "a  b"))
    here.start("plain", "string", command="echo $((6 * 7))")
    await here.wait_for(Gone)
    await here.wait_for(Gone)
    assert await here.lines("list") == ["$HOME a  b"]
    assert await here.lines("string") == ["42"]


async def test_sigterm_ends_even_a_program_that_handles_nothing(here: Bench) -> None:
    """The init passes it on; a first process without a handler would never get it."""
    spawned = await here.spawned("plain", command=SLEEP)
    here.containers.signal(here.run(), signal.SIGTERM)
    exited = await here.wait_for(Exited)
    assert (exited.pid, exited.exit.signal, exited.left) == (spawned.pid, signal.SIGTERM, 0)
    await here.wait_for(Gone)


async def test_what_ignores_sigterm_is_killed(here: Bench) -> None:
    run = here.start("plain", command="trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done")
    await here.wait_for_line("ready")
    here.containers.signal(run, signal.SIGTERM)
    await here.wait_for_line("no")
    here.containers.kill(run)
    assert (await here.wait_for(Exited)).exit.shown == 137
    await here.wait_for(Gone)


async def test_a_container_that_ends_is_removed_with_its_anonymous_volumes(here: Bench) -> None:
    volumes = {each["Name"] for each in here.api.get("/volumes")["Volumes"] or ()}
    here.start("plain", command="true")
    await here.wait_for(Spawned)
    assert (await here.wait_for(Exited)).exit.code == 0
    await here.wait_for(Gone)
    await here.until_nothing_is_left()
    assert {each["Name"] for each in here.api.get("/volumes")["Volumes"] or ()} <= volumes


async def test_the_exit_code_is_told_once_and_then_that_it_is_gone(here: Bench) -> None:
    run = here.start("crasher")
    assert (await here.wait_for(Exited)).exit.code == 3
    await here.wait_for(Gone)
    here.containers.forget(run)
    assert await here.lines() == ["about to crash"]
    assert here.posted.events == []


async def test_a_kill_for_lack_of_memory_says_so(here: Bench) -> None:
    command = "until test -e /tmp/go; do sleep 0.02; done; exec tail /dev/zero"
    spawned = await here.spawned("plain", command=command)
    limit = {"Memory": 16_000_000, "MemorySwap": 16_000_000}
    await asyncio.to_thread(here.api.post, f"/containers/{spawned.container}/update", limit)
    await here.containers.exec_check(here.run(), "touch /tmp/go", 10)
    exited = await here.wait_for(Exited)
    assert (exited.exit.shown, exited.exit.reason) == (137, "out of memory")


async def test_a_removal_by_somebody_else_ends_the_run(here: Bench) -> None:
    spawned = await here.spawned("plain", command=SLEEP)
    await asyncio.to_thread(here.api.delete, f"/containers/{spawned.container}", force="1")
    await here.wait_for(object, lambda event: isinstance(event, Gone | Lost))


async def test_what_is_stopped_before_it_began_never_begins(here: Bench) -> None:
    run = here.start("plain", command=SLEEP)
    await asyncio.sleep(0)
    here.containers.signal(run, signal.SIGTERM)
    refused = await here.wait_for(NotStarted)
    assert refused.reason == "stopped before it started"
    await here.until_nothing_is_left()


def is_over(run: Run, event: object) -> bool:
    return isinstance(event, NotStarted | Gone) and event.run == run


async def test_what_is_stopped_at_any_moment_of_its_beginning_leaves_nothing(here: Bench) -> None:
    """Also while the engine makes the container, whose answer nobody reads then."""
    began = here.clock.now()
    await here.spawned("plain", "first", command=SLEEP)
    took = here.clock.now() - began
    for number in range(MOMENTS):
        run = here.start("plain", f"called-off-{number}", command=SLEEP)
        await asyncio.sleep(took * number / MOMENTS)
        here.containers.signal(run, signal.SIGKILL)
        await here.wait_for(object, partial(is_over, run))
    assert [name for name in await asyncio.to_thread(here.left) if "called-off" in name] == []


async def test_the_containers_of_a_project_meet_by_name(here: Bench) -> None:
    await here.spawned("http", "web")
    here.start("plain", "client", command="until timeout 5 wget -q -O - http://web:8080; do sleep .1; done")
    assert "hello from a test image" in await here.wait_for_line("hello from a test image", "client")


async def test_a_container_that_was_alone_meets_those_that_come_later(here: Bench) -> None:
    run = here.run("web")
    here.containers.start(run, replace(here.order("http", "web"), is_alone=True))
    await here.wait_for(Spawned)
    assert create.network(here.project) not in here.left()
    here.start("plain", "client", command="until wget -q -O - http://web:8080/; do sleep 0.05; done")
    await here.wait_for_line("hello from a test image", "client")


async def test_other_projects_are_in_another_network(here: Bench, docker: Docker, tmp_path: Path) -> None:
    await here.spawned("http", "web")
    async with served(docker, tmp_path / "other") as other:
        other.start("plain", "client", command="timeout 5 wget -q -O - http://web:8080/")
        assert (await other.wait_for(Exited)).exit.shown != 0


async def test_the_network_goes_with_the_last_container(here: Bench) -> None:
    first, second = (
        await here.spawned("plain", "a", command=SLEEP),
        await here.spawned("plain", "b", command=SLEEP),
    )
    await here.end(first.run)
    assert create.network(here.project) in here.left()
    await here.end(second.run)
    await here.until_nothing_is_left()


async def test_a_container_reaches_what_listens_on_this_machine(here: Bench) -> None:
    gate = await asyncio.start_server(_greet, "0.0.0.0", 0)
    port = gate.sockets[0].getsockname()[1]
    async with gate:
        asks = f"nc -w 2 host.docker.internal {port} < /dev/null | grep hello"
        here.start("plain", command=f"until {asks}; do sleep 0.1; done")
        assert "hello from the machine" in await here.wait_for_line("hello from the machine")


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello from the machine\n")
    await writer.drain()
    writer.close()


async def test_folders_of_the_project_and_named_volumes_are_there(here: Bench) -> None:
    here.folder.joinpath("data").mkdir()
    here.folder.joinpath("data", "in").write_text("from outside\n")
    volumes = ("./data:/data", "kept:/kept", "./data:/again:ro")
    here.start(
        "plain",
        volumes=volumes,
        command="cat /data/in; echo mine > /data/out; echo mine > /kept/it; > /again/x",
    )
    assert (await here.wait_for(Exited)).exit.code != 0  # what is read only cannot be written
    await here.wait_for(Gone)
    here.containers.forget(here.run())
    assert here.folder.joinpath("data", "out").read_text() == "mine\n"
    second = here.run(number=2)
    here.containers.start(second, here.order("plain", volumes=volumes, command="cat /kept/it"))
    await here.wait_for(Gone)
    assert (await here.lines())[-1] == "mine"
    await asyncio.to_thread(here.api.delete, f"/volumes/locald_{here.project}_kept")
