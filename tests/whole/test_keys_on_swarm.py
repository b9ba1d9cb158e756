"""Keys of `locald.toml` that a swarm carries out, or locald beside it, are shown to mean there what they mean
here. What is about order, names, volumes and tasks has tests of its own in test_swarm.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from engine.swarm import Swarm, swarm
from locald.adapters.caddy.program import Caddy, find
from locald.domain.project.config.keys import ServiceTable
from whole import test_swarm
from whole.harbour import image
from whole.looking import is_healthy
from whole.machine import Machine, free_port, wait_for
from whole.showing import shown_by, shows
from whole.test_keys import size_of
from whole.test_proxy import Proxied

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["swarm"]

pytestmark = pytest.mark.timeout(300)
PATIENCE = test_swarm.PATIENCE
ELSEWHERE = {
    "type": "test_swarm: a task runs as a job",
    "image": "every test",
    "depends_on": "test_swarm: in its order",
    "kill_mode": "of the main process, as `mixed` asks for",
    "watchdog": "lost",
    "workdir": "lost",
    "tty": "output is a pipe",
    "shared": "each instance has its own",
    "usage": "of processes of this machine",
}
LOOP = "while :; do sleep 0.1; done"
PORT = free_port()
FILE = f"""
[services.web]
{image("http")}container_port = 8080
port = {PORT}
command = "echo $A $FROM_FILE $PORT; exec httpd -f -p 8080 -h /www"
env = {{ A = "1" }}
env_file = ["more.env"]
health_check = {{ type = "http", path = "/", interval = "300ms" }}
volumes = ["data:/data"]
[services.tcp]
{image("http")}container_port = 8080
health_check = {{ type = "tcp", interval = "300ms" }}
[services.command]
{image("plain")}command = "touch /tmp/ok; {LOOP}"
health_check = {{ type = "command", command = "test -e /tmp/ok", interval = "300ms" }}
[services.slow]
{image("plain")}command = "{LOOP}"
start_timeout = "3s"
health_check = {{ type = "command", command = "false", interval = "300ms", retries = 100 }}
[services.often]
{image("plain")}command = "sleep 1; exit 1"
restart = "on-failure"
max_restarts = 1
[services.hears]
{image("plain")}command = "trap 'echo heard; exit 0' USR1; echo begun; {LOOP}"
stop_signal = "SIGUSR1"
[services.hasty]
{image("plain")}command = "trap '' TERM; echo deaf; {LOOP}"
stop_timeout = "1s"
[services.input]
{image("plain")}command = "cat; echo over; {LOOP}"
stdin = "open"
[services.watching]
{image("plain")}command = "{LOOP}"
watch = ["*.src"]
[services.small]
{image("plain")}command = "i=0; while test $i -lt 6000; do echo $i {"." * 200}; i=$((i+1)); done; {LOOP}"
log_size = "200KB"
[services.left]
{image("plain")}command = "{LOOP}"
autostart = false
"""


@pytest.fixture(scope="module")
def fleet(swarm: Swarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """All of it, up for all the tests."""
    swarm.only_on(swarm.manager)
    made = Machine(tmp_path_factory.mktemp("fleet"))
    made.env["DOCKER_HOST"] = swarm.manager.host
    made.file("more.env", "FROM_FILE=yes\n")
    made.file("one.src", "one")
    made.write(FILE, name=made.name)
    done = made.locald("up", "--on", "swarm", "-d", timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    made.until_all(lambda rows: all(map(_has_come_to_rest, rows.values())), PATIENCE)
    yield made
    made.locald("down", timeout=PATIENCE)
    made.close()
    assert swarm.services(made.name) == []
    wait_for(lambda: swarm.networks(made.name) == [], "its network is gone", PATIENCE)


def _has_come_to_rest(row: dict[str, Any]) -> bool:
    if row["name"] in ("slow", "often"):
        return bool(row["state"] == "failed")
    return is_healthy(row) or row["state"] == "stopped"


@shows("port", "container_port", "env", "env_file", "command", "volumes")
def test_a_server_has_its_port_its_variables_and_its_volume(fleet: Machine, swarm: Swarm) -> None:
    assert fleet.status()["web"]["port"] == PORT
    wait_for(lambda: fleet.printed("web")[:1] == ["1 yes 8080"], "what it was given", PATIENCE)
    (mount,) = swarm.tasks(f"locald-{fleet.name}-web")[0]["Spec"]["ContainerSpec"]["Mounts"]
    assert (mount["Type"], mount["Target"]) == ("volume", "/data")
    told = fleet.locald("exec", "web", "--", "sh", "-c", "echo $A; test -d /data && echo there")
    assert told.stdout.split() == ["1", "there"], told.stderr


@shows("health_check", "start_timeout")
def test_checks_say_when_it_is_healthy_and_a_start_has_its_limit(fleet: Machine) -> None:
    rows = fleet.status()
    kinds = {"web": "http", "tcp": "tcp", "command": "command"}
    assert {name: (rows[name]["source"], rows[name]["check"]) for name in kinds} == {
        name: ("explicit", kind) for name, kind in kinds.items()
    }
    assert (rows["slow"]["state"], "3s" in rows["slow"]["because"]) == ("failed", True)


@shows("restart", "max_restarts")
def test_the_swarm_starts_it_as_often_as_the_file_says(fleet: Machine) -> None:
    row = fleet.status()["often"]
    assert (row["run"], row["restarts"]) == (1, 1)


@shows("stop_signal", "stop_timeout")
def test_they_are_stopped_by_their_signal_in_their_time(fleet: Machine) -> None:
    for name, line in (("hears", "begun"), ("hasty", "deaf")):
        first_line(fleet, name, line)
    assert fleet.locald("stop", "hears", "hasty", timeout=PATIENCE).returncode == 0
    assert fleet.printed("hears") == ["begun", "heard"]
    assert fleet.status()["hasty"]["state"] == "stopped"


def first_line(fleet: Machine, service: str, line: str) -> None:
    wait_for(lambda: fleet.printed(service) == [line], f"the first line of {service}", PATIENCE)


@shows("stdin", "autostart")
def test_input_stays_open_and_what_is_left_out_is_not_there(fleet: Machine, swarm: Swarm) -> None:
    assert fleet.printed("input") == []
    assert f"locald-{fleet.name}-left" not in swarm.services(fleet.name)


@shows("watch")
def test_a_change_of_a_file_restarts_it(fleet: Machine) -> None:
    while fleet.status()["watching"]["run"] == 1:
        fleet.file("one.src", "two")
    assert fleet.why("watching")["cause"] == "one.src changed"


@shows("log_size")
def test_the_history_is_bounded(fleet: Machine) -> None:
    wait_for(
        lambda: any(line.startswith("5999 ") for line in fleet.printed("small", "-n", "100")),
        "its last line",
        PATIENCE,
    )
    assert size_of(fleet.home / "logs" / fleet.name / "small") < 300_000


@pytest.mark.skipif(not isinstance(find(), Caddy), reason="needs Caddy")
@shows("domains", "on_demand", "idle_timeout")
def test_the_first_request_to_its_name_starts_it_and_it_ends_when_none_comes(
    swarm: Swarm, tmp_path_factory: pytest.TempPathFactory
) -> None:
    swarm.only_on(swarm.manager)
    with closing(Machine(tmp_path_factory.mktemp("proxied"))) as made:
        made.env["DOCKER_HOST"] = swarm.manager.host
        made.write(
            f'[services.web]\n{image("http")}domains = ["more.{made.name}.localhost"]\non_demand = true\n'
            'idle_timeout = "1s"\n',
            name=made.name,
        )
        proxy = Proxied(made)
        done = made.locald("up", "--on", "swarm", timeout=PATIENCE)
        assert "web: stopped (on demand)" in done.stderr
        proxy.ready()
        assert swarm.services(made.name) == []
        wait_for(lambda: proxy.ask(f"more.{made.name}.localhost")[0] == 200, "its page", PATIENCE)
        row = made.until("web", lambda row: row["state"] == "stopped", PATIENCE)
        assert row["because"] == "stopped, no request for 1s"
        made.locald("down", timeout=PATIENCE)
        assert swarm.services(made.name) == []


def test_every_key_is_shown_on_a_swarm_or_said_not_to_be() -> None:
    assert shown_by(sys.modules[__name__]) | ELSEWHERE.keys() == ServiceTable.keys.keys()
