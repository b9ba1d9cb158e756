"""Each key of `locald.toml` is shown to change what the program does, not just to be read.

A test says with `@shows` which keys it is about; the last test asks locald itself for all keys there are, so
that a key which nothing shows is found. The keys of checks have a file of their own; what only concerns
containers and the domain is shown elsewhere.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from locald.client.http import Api
from whole import (
    programs,
    test_containers,
    test_groups,
    test_keys_of_checks,
    test_local_file,
    test_proxy,
    test_shared,
    test_swarm,
)
from whole.machine import free_port, wait_for
from whole.showing import shown_by, shows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from whole.machine import Json, Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]

# What is run.


@shows("project.name")
def test_name_of_the_project_is_what_its_services_are_called_by_from_anywhere(
    machine: Machine, puppet: Make, tmp_path: Path
) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}', name="bakery")
    assert machine.up()["web"]["project"] == "bakery"
    assert web.run().env["LOCALD_PROJECT"] == "bakery"
    found = machine.locald("status", "bakery:web", "--json", cwd=tmp_path)
    assert json.loads(found.stdout)["services"][0]["name"] == "web"


@shows("type", "type=exec", "type=worker", "type=task")
def test_type_says_whether_there_is_a_port_and_what_counts_as_ready(machine: Machine) -> None:
    """A process with a port is ready when it is open, one without when it lives, a task when it is done."""
    machine.write(
        f"""
        [services.web]
        type = "exec"
        command = {programs.SERVE}
        [services.queue]
        type = "worker"
        command = {programs.command('assert "PORT" not in os.environ; stay()')}
        [services.seed]
        type = "task"
        command = {programs.command('assert "PORT" not in os.environ')}
        """
    )
    rows = machine.up()
    shown = {name: (row["state"], row["source"], row["port"] is not None) for name, row in rows.items()}
    assert shown == {
        "web": ("running", "tcp", True),
        "queue": ("running", "process", False),
        "seed": ("completed", "process", False),
    }


@shows("command")
def test_command_is_run_by_a_shell_when_it_is_a_string_and_as_it_stands_when_it_is_a_list(
    machine: Machine,
) -> None:
    tell = json.dumps([sys.executable, "-c", "import sys; print(sys.argv[1:])", "$HOME && two", ""])
    machine.write(
        f"""
        [services]
        shell = {{ type = "task", command = "echo one | tr o O && echo $LOCALD_SERVICE" }}
        direct = {{ type = "task", command = {tell} }}
        """
    )
    machine.up()
    printed = {name: machine.printed(name) for name in ("shell", "direct")}
    assert printed == {"shell": ["One", "shell"], "direct": ["['$HOME && two', '']"]}


@shows("workdir")
def test_workdir_is_the_folder_that_a_process_starts_in(machine: Machine) -> None:
    (machine.folder / "back" / "end").mkdir(parents=True)
    machine.write(
        """
        [services]
        here = { type = "task", command = "pwd" }
        there = { type = "task", command = "pwd", workdir = "back/end" }
        """
    )
    machine.up()
    folders = [machine.printed(name) for name in ("here", "there")]
    assert folders == [[str(machine.folder)], [str(machine.folder / "back" / "end")]]


@shows("port")
def test_port_is_where_the_service_is_told_to_listen(machine: Machine, puppet: Make) -> None:
    web, port = puppet("web"), free_port()
    machine.write(f"[services.web]\nport = {port}\ncommand = {web.command}")
    up = machine.begin("up", "--json")
    run = web.run()
    assert run.env["PORT"] == str(port)
    run.listen()
    (row,) = json.loads(up.communicate()[0])["services"]
    assert (row["health"], row["port"], row["url"]) == ("healthy", port, f"http://127.0.0.1:{port}/")


@shows("tty")
def test_tty_gives_a_terminal_and_its_absence_a_pipe(machine: Machine) -> None:
    look = "test -t 1 && test -t 2 && ! test -t 0 && echo terminal || echo pipe"
    machine.write(
        f"""
        [services]
        default = {{ type = "task", command = "{look}" }}
        pipe = {{ type = "task", command = "{look}", tty = false }}
        """
    )
    machine.up()
    assert machine.printed("default") == ["terminal"]
    assert machine.printed("pipe") == ["pipe"]


@shows("stdin", "stdin=empty", "stdin=open", "stdin=terminal")
def test_stdin_is_at_its_end_or_stays_open_or_is_a_terminal(machine: Machine) -> None:
    """What copies its input until that ends has an end with the first, and runs on with the others."""
    machine.write(
        """
        [services]
        ends = { type = "task", command = "cat; echo over" }
        stays = { type = "worker", command = "exec cat", stdin = "open" }
        typed = { type = "worker", command = "exec cat", stdin = "terminal" }
        """
    )
    machine.up()
    assert machine.printed("ends") == ["over"]
    stays = machine.until("stays", lambda row: row["health"] == "healthy")
    fed = os.readlink(f"/proc/{stays['pid']}/fd/0")
    assert fed.startswith("pipe:")
    typed = machine.until("typed", lambda row: row["health"] == "healthy")
    files = {os.readlink(f"/proc/{typed['pid']}/fd/{file}") for file in range(3)}
    assert len(files) == 1
    assert files.pop().startswith("/dev/pts/")


# Its environment.


@shows("env")
def test_env_sets_variables_that_may_speak_of_other_services_and_of_the_shell(
    machine: Machine, puppet: Make
) -> None:
    web = puppet("web")
    machine.write(
        f"""
        [services.db]
        command = {programs.SERVE}
        [services.web]
        type = "worker"
        command = {web.command}
        [services.web.env]
        PLAIN = "as it stands: $HOME"
        ADDRESS = "${{services.db.host}}:${{services.db.port}}"
        URL = "${{services.db.url}}"
        WHO = "I am ${{NAME_OF_MINE}}"
        """
    )
    assert machine.locald("up", env={"NAME_OF_MINE": "Ada"}).returncode == 0
    port, env = machine.status()["db"]["port"], web.run().env
    assert env["PLAIN"] == "as it stands: $HOME"
    assert env["ADDRESS"] == f"127.0.0.1:{port}"
    assert env["URL"] == f"http://127.0.0.1:{port}/"
    assert env["WHO"] == "I am Ada"


@shows("env_file")
def test_env_file_says_which_files_set_variables(machine: Machine) -> None:
    machine.file(".env", "A=from .env\nB=from .env\n")
    machine.file("more.env", "B=from more\n")
    show = 'type = "task", command = "echo ${A-none}, ${B-none}"'
    machine.write(
        f"""
        [services]
        default = {{ {show} }}
        one = {{ {show}, env_file = "more.env" }}
        both = {{ {show}, env_file = [".env", "more.env"] }}
        none = {{ {show}, env_file = [] }}
        """
    )
    machine.up()
    assert {name: machine.printed(name) for name in ("default", "one", "both", "none")} == {
        "default": ["from .env, from .env"],
        "one": ["none, from more"],
        "both": ["from .env, from more"],
        "none": ["none, none"],
    }


# When it starts.


@shows("depends_on", "depends_on=healthy", "depends_on=completed", "depends_on=started")
def test_depends_on_says_what_must_be_there_before_a_service_starts(machine: Machine, puppet: Make) -> None:
    """Each of the three waits for its condition and for no more."""
    db, seed = puppet("db"), puppet("seed")
    waits = 'type = "worker", command = "sleep 1000"'
    machine.write(
        f"""
        [services]
        db = {{ command = {db.command} }}
        seed = {{ type = "task", command = {seed.command} }}
        listed = {{ {waits}, depends_on = ["db"] }}
        healthy = {{ {waits}, depends_on = {{ db = "healthy" }} }}
        started = {{ {waits}, depends_on = {{ db = "started", seed = "started" }} }}
        completed = {{ {waits}, depends_on = {{ seed = "completed" }} }}
        """
    )
    machine.locald("up", "-d")
    runs = db.run(), seed.run()
    rows = machine.until_all(lambda rows: rows["started"]["health"] == "healthy")
    assert {name: rows[name]["state"] for name in ("listed", "healthy", "completed")} == {
        "listed": "waiting",
        "healthy": "waiting",
        "completed": "waiting",
    }
    runs[0].listen()
    rows = machine.until_all(lambda rows: rows["listed"]["health"] == rows["healthy"]["health"] == "healthy")
    assert rows["completed"]["waiting_on"] == ["seed"]
    runs[1].do("exit", 0)
    machine.until("completed", lambda row: row["health"] == "healthy")


@shows("start_timeout")
def test_start_timeout_is_how_long_a_service_may_take_to_become_healthy(machine: Machine) -> None:
    machine.write(f'[services.web]\nstart_timeout = "300ms"\ncommand = {programs.STAY}')
    done = machine.locald("up")
    row = machine.status()["web"]
    assert (done.returncode, row["state"], row["run"]) == (1, "failed", 1)
    assert "300ms" in row["because"]


# How it ends, and what then.


@shows("restart", "restart=no", "restart=on-failure", "restart=always")
def test_restart_says_which_ends_are_followed_by_another_run(machine: Machine, puppet: Make) -> None:
    """After a failure all but `no` go on; after an exit with 0 only `always` does."""
    policies = ("no", "on-failure", "always")
    services = {policy: puppet(policy) for policy in policies}
    machine.write(
        "".join(
            f'[services.{policy}]\ntype = "worker"\nrestart = "{policy}"\ncommand = {service.command}\n'
            for policy, service in services.items()
        )
    )
    machine.up()
    for policy in policies:
        services[policy].run().do("exit", 1)
    machine.until("no", lambda row: row["state"] == "failed" and row["exit_code"] == 1)
    for policy in policies[1:]:
        machine.until(policy, lambda row: row["health"] == "healthy" and row["run"] == 2)
        services[policy].run().do("exit", 0)
    machine.until("on-failure", lambda row: row["state"] == "stopped" and row["run"] == 2)
    machine.until("always", lambda row: row["health"] == "healthy" and row["run"] == 3)


@shows("max_restarts")
@pytest.mark.parametrize("most", [0, 2])
def test_max_restarts_is_how_often_within_a_minute(machine: Machine, most: int) -> None:
    machine.write(f'[services.web]\ntype = "worker"\nmax_restarts = {most}\ncommand = "exit 1"')
    assert machine.locald("up").returncode == 1
    row = machine.status()["web"]
    assert (row["state"], row["run"], row["restarts"]) == ("failed", most + 1, most)


@shows("stop_signal")
def test_stop_signal_is_what_asks_a_service_to_end(machine: Machine, puppet: Make) -> None:
    default, chosen = puppet("default"), puppet("chosen")
    machine.write(
        f"""
        [services]
        default = {{ type = "worker", command = {default.command} }}
        chosen = {{ type = "worker", command = {chosen.command}, stop_signal = "SIGINT" }}
        """
    )
    machine.up()
    for service in (default, chosen):
        service.run().do("hear", "SIGTERM", "SIGINT")
    assert machine.locald("stop").returncode == 0
    assert machine.printed("default") == ["heard SIGTERM"]
    assert machine.printed("chosen") == ["heard SIGINT"]


@shows("stop_timeout")
def test_stop_timeout_is_the_grace_before_what_is_left_is_killed(machine: Machine, puppet: Make) -> None:
    """Both ignore the signal; one is killed while the other still has its time."""
    hasty, patient = puppet("hasty"), puppet("patient")
    machine.write(
        f"""
        [services]
        hasty = {{ type = "worker", stop_timeout = "100ms", command = {hasty.command} }}
        patient = {{ type = "worker", stop_timeout = "1h", command = {patient.command} }}
        """
    )
    machine.up()
    runs = hasty.run(), patient.run()
    for run in runs:
        run.do("ignore", "SIGTERM")
    stop = machine.begin("stop")
    rows = machine.until_all(lambda rows: rows["hasty"]["state"] == "stopped")
    assert rows["hasty"]["exit_code"] == 128 + signal.SIGKILL
    assert rows["patient"]["state"] == "stopping"
    runs[1].do("exit", 0)
    assert stop.wait(30) == 0
    stop.communicate()


@shows("kill_mode", "kill_mode=all", "kill_mode=mixed")
def test_kill_mode_is_who_gets_the_stop_signal(machine: Machine, puppet: Make) -> None:
    """The shell that is the main process of the second ignores it, so its child runs on."""
    every, main = puppet("every"), puppet("main")
    machine.write(
        f"""
        [services]
        every = {{ type = "worker", command = "trap '' TERM; {every.shell_command}" }}
        main = {{ type = "worker", command = "trap '' TERM; {main.shell_command}; :", kill_mode = "mixed" }}
        """
    )
    machine.up()
    runs = every.run(), main.run()
    for run in runs:
        run.do("hear", "SIGTERM")
    stop = machine.begin("stop")
    machine.until("every", lambda row: row["state"] == "stopped")
    assert machine.printed("every") == ["heard SIGTERM"]
    assert machine.status()["main"]["state"] == "stopping"
    runs[1].do("exit", 0)
    assert stop.wait(30) == 0
    stop.communicate()
    assert machine.printed("main") == []


@shows("watch")
def test_watch_restarts_a_service_when_its_files_change(machine: Machine) -> None:
    source = machine.file("api.py", "one")
    machine.write('[services.web]\ntype = "worker"\ncommand = "exec sleep 1000"\nwatch = ["*.py"]')
    machine.up()
    while machine.status()["web"]["run"] == 1:
        source.write_text("two")
    assert machine.why("web")["cause"] == "api.py changed"


@shows("watchdog")
def test_watchdog_is_how_often_a_service_has_to_say_that_it_lives(machine: Machine, puppet: Make) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\nwatchdog = "300ms"\ncommand = {web.command}')
    machine.locald("up", "-d")
    run = web.run()
    assert run.env["WATCHDOG_USEC"] == "300000"
    assert run.env["WATCHDOG_PID"] == str(run.pid)
    run.do("notify", "READY=1\nWATCHDOG=1")
    run.wait_end()
    row = machine.until("web", lambda row: row["run"] == 2)
    assert row["restarts"] == 1


@shows("log_size")
def test_log_size_bounds_the_history_that_is_kept(machine: Machine) -> None:
    """The oldest goes first, and the newest is there."""
    flood = "for each in range(60000): print(each, '.' * 20)"
    machine.write(
        f"""
        [services]
        small = {{ type = "task", log_size = "200KB", command = {programs.command(flood)} }}
        large = {{ type = "task", command = {programs.command(flood)} }}
        """
    )
    machine.up()
    small, large = (size_of(machine.home / "logs" / "shop" / name) for name in ("small", "large"))
    assert large > 1_500_000
    assert small < 300_000
    assert machine.printed("small", "-n", "100000")[-1].startswith("59999 ")


# What is measured.


@shows("usage", "usage=always", "usage=shown")
def test_usage_is_measured_always_or_while_somebody_looks(machine: Machine) -> None:
    """And to measure it from now on restarts nothing."""
    services = "".join(
        f'[services.{name}]\ntype = "worker"\ncommand = "exec sleep 9999"\nusage = "{usage}"\n'
        for name, usage in (("web", "always"), ("db", "shown"))
    )
    machine.write(services)
    machine.up()
    wait_for(lambda: taken(machine, "web"), "a sample")
    assert taken(machine, "db") == []
    machine.write(services.replace("shown", "always"))
    assert {row["run"] for row in machine.up().values()} == {1}
    wait_for(lambda: taken(machine, "db"), "a sample of the other")


def taken(machine: Machine, service: str, project: str = "shop") -> list[Json]:
    told = Api(str(machine.home / "run" / "locald.sock")).get(
        "/v1/usage", [("project", project), ("service", service)]
    )
    found: list[Json] = told["services"][0]["samples"]
    return found


# All of them.


def test_every_key_of_the_file_is_shown_to_work(machine: Machine) -> None:
    schemas = [json.loads(machine.locald("config", "schema", *of).stdout) for of in ([], ["--local"])]
    tables = schemas[0]["$defs"]
    project = {key for schema in schemas for key in schema["$defs"]["ProjectTable"]["properties"]}
    known = {f"project.{key}" for key in project} | {"groups"}
    known |= set(_keys(tables, tables["ServiceTable"]["properties"]))
    others = (
        test_keys_of_checks,
        test_containers,
        test_groups,
        test_local_file,
        test_proxy,
        test_shared,
        test_swarm,
    )
    modules = (sys.modules[__name__], *others)
    assert shown_by(*modules) == known


def _keys(tables: Mapping[str, Any], service: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a service, `key=value` where there are a few values to choose from; and those of its
    checks: `health_check.http.path`, or `health_check.interval` for what all kinds of check have. The
    types that are protocols are one kind."""
    for key, value in service.items():
        yield key
        choices = [value, *(each for way in value.get("oneOf", []) for each in _of_a_map(way))]
        yield from (f"{key}={each}" for choice in choices for each in choice.get("enum", []))
    checks = [tables[way["$ref"].rpartition("/")[2]] for way in service["health_check"]["oneOf"][1:]]
    common = set.intersection(*(set(check["properties"]) for check in checks))
    for check in checks:
        kind = check["properties"]["type"].get("const", "protocol")
        yield f"health_check.{kind}"
        yield from (f"health_check.{kind}.{key}" for key in check["properties"].keys() - common)
    yield from (f"health_check.{key}" for key in common - {"type"})


def _of_a_map(way: Mapping[str, Any]) -> list[Any]:
    return list(way.get("patternProperties", {}).values())


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
