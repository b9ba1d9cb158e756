"""Each key of `locald.toml` is shown to mean on a real systemd what it means here.

One project has a service for each key, or for a few; all of them are brought up once. What is about
containers is shown elsewhere: they stay with the engine of this machine.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from locald.adapters.caddy.program import Caddy, find
from locald.domain.project.config.keys import ServiceTable
from whole import programs
from whole.looking import at, is_healthy
from whole.machine import wait_for
from whole.own_systemd import Boxed, OwnSystemd, is_there
from whole.showing import shown_by, shows
from whole.test_keys import size_of, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not is_there(), reason="needs systemd, a bus, and the rights to begin them")

OF_CONTAINERS = {"image", "volumes", "container_port"}
SERVE = "exec python3 -u -m http.server $PORT --bind 127.0.0.1"
LOOK = "test -t 1 && echo terminal || echo pipe"
LOOP = "while :; do sleep 0.05; done"
READY = programs.command('notify("READY=1"); stay()')
REDIS = programs.command(
    """listener = listen(accept=False)
while True:
    connection, _ = listener.accept()
    with connection:
        if connection.recv(100):
            connection.sendall(b"+PONG\\r\\n")
"""
)
DEAF = programs.command('ignore_term(); print("deaf", flush=True); stay()')
FLOOD = programs.command("for each in range(6000): print(each, '.' * 200)")
FILE = f"""
[services.web]
command = "pwd; env; {SERVE}"
port = 18201
workdir = "sub"
env = {{ A = "1 %n $B", URL = "${{services.tcp.url}}" }}
env_file = ["more.env"]
health_check = {{ type = "http", path = "/", interval = "100ms" }}
usage = "always"
[services.tcp]
command = "{SERVE}"
health_check = {{ type = "tcp" }}
[services.redis]
command = {REDIS}
health_check = {{ type = "redis" }}
[services.log]
type = "worker"
command = "echo now serving; {LOOP}"
health_check = {{ type = "log", pattern = "serving" }}
[services.notify]
type = "worker"
command = {READY}
health_check = {{ type = "notify" }}
[services.command]
type = "worker"
command = "{LOOP}"
health_check = {{ type = "command", command = "test -e more.env", interval = "100ms" }}
[services.none]
type = "worker"
command = "{LOOP}"
health_check = {{ type = "none" }}
[services.seed]
type = "task"
command = "sleep 0.3; echo seeded"
[services.after]
type = "worker"
command = "{LOOP}"
depends_on = {{ seed = "completed", web = "healthy", tcp = "started" }}
[services.slow]
type = "worker"
command = "{LOOP}"
start_timeout = "1s"
health_check = {{ type = "command", command = "false", interval = "100ms" }}
[services.no]
type = "worker"
command = "exit 3"
restart = "no"
[services.often]
type = "worker"
command = "exit 1"
restart = "on-failure"
max_restarts = 2
[services.always]
type = "worker"
command = "test -e begun || {{ touch begun; exit 0; }}; {LOOP}"
restart = "always"
[services.dog]
type = "worker"
command = {READY}
watchdog = "300ms"
restart = "no"
[services.small]
type = "task"
command = {FLOOD}
log_size = "200KB"
[services.pipe]
type = "task"
command = "{LOOK}"
tty = false
[services.input]
type = "task"
command = "cat; echo over"
stdin = "open"
[services.hears]
type = "worker"
command = "trap 'echo heard; exit 0' USR1; echo begun; {LOOP}"
stop_signal = "SIGUSR1"
[services.hasty]
type = "worker"
command = {DEAF}
stop_timeout = "100ms"
[services.main]
type = "worker"
command = "(trap 'echo child heard' TERM; {LOOP}) & trap 'echo main heard; exit 0' TERM; echo begun; {LOOP}"
kill_mode = "mixed"
[services.watching]
type = "worker"
command = "{LOOP}"
watch = ["*.src"]
[services.left]
type = "worker"
command = "{LOOP}"
autostart = false
[services.every]
type = "worker"
command = "{LOOP}"
shared = true
"""
ENDS = {"slow", "no", "often", "dog"}
"""those that fail, as they should"""


@pytest.fixture(scope="module")
def systemd() -> Iterator[OwnSystemd]:
    made = OwnSystemd()
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(systemd: OwnSystemd) -> Iterator[Boxed]:
    """All of it, up for all the tests."""
    made = Boxed(systemd, "shop")
    made.name = "shop"
    (made.folder / "sub").mkdir()
    made.file("more.env", "FROM_FILE=yes\n")
    made.file("one.src", "one")
    made.write(FILE)
    done = made.locald("up", "--on", "systemd", "-d")
    assert done.returncode == 0, done.stderr
    assert "input: stdin: standard input is at its end at once" in done.stderr
    made.until_all(lambda rows: all(map(_has_come_to_rest, rows.values())))
    yield made
    made.locald("down")
    left = systemd.locald_units()
    made.close()
    assert left == []


def _has_come_to_rest(row: dict[str, Any]) -> bool:
    if row["name"] in ENDS:
        return bool(row["state"] == "failed")
    if row["name"] == "always" and row["run"] == 1:
        return False
    return is_healthy(row) or row["state"] in ("stopped", "completed")


def shown(house: Boxed, service: str, *properties: str) -> list[str]:
    """Properties of its unit."""
    return [house.systemd.show(house.unit(service), each) for each in properties]


def first_lines(house: Boxed, service: str, line: str) -> None:
    wait_for(lambda: house.printed(service) == [line], f"the first line of {service}")


def has_proxy(machine: Boxed) -> bool:
    return bool(json.loads(machine.locald("proxy", "status", "--json").stdout)["running"])


@shows("type", "command", "port", "workdir", "env", "env_file")
def test_a_server_has_its_port_its_folder_and_its_variables(house: Boxed) -> None:
    row, printed = house.status()["web"], house.printed("web", "-n", "1000")
    assert (row["port"], row["url"]) == (18201, "http://127.0.0.1:18201/")
    assert printed[0] == str(house.folder / "sub")
    url = house.status()["tcp"]["url"]
    assert {"PORT=18201", "A=1 %n $B", "FROM_FILE=yes", f"URL={url}"} <= set(printed)
    assert shown(house, "web", "Type", "WorkingDirectory") == ["exec", str(house.folder / "sub")]


@shows("health_check")
def test_every_kind_of_check_says_when_it_is_healthy(house: Boxed) -> None:
    rows = house.status()
    kinds = {"web": "http", **{name: name for name in ("tcp", "redis", "log", "notify", "command")}}
    assert {name: (rows[name]["source"], rows[name]["check"]) for name in kinds} == {
        name: ("explicit", kind) for name, kind in kinds.items()
    }
    assert (rows["none"]["check"], rows["none"]["because"][:15]) == ("none", "process running")
    assert shown(house, "notify", "Type", "NotifyAccess", "ActiveState") == ["notify", "all", "active"]


@shows("depends_on")
def test_each_waits_for_the_condition_of_what_it_depends_on(house: Boxed) -> None:
    rows = house.status()
    assert rows["seed"]["state"] == "completed"
    assert house.printed("seed") == ["seeded"]
    began = at(rows["after"]["started_at"])
    assert max(at(rows["seed"]["ready_at"]), at(rows["web"]["ready_at"])) <= began
    assert house.unit("seed") not in house.units()


@shows("start_timeout")
def test_what_takes_too_long_to_start_has_failed(house: Boxed) -> None:
    row = house.status()["slow"]
    assert (row["state"], row["run"], "1s" in row["because"]) == ("failed", 1, True)
    assert house.unit("slow") not in house.units()


@shows("restart", "max_restarts")
def test_each_policy_says_what_follows_an_end(house: Boxed) -> None:
    rows = house.status()
    told = {name: (rows[name]["state"], rows[name]["run"]) for name in ("no", "often", "always")}
    assert told == {"no": ("failed", 1), "often": ("failed", 3), "always": ("running", 2)}
    assert rows["no"]["exit_code"] == 3
    assert shown(house, "always", "Restart") == ["no"]  # it is locald that restarts


@shows("watchdog")
def test_a_watchdog_that_is_not_fed_is_systemds(house: Boxed) -> None:
    row = house.status()["dog"]
    assert f"{house.unit('dog')}: watchdog" in row["because"]


@shows("log_size")
def test_the_history_is_bounded(house: Boxed) -> None:
    assert size_of(house.home / "logs" / "shop" / "small") < 300_000
    assert house.printed("small", "-n", "100000")[-1].startswith("5999 ")


@shows("tty", "stdin")
def test_output_is_a_pipe_and_input_is_at_its_end(house: Boxed) -> None:
    assert house.printed("pipe") == ["pipe"]
    assert house.printed("input") == ["over"]


@shows("stop_signal", "stop_timeout", "kill_mode")
def test_they_are_stopped_by_their_signal_in_their_time(house: Boxed) -> None:
    assert shown(house, "hears", "KillSignal") == ["10"]
    assert shown(house, "hasty", "TimeoutStopUSec") == ["100ms"]
    assert shown(house, "main", "KillMode") == ["mixed"]
    for name, word in (("hears", "begun"), ("hasty", "deaf"), ("main", "begun")):
        first_lines(house, name, word)
    assert house.locald("stop", "hears", "hasty", "main").returncode == 0
    assert house.printed("hears")[-1] == "heard"  # after the shell's word on its child
    assert house.status()["hasty"]["exit_code"] == 128 + 9
    assert house.printed("main") == ["begun", "main heard"]


@shows("watch")
def test_a_change_of_a_file_restarts_it(house: Boxed) -> None:
    while house.status()["watching"]["run"] == 1:
        house.file("one.src", "two")
    assert house.why("watching")["cause"] == "one.src changed"


@shows("autostart", "shared")
def test_what_is_left_out_is_not_there_and_what_is_shared_is_of_no_instance(house: Boxed) -> None:
    assert house.status()["left"]["state"] == "stopped"
    assert house.unit("left") not in house.units()
    assert house.status()["every"]["instance"] == "_"
    assert [unit for unit in house.units() if unit.endswith("-every.service")]


@shows("usage")
def test_what_it_takes_of_the_machine_is_measured(house: Boxed) -> None:
    wait_for(lambda: taken(house, "web"), "a sample")
    assert taken(house, "web")[-1]["memory"] > 100_000


@pytest.mark.skipif(not isinstance(find(), Caddy), reason="needs Caddy")
@shows("domains", "on_demand", "idle_timeout")
def test_the_first_request_to_its_name_starts_it_and_it_ends_when_none_comes(systemd: OwnSystemd) -> None:
    bakery = Boxed(systemd, "bakery")
    bakery.name = "bakery"
    del bakery.env["LOCALD_PROXY"]
    bakery.env |= {"LOCALD_PROXY_HTTPS_PORT": "18443", "LOCALD_PROXY_HTTP_PORT": "18080"}
    bakery.write(
        f'[services.web]\ncommand = "{SERVE}"\ndomains = ["more.bakery.localhost"]\non_demand = true\n'
        'idle_timeout = "1s"\n',
        name="bakery",
    )
    try:
        assert "web: stopped (on demand)" in bakery.locald("up", "--on", "systemd").stderr
        wait_for(lambda: has_proxy(bakery), "the proxy runs")
        root = bakery.home / "state/proxy/caddy/pki/authorities/local/root.crt"
        ask = ("--noproxy", "*", "--cacert", str(root), "--resolve", "more.bakery.localhost:18443:127.0.0.1")
        assert bakery.units() == []
        done = systemd.run("curl", "-sS", *ask, "https://more.bakery.localhost:18443/")
        assert "locald.toml" in done.stdout, done.stderr
        assert bakery.units() == [bakery.unit("web")]
        row = bakery.until("web", lambda row: row["state"] == "stopped")
        assert row["because"] == "stopped, no request for 1s"
        assert bakery.units() == []
    finally:
        bakery.locald("down")
        bakery.close()
        shutil.rmtree(bakery.folder)


def test_every_key_is_shown_to_mean_the_same_on_systemd() -> None:
    assert shown_by(sys.modules[__name__]) == ServiceTable.keys.keys() - OF_CONTAINERS
