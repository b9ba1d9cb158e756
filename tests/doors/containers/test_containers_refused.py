"""What cannot be started: one sentence, a hint, and nothing half made is left."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from msgspec.structs import replace

from engine import images
from engine.bench import Bench, served
from engine.registry import Registry
from locald.adapters.containers.create import OWNER
from locald.adapters.containers.engine import Refusal, find
from locald.domain.lifecycle.messages import NotStarted, Prepares, Spawned
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from engine.session import Docker

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

SLEEP = "exec sleep 1000000"


@pytest.fixture
async def here(docker: Docker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with served(docker, tmp_path) as made:
        yield made
        await made.until_nothing_is_left()


@pytest.fixture
def registry(docker: Docker) -> Iterator[Registry]:
    with Registry() as made:
        yield made
    docker.api.send("DELETE", f"/images/{made.image}?force=1", None, "")


# The engine itself.


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a name that is short enough for sockets, which others may look into."""
    with tempfile.TemporaryDirectory(prefix="ld", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def refused(here: Bench, host: str) -> str:
    return await here.not_started(here.start("plain", shell={"DOCKER_HOST": host}))


async def test_no_engine(here: Bench) -> None:
    said = await refused(here, "unix:///nowhere/docker.sock")
    assert "the Docker Engine is not running: no such file: /nowhere/docker.sock" in said
    assert "start" in said.splitlines()[1]


async def test_no_engine_anywhere(here: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locald.wire.engines.DOCKER", "unix:///nowhere/docker.sock")
    monkeypatch.setattr("locald.wire.engines.PODMAN", "unix:///nowhere/podman.sock")
    run = here.start("plain", shell={"HOME": "/nowhere", "XDG_RUNTIME_DIR": "/nowhere"})
    said = await here.not_started(run)
    assert "no Docker Engine found on this machine" in said
    assert "install Docker Engine" in said


async def test_an_engine_that_has_ended_and_left_its_socket(here: Bench, short: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(short / "s"))
    said = await refused(here, f"unix://{short}/s")
    assert f"{short}/s: connection refused" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
async def test_no_permission_on_its_socket(here: Bench, short: Path) -> None:
    """Asked as another user, as a person who is not in the group."""
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(short / "s"))
        os.chmod(short / "s", 0o600)
        theirs.listen()
        os.seteuid(65534)
        try:
            said = await refused(here, f"unix://{short}/s")
        finally:
            os.seteuid(0)
    assert "no access to the Docker Engine" in said
    assert "usermod -aG docker" in said


async def test_what_answers_and_is_no_engine(here: Bench) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        said = await refused(here, f"tcp://127.0.0.1:{port}")
    assert "is not a container engine" in said


@pytest.mark.parametrize("host", ["nonsense", "ssh://somewhere", "ftp://x"])
async def test_an_address_that_leads_nowhere(here: Bench, host: str) -> None:
    said = await refused(here, host)
    assert host in said
    assert said.splitlines()[1]


# Images.


async def test_an_image_that_is_not_there_is_fetched_with_progress(here: Bench, registry: Registry) -> None:
    run = here.start(registry.image)
    first = await here.wait_for(Prepares)
    assert first.detail == f"fetching {registry.image}"
    await asyncio.to_thread(registry.waiting.wait, 20)
    half = await here.wait_for(Prepares, lambda event: "MB" in event.detail)
    assert "of 2 layers are there" in half.detail
    registry.gate.set()
    await here.wait_for(Spawned)
    await here.end(run)


async def test_a_registry_is_told_who_pulls(here: Bench, registry: Registry, tmp_path: Path) -> None:
    registry.login = "me:secret"
    registry.gate.set()
    here.start(registry.image)
    refused = await here.wait_for(NotStarted)
    assert "no basic auth credentials" in refused.reason
    auth = base64.b64encode(registry.login.encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    run = here.start(registry.image, "other", shell={**here.shell, "DOCKER_CONFIG": str(tmp_path)})
    await here.wait_for(Spawned)
    await here.end(run)


async def test_a_pull_can_be_called_off(here: Bench, registry: Registry) -> None:
    run = here.start(registry.image)
    await asyncio.to_thread(registry.waiting.wait, 20)
    here.containers.signal(run, signal.SIGTERM)
    stopped = await here.wait_for(NotStarted)
    assert stopped.reason == "stopped before it started"
    here.containers.forget(run)


async def test_a_pull_may_be_called_off_again_and_again(here: Bench, registry: Registry) -> None:
    run = here.start(registry.image)
    await asyncio.to_thread(registry.waiting.wait, 20)
    for _ in range(20):
        here.containers.signal(run, signal.SIGTERM)
        await asyncio.sleep(0)
    assert "stopped before it started" in await here.not_started(run)


async def test_an_image_that_its_registry_does_not_have(here: Bench, registry: Registry) -> None:
    for name in (f"{registry.host}/shelf:2", f"{registry.host}/nothing:1"):
        said = await here.not_started(here.start(name))
        assert f"no such image: {name}" in said
        assert "check the spelling" in said
        assert "docker login" in said


async def test_no_network(here: Bench) -> None:
    said = await here.not_started(here.start("127.0.0.1:1/postgres:16"))
    assert "its registry cannot be reached (connection refused)" in said
    assert "docker pull" in said


async def test_a_name_that_is_none(here: Bench) -> None:
    said = await here.not_started(here.start("NOT/Valid::1"))
    assert 'is not the name of an image\nlike "postgres:16"' in said


# Ports.


async def test_a_port_that_a_process_has(here: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        port = theirs.getsockname()[1]
        run = here.start("http", port=port)
        refused = await here.wait_for(NotStarted, lambda event: event.run == run)
        assert refused.is_port_taken
        here.containers.forget(run)
        said = f"{refused.reason}\n{refused.hint}"
    assert f"port {port} is already in use by pid {os.getpid()} (" in said
    assert "set another `port`" in said


async def test_a_port_that_another_container_has(here: Bench, docker: Docker, tmp_path: Path) -> None:
    async with served(docker, tmp_path / "other") as other:
        order = other.order("http", "web")
        other.containers.start(other.run("web"), order)
        await other.wait_for(Spawned)
        said = await here.not_started(here.start("http", port=order.definition.port))
    assert f"is already in use by the container locald-{other.project}-web" in said


async def test_a_port_of_the_machine_for_a_container_that_has_none(here: Bench) -> None:
    order = here.order("plain", command=SLEEP)
    spec = structs.replace(order.definition.spec, port=order.definition.port)
    run = here.run()
    here.containers.start(run, replace(order, definition=structs.replace(order.definition, spec=spec)))
    assert await here.not_started(run) == (
        f"{order.image} exposes no port\nset `container_port` to the port it listens on"
    )


# What is in the image, and what is to be mounted.


async def test_a_program_that_is_not_in_the_image(here: Bench) -> None:
    for command in (("nosuchprogram", "x"), ("/bin/nosuchprogram",)):
        said = await here.not_started(here.start("plain", command=command))
        assert f'has no program "{command[0]}"' in said
        assert "check `command`" in said


async def test_a_command_for_a_shell_in_an_image_without_one(here: Bench) -> None:
    await asyncio.to_thread(images.make_bare, here.api)
    said = await here.not_started(here.start(images.BARE, command="echo hello"))
    assert "has no /bin/sh" in said
    assert '["program", "argument"]' in said


async def test_a_folder_that_is_not_there(here: Bench) -> None:
    said = await here.not_started(here.start("plain", volumes=("./absent:/data",), command=SLEEP))
    absent = here.folder / "absent"
    assert said == f"{absent} in `volumes` does not exist\nrun `mkdir -p {absent}`, or correct the path"
    assert here.listed() == []


async def test_a_source_that_is_neither_a_folder_nor_a_name(here: Bench) -> None:
    said = await here.not_started(here.start("plain", volumes=("~/x:/data",), command=SLEEP))
    assert "neither a folder nor a name" in said
    assert "begin a folder with `./` or `/`" in said


# Names.


async def test_a_name_that_a_foreign_container_has(here: Bench) -> None:
    name = f"locald-{here.project}-db"
    await asyncio.to_thread(here.api.post, "/containers/create", {"Image": images.name("plain")}, name=name)
    try:
        said = await here.not_started(here.start("plain", command=SLEEP))
        assert f'the name "{name}" is already in use by a container outside locald' in said
        assert f"docker rm -f {name}" in said
        assert here.inspect()["Config"]["Labels"] == {}
    finally:
        await asyncio.to_thread(here.api.delete, f"/containers/{name}", force="1")


async def test_a_name_that_another_locald_has(here: Bench, docker: Docker, tmp_path: Path) -> None:
    async with served(docker, tmp_path / "other") as other:
        other.project = here.project
        theirs = await other.spawned("plain", command=SLEEP)
        said = await here.not_started(here.start("plain", command=SLEEP))
        assert "outside this locald" in said or "of another locald" in said
        assert here.inspect()["Id"] == theirs.container
        assert here.inspect()["Config"]["Labels"][OWNER] == other.owner


# What goes into a path.


@pytest.mark.parametrize("name", ["../../containers/json?all=1#", "../containers", "a//b", ".", ""])
async def test_no_name_makes_another_path_of_the_engines(docker: Docker, name: str) -> None:
    engine = await find({"DOCKER_HOST": docker.host})
    try:
        with pytest.raises(Refusal, match="not a path of names"):
            await engine.get(("images", *name.split("/"), "json"))
    finally:
        await engine.close()


@pytest.mark.parametrize("name", ["x?all=1#", "json?all=1#", "x/json?", "ü%2e%2e", "a b"])
async def test_a_name_is_asked_for_as_it_is(docker: Docker, name: str) -> None:
    engine = await find({"DOCKER_HOST": docker.host})
    try:
        with pytest.raises(Refusal) as refused:
            await engine.get(("containers", name, "json"))
    finally:
        await engine.close()
    assert refused.value.status in (400, 404)
    assert name in refused.value.message
