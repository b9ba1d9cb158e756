"""Containers as people use them: the whole program with a real Docker Engine, one test for each image."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from engine.session import PrivateDocker
from whole.harbour import harbour, image, write
from whole.machine import Machine, free_port, wait_for
from whole.showing import shows
from whole.test_watch import folders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.session import Docker

__all__ = ["harbour"]

SLEEP = 'command = ["sleep", "1000000"]'


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_the_images_own_healthcheck_says_when_it_is_healthy(harbour: Machine) -> None:
    write(harbour, f"[services.db]\n{image('healthy')}")
    db = harbour.up()["db"]

    assert (db["health"], db["source"], db["fallback"]) == ("healthy", "docker", False)
    assert db["type"] == "container"
    assert len(db["container"]) == 64
    assert "hello" in get(db["url"])
    evidence = harbour.why("db")["evidence"]
    assert next(each["ok"] for each in evidence if each["source"] == "docker") is True


def test_a_failing_healthcheck_is_told_with_its_reason(harbour: Machine) -> None:
    write(harbour, f'[services.db]\n{image("unhealthy")}start_timeout = "3s"\n')
    done = harbour.locald("up")

    assert done.returncode == 1
    assert "no store to be reached" in done.stderr
    assert harbour.status()["db"]["state"] == "failed"


def test_a_container_without_a_healthcheck_is_healthy_when_it_listens_itself(harbour: Machine) -> None:
    """docker-proxy accepts connections a second before anything listens inside: it is not believed."""
    write(harbour, f"[services.db]\n{image('late')}")
    db = harbour.up()["db"]

    assert (db["health"], db["source"], db["fallback"]) == ("healthy", "tcp", True)
    said = harbour.logs("db")
    assert said.index("listening") < next(i for i, line in enumerate(said) if line.startswith("healthy"))


def test_a_container_with_nothing_to_look_at_is_healthy_while_it_lives(harbour: Machine) -> None:
    write(harbour, f"[services.db]\n{image('plain')}{SLEEP}\n")
    db = harbour.up()["db"]
    assert (db["health"], db["source"], db["fallback"], db["port"]) == ("healthy", "process", True, None)
    for end in ("stop", "down"):
        harbour.locald(end)
        assert (harbour.status()["db"]["port"], harbour.status()["db"]["url"]) == (None, None)


def test_health_follows_the_image_down_and_up_again(harbour: Machine, docker: Docker) -> None:
    write(harbour, f"[services.db]\n{image('flip')}")
    db = harbour.up()["db"]
    inside(docker, db["container"], "rm /tmp/ok")
    harbour.until("db", lambda row: row["health"] == "unhealthy" and row["source"] == "docker")
    inside(docker, db["container"], "touch /tmp/ok")
    assert harbour.until("db", lambda row: row["health"] == "healthy")["run"] == 1


def test_a_paused_container_is_unhealthy_until_it_is_unpaused(harbour: Machine, docker: Docker) -> None:
    write(harbour, f"[services.db]\n{image('plain')}{SLEEP}\n")
    db = harbour.up()["db"]
    docker.api.post(f"/containers/{db['container']}/pause")
    paused = harbour.until("db", lambda row: row["health"] == "unhealthy")
    assert (paused["state"], paused["because"]) == ("running", "the container is paused: nothing in it runs")
    assert harbour.why("db")["hints"] == [f"run `docker unpause {db['container'][:12]}` to let it go on"]

    docker.api.post(f"/containers/{db['container']}/unpause")
    assert harbour.until("db", lambda row: row["health"] == "healthy")["run"] == 1

    docker.api.post(f"/containers/{db['container']}/pause")
    harbour.until("db", lambda row: row["health"] == "unhealthy")
    assert harbour.locald("stop", "db").returncode == 0
    assert harbour.status()["db"]["because"] == "stopped by user"


def test_a_container_that_crashes_is_restarted_and_then_has_failed(harbour: Machine) -> None:
    write(harbour, f"[services.db]\n{image('crasher')}max_restarts = 1\n")
    harbour.locald("up", "-d")
    db = harbour.until("db", lambda row: row["state"] == "failed")

    assert (db["exit_code"], db["run"]) == (3, 2)
    assert harbour.logs("db").count("about to crash") == 2


def test_a_command_in_a_container_finds_another_by_its_name(harbour: Machine) -> None:
    """A string and a list, by the address that only the project's own network knows."""
    address = "http://${services.web.host}:${services.web.port}/"
    write(
        harbour,
        f"[services.web]\n{image('http')}container_port = 8080\n"
        f'[services.line]\n{image("plain")}depends_on = ["web"]\n'
        f'command = "wget -qO- {address} && echo asked {address} && exec sleep 1000"\n'
        f'[services.words]\n{image("plain")}depends_on = ["web"]\n'
        f'command = ["sh", "-c", "echo $0; exec sleep 1000", "{address}"]\n',
    )
    harbour.up()
    assert harbour.printed("line")[-1] == "asked http://web:8080/"
    assert harbour.printed("words") == ["http://web:8080/"]


def test_explicit_checks_work_as_for_processes_and_a_command_runs_inside(harbour: Machine) -> None:
    write(
        harbour,
        f'[services.web]\n{image("http")}health_check = {{ type = "http", path = "/" }}\n'
        f'[services.db]\n{image("plain")}command = "sleep 0.3; touch /tmp/here; exec sleep 1000"\n'
        'health_check = "test -f /tmp/here"\n',
    )
    rows = harbour.up()
    assert (rows["web"]["source"], rows["web"]["check"]) == ("explicit", "http")
    assert (rows["db"]["source"], rows["db"]["check"]) == ("explicit", "command")


@pytest.mark.skipif(not shutil.which("docker"), reason="there is no docker command")
def test_exec_runs_a_command_inside_of_the_container(harbour: Machine) -> None:
    write(harbour, f'[services.db]\n{image("plain")}{SLEEP}\nenv = {{ SAID = "hello" }}\n')
    harbour.up()
    done = harbour.locald(
        "exec", "db", "--", "sh", "-c", "cat; echo $SAID; echo err >&2; exit 7", input="in "
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "in hello\n", "err\n")

    harbour.locald("stop")
    assert "db is not running" in harbour.locald("exec", "db", "--", "true").stderr


def test_a_process_reaches_a_container_and_a_container_another(harbour: Machine) -> None:
    asks = f"{sys.executable} -c 'import os,urllib.request as u; print(u.urlopen(os.environ[\"DB\"]).read())'"
    write(
        harbour,
        f"[services.db]\n{image('http')}container_port = 8080\n"
        f"[services.api]\ntype = \"task\"\ncommand = '''{asks}'''\n"
        'env = { DB = "${services.db.url}" }\n'
        'depends_on = ["db"]\n'
        f"[services.peer]\n{image('plain')}"
        'command = "wget -q -O - http://$DB/; echo PORT of it is $PORT_DB; exec sleep 1000"\n'
        'env = { DB = "${services.db.host}:${services.db.port}" }\ndepends_on = ["db"]\n',
    )
    harbour.up()
    assert any("hello" in line for line in harbour.logs("api"))
    wait_for(lambda: any("hello" in line for line in harbour.logs("peer")), "an answer from db")
    wait_for(lambda: "PORT of it is 8080" in harbour.logs("peer"), "the port of db")


@shows("image", "type=container", "container_port")
def test_container_port_is_the_one_inside_that_is_published(harbour: Machine) -> None:
    """The image exposes none: without the key there is nothing to publish, or to look at but life."""
    serve = 'command = "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 9000 -h /www"\n'
    write(
        harbour,
        f"[services.told]\n{image('plain')}container_port = 9000\n{serve}"
        f"[services.untold]\n{image('plain')}{serve}",
    )
    rows = harbour.up()
    assert {row["type"] for row in rows.values()} == {"container"}
    assert (rows["told"]["source"], rows["untold"]["source"]) == ("tcp", "process")
    assert get(rows["told"]["url"]) == "hello\n"
    assert rows["untold"]["port"] is None


@shows("volumes")
def test_volumes_are_relative_to_the_project_and_data_outlives_the_container(harbour: Machine) -> None:
    (harbour.folder / "data").mkdir()
    write(
        harbour,
        f'[services.db]\n{image("plain")}volumes = ["./data:/data"]\n'
        'command = "echo run >> /data/runs; exec sleep 1000"\n',
    )
    harbour.up()
    assert harbour.locald("restart", "db").returncode == 0
    assert (harbour.folder / "data" / "runs").read_text() == "run\nrun\n"


def test_containers_outlive_the_daemon_and_are_adopted(harbour: Machine) -> None:
    write(harbour, f"[services.db]\n{image('healthy')}")
    before = harbour.up()["db"]
    harbour.kill_daemon()

    harbour.status()  # starts the next daemon
    after = harbour.until("db", lambda row: row["health"] == "healthy")
    assert (after["container"], after["run"]) == (before["container"], 1)
    assert harbour.locald("stop").returncode == 0
    assert harbour.status()["db"]["state"] == "stopped"


@pytest.mark.parametrize("goes", [PrivateDocker.kill, PrivateDocker.stop])
def test_an_engine_that_goes_away_and_comes_back_is_told_of_and_takes_nothing_down(
    tmp_path: Path, private_docker: PrivateDocker, goes: Callable[[PrivateDocker], None]
) -> None:
    machine = Machine(tmp_path / "harbour")
    machine.env["DOCKER_HOST"] = private_docker.host
    try:
        write(
            machine,
            f'[services.db]\n{image("flip")}\n[services.web]\ntype = "worker"\n{SLEEP}\n',
        )
        before = machine.up()
        goes(private_docker)
        machine.until("db", lambda row: row["health"] == "unhealthy" and "ngine" in row["because"])
        assert machine.status()["web"]["pid"] == before["web"]["pid"]
        private_docker.start()
        after = machine.until("db", lambda row: row["health"] == "healthy" and row["source"] == "docker")
        assert machine.status()["web"]["health"] == "healthy"
        assert after["run"] >= 1
    except BaseException:
        private_docker.start_again()
        raise
    finally:
        machine.close()


def test_an_engine_that_was_stopped_keeps_nobody_from_stopping_what_it_has_ended(
    tmp_path: Path, private_docker: PrivateDocker
) -> None:
    machine = Machine(tmp_path / "harbour")
    machine.env["DOCKER_HOST"] = private_docker.host
    try:
        write(machine, f"[services.db]\n{image('flip')}")
        machine.up()
        private_docker.stop()
        machine.until("db", lambda row: row["health"] == "unhealthy")
        assert machine.locald("down").returncode == 0
    finally:
        try:
            private_docker.start_again()
        finally:
            machine.close()
        private_docker.api.remove_labelled(f"locald.project={machine.name}")


def test_what_is_wrong_with_a_container_is_one_sentence_with_a_hint(harbour: Machine) -> None:
    write(
        harbour,
        '[services.nowhere]\nimage = "locald-test/nowhere:1"\n'
        f'[services.command]\n{image("plain")}command = ["nosuchprogram"]\nrestart = "no"\n'
        f'[services.volume]\n{image("plain")}volumes = ["./absent:/data"]\n{SLEEP}\n',
    )
    done = harbour.locald("up")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    rows = harbour.status()
    assert {row["state"] for row in rows.values()} == {"failed"}
    assert "nosuchprogram" in rows["command"]["because"]
    assert "absent" in rows["volume"]["because"]
    for name in rows:
        assert harbour.why(name)["hints"]


def test_a_port_that_another_container_has_is_told_by_its_name_or_with_a_way_to_it(
    harbour: Machine, docker: Docker
) -> None:
    port, name = free_port(), f"{harbour.name}-other"
    bound = {"PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}}
    docker.api.post("/containers/create", {"Image": "locald-test/http:1", "HostConfig": bound}, name=name)
    docker.api.post(f"/containers/{name}/start")
    try:
        write(harbour, f"[services.db]\n{image('http')}port = {port}\n")
        assert harbour.locald("up").returncode == 1
        assert harbour.status()["db"]["because"] == f"port {port} is already in use by the container {name}"

        write(harbour, f'[services.web]\ncommand = "exec sleep 1000"\nport = {port}\n')
        assert harbour.locald("up").returncode == 1
        assert harbour.status()["web"]["because"].endswith("for a container")
        assert f"docker ps --filter publish={port}" in harbour.why("web")["hints"][0]
    finally:
        docker.api.delete(f"/containers/{name}", force="1")


def test_an_assigned_port_that_another_container_has_gives_way_to_another(
    harbour: Machine, docker: Docker
) -> None:
    write(harbour, f"[services.db]\n{image('http')}")
    given, name = harbour.up()["db"]["port"], f"{harbour.name}-other"
    harbour.locald("stop")
    bound = {"PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(given)}]}}
    docker.api.post("/containers/create", {"Image": "locald-test/http:1", "HostConfig": bound}, name=name)
    docker.api.post(f"/containers/{name}/start")
    try:
        assert harbour.locald("restart").returncode == 0
        row = harbour.status()["db"]
        assert (row["port"] != given, row["health"], row["run"]) == (True, "healthy", 3)
    finally:
        docker.api.delete(f"/containers/{name}", force="1")


def test_a_pull_that_fails_is_told_and_leaves_nothing(harbour: Machine) -> None:
    write(harbour, '[services.db]\nimage = "127.0.0.1:1/absent:1"\n')
    done = harbour.locald("up", "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["services"][0]["state"] == "failed"
    assert "hint: " in done.stderr


def inside(docker: Docker, container: str, command: str) -> None:
    """Run a command in a container, and do not wait for it."""
    made = docker.api.post(f"/containers/{container}/exec", {"Cmd": ["sh", "-c", command]})
    docker.api.post(f"/exec/{made['Id']}/start", {"Detach": True})


def test_a_file_that_is_mounted_into_a_container_restarts_it(harbour: Machine) -> None:
    """What is watched is the file here; the next run sees it changed."""
    (harbour.folder / "conf").mkdir()
    harbour.file("conf/app.conf", "one\n")
    command = 'command = ["sh", "-c", "cat /conf/app.conf; exec sleep 1000000"]'
    mounts = 'volumes = ["./conf:/conf:ro"]\nwatch = ["conf"]\nstop_timeout = "1s"'
    write(harbour, f"[services.db]\n{image('plain')}{command}\n{mounts}\n")
    harbour.up()
    wait_for(lambda: folders(harbour.daemon_pid()), "a watched folder")
    harbour.file("conf/app.conf", "two\n")
    harbour.until("db", lambda row: row["run"] == 2 and row["health"] == "healthy", 60)
    assert harbour.printed("db") == ["one", "two"]
    assert harbour.why("db")["cause"] == "conf/app.conf changed"
