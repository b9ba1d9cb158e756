"""Who waits for whom: what starts when, what is left alone, what is blocked by what, what is refused."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whole.looking import at, is_healthy, is_in, is_settled, is_there, is_unhealthy
from whole.machine import Gate, kill, wait_for
from whole.programs import SERVE, STAY, command, noting, serve_after

if TYPE_CHECKING:
    from whole.machine import Machine


def service(name: str, value: str, *needs: str, rest: str = "") -> str:
    """A table with this command, which depends on these."""
    depends_on = f"depends_on = [{', '.join(map(repr, needs))}]"
    return f"[services.{name}]\ncommand = {value}\n{depends_on}\n{rest}\n"


def names_in(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


# Order.


def test_a_service_starts_only_when_what_it_depends_on_is_healthy(machine: Machine) -> None:
    gate, ran = Gate(machine.folder), machine.folder / "ran"
    machine.write(service("db", serve_after(gate.path)) + service("api", noting("api", ran), "db"))
    machine.locald("up", "api", "-d")
    rows = machine.until_all(lambda rows: rows["db"]["pid"] and rows["api"]["state"] == "waiting")
    assert rows["api"]["waiting_on"] == ["db"]
    assert "db" in rows["api"]["because"]
    assert rows["api"]["run"] == 0
    assert names_in(ran) == []
    gate.open()
    rows = machine.until_all(lambda rows: is_healthy(rows["api"]))
    assert at(rows["db"]["ready_at"]) <= at(rows["api"]["started_at"])
    assert rows["api"]["waiting_on"] == []


def test_up_of_one_starts_what_it_depends_on_and_nothing_else(machine: Machine) -> None:
    machine.write(service("db", SERVE) + service("api", SERVE, "db") + service("other", SERVE))
    rows = machine.up("api")
    assert set(rows) == {"api", "db"}
    other = machine.status()["other"]
    assert (other["state"], other["run"], other["because"]) == ("stopped", 0, "not running")


def test_a_chain_of_eight_starts_in_order(machine: Machine) -> None:
    ran, names = machine.folder / "ran", [f"s{number}" for number in range(8)]
    chain = [service(name, noting(name, ran), *names[:place][-1:]) for place, name in enumerate(names)]
    machine.write("".join(reversed(chain)))
    rows = machine.up()
    assert names_in(ran) == names
    for before, after in pairwise(names):
        assert at(rows[before]["ready_at"]) <= at(rows[after]["started_at"])


def test_what_several_depend_on_is_started_once(machine: Machine) -> None:
    ran = machine.folder / "ran"
    machine.write(
        service("web", noting("web", ran), "left", "right")
        + service("left", noting("left", ran), "db")
        + service("right", noting("right", ran), "db")
        + service("db", noting("db", ran))
    )
    rows = machine.up("web")
    started = names_in(ran)
    assert (started[0], sorted(started[1:3]), started[3:]) == ("db", ["left", "right"], ["web"])
    assert [row["run"] for row in rows.values()] == [1, 1, 1, 1]


def test_independent_services_start_at_the_same_time(machine: Machine) -> None:
    """Four that need a second each are all ready about a second after the first was started."""
    slow = command("time.sleep(1); kept = listen(); stay()")
    machine.write("".join(service(name, slow) for name in ("a", "b", "c", "d")))
    rows = machine.up().values()
    began = min(at(row["started_at"]) for row in rows)
    assert 1 <= max(at(row["ready_at"]) for row in rows) - began < 2.5


def test_a_dependent_may_ask_for_less_or_more_than_health(machine: Machine) -> None:
    """`started` needs a process; `completed` a task that exited with 0, and so does a task by itself."""
    ready, done = Gate(machine.folder, "ready"), Gate(machine.folder, "done")
    machine.write(
        service("cache", serve_after(ready.path))
        + service("seed", f'"{done.wait}"', rest='type = "task"')
        + "[services.early]\n"
        + f'command = {SERVE}\ndepends_on = {{ cache = "started" }}\n'
        + "[services.late]\n"
        + f'command = {SERVE}\ndepends_on = {{ seed = "completed", cache = "started" }}\n'
        + service("plain", SERVE, "seed")
    )
    machine.locald("up", "-d")
    rows = machine.until_all(lambda rows: is_healthy(rows["early"]) and rows["seed"]["pid"])
    assert rows["cache"]["health"] == "starting"
    for name in ("late", "plain"):
        assert (rows[name]["state"], rows[name]["waiting_on"]) == ("waiting", ["seed"])
        assert "seed to be completed" in rows[name]["because"]
    done.open()
    rows = machine.until_all(lambda rows: is_healthy(rows["late"]) and is_healthy(rows["plain"]))
    assert rows["seed"]["state"] == "completed"
    assert rows["cache"]["health"] == "starting"
    ready.open()


# What runs is left alone.


def test_a_dependency_that_runs_is_left_alone(machine: Machine) -> None:
    machine.write(service("db", SERVE) + service("api", SERVE, "db"))
    before = machine.up("db")["db"]
    rows = machine.up("api")
    assert (rows["db"]["pid"], rows["db"]["run"]) == (before["pid"], 1)


def test_restart_of_one_leaves_its_dependencies_and_its_dependents_running(machine: Machine) -> None:
    machine.write(service("db", SERVE) + service("api", SERVE, "db") + service("web", SERVE, "api"))
    before = machine.up()
    done = machine.locald("restart", "api")
    assert done.returncode == 0, done.stderr
    rows = machine.status()
    assert [rows[name]["pid"] == before[name]["pid"] for name in ("db", "api", "web")] == [True, False, True]
    assert (rows["api"]["run"], rows["api"]["health"]) == (2, "healthy")


def test_a_running_service_whose_dependency_goes_down_keeps_running_and_names_it(machine: Machine) -> None:
    machine.write(service("db", SERVE, rest='restart = "no"') + service("api", SERVE, "db"))
    before = machine.up()
    kill(before["db"]["pid"])
    rows = machine.until_all(lambda rows: rows["db"]["state"] == "failed")
    assert (rows["api"]["state"], rows["api"]["health"]) == ("running", "healthy")
    assert rows["api"]["pid"] == before["api"]["pid"]
    assert rows["api"]["waiting_on"] == ["db"]
    assert "db" in rows["api"]["because"]
    machine.up("db")
    row = machine.status()["api"]
    assert (row["pid"], row["waiting_on"]) == (before["api"]["pid"], [])
    assert "db" not in row["because"]


def test_a_dependency_that_turns_unhealthy_is_named_by_its_dependent(machine: Machine) -> None:
    close = Gate(machine.folder)
    closes = command(f"kept = listen(); gate({str(close.path)!r}); kept.close(); stay()")
    machine.write(service("db", closes) + service("api", SERVE, "db"))
    machine.up()
    wait_for(lambda: is_settled(machine.status()["db"]), "to be ready for a second")
    close.open()
    rows = machine.until_all(lambda rows: is_unhealthy(rows["db"]))
    assert rows["api"]["waiting_on"] == ["db"]
    assert rows["api"]["health"] == "healthy"


# Blocked.


def test_what_a_task_leaves_running_is_ended_and_named(machine: Machine) -> None:
    """It may have meant to start a server: then it has to say so in another way."""
    machine.write(
        service(
            "seed",
            "'setsid sleep 4242 & echo $! > left; until grep -qx sleep /proc/$!/comm; do :; done'",
            rest='type = "task"',
        )
        + service("api", SERVE, "seed")
    )
    machine.up()
    left = int((machine.folder / "left").read_text())
    told = f"what it left running was ended: pid {left} (sleep)"
    row = machine.status()["seed"]
    assert (row["state"], row["health"]) == ("completed", "healthy")
    assert row["because"].startswith("exited with code 0 after ")
    assert row["because"].endswith(told)
    assert not Path(f"/proc/{left}").exists()
    assert told in machine.locald("logs", "seed").stdout


def test_what_a_failed_task_blocks_names_the_root_cause_and_never_runs(machine: Machine) -> None:
    """And `up` ends long before its timeout, since nothing can move any more."""
    ran = machine.folder / "ran"
    machine.write(
        service("seed", """'echo "no such table: users" >&2; exit 1'""", rest='type = "task"')
        + f'[services.api]\ncommand = {noting("api", ran)}\ndepends_on = {{ seed = "completed" }}\n'
        + service("web", noting("web", ran), "api")
    )
    begun = time.monotonic()
    up = machine.locald("up", "--timeout", "25s")
    assert time.monotonic() - begun < 15
    assert up.returncode == 1
    assert "seed failed: exited with code 1" in up.stderr
    assert "no such table: users" in up.stderr
    rows = machine.status()
    assert [rows[name]["state"] for name in ("seed", "api", "web")] == ["failed", "blocked", "blocked"]
    assert rows["api"]["because"] == "blocked by seed: exited with code 1"
    assert rows["web"]["because"] == "blocked by api, which needs seed: exited with code 1"
    assert rows["web"]["waiting_on"] == ["api"]
    assert [rows["api"]["run"], rows["web"]["run"]] == [0, 0]
    assert names_in(ran) == []
    why = machine.why("web")
    assert [each["service"] for each in why["blockers"]] == ["api", "seed"]
    assert why["blockers"][-1]["state"] == "failed"


def test_what_is_blocked_starts_when_the_cause_is_mended(machine: Machine) -> None:
    mended = machine.folder / "mended"
    machine.write(
        service("seed", f'"test -e {mended}"', rest='type = "task"') + service("api", SERVE, "seed")
    )
    assert machine.locald("up").returncode == 1
    mended.touch()
    rows = machine.up("seed")
    assert rows["seed"]["state"] == "completed"
    machine.until("api", is_healthy)


def test_what_depends_on_a_stopped_service_is_blocked_and_starts_with_it_again(machine: Machine) -> None:
    machine.write(service("db", SERVE) + service("api", SERVE, "db"))
    before = machine.up()
    assert machine.locald("stop", "db").returncode == 0
    rows = machine.status()
    assert [rows["db"]["state"], rows["api"]["state"]] == ["stopped", "blocked"]
    assert rows["api"]["because"] == "blocked by db: stopped by user"
    waited = machine.locald("wait", "api")
    assert waited.returncode == 1
    assert "error: db is stopped by user\n" in waited.stderr
    assert waited.stderr.splitlines()[-1] == "error: api is blocked by db"
    machine.up("db")
    row = machine.until("api", is_healthy)
    assert row["run"] == before["api"]["run"] + 1


def test_what_was_stopped_itself_does_not_start_with_its_dependency(machine: Machine) -> None:
    machine.write(service("db", SERVE) + service("api", SERVE, "db"))
    machine.up()
    machine.locald("stop")
    machine.up("db")
    assert machine.status()["api"]["state"] == "stopped"


def test_a_waiting_service_is_blocked_when_its_dependency_is_stopped_meanwhile(machine: Machine) -> None:
    """`up` is told at once, not at its timeout."""
    gate = Gate(machine.folder)
    machine.write(service("db", serve_after(gate.path)) + service("api", SERVE, "db"))
    machine.locald("server", "start")
    with machine.begin("up") as up:
        machine.until("db", is_there)
        assert machine.locald("stop", "db").returncode == 0
        assert up.wait(30) == 1
        assert up.stderr
        assert ": stopped by user" in up.stderr.read()
    assert machine.until("api", is_in("blocked"))["run"] == 0


# Refused at load.


@pytest.mark.parametrize(
    ("services", "said"),
    [
        (
            {"a": "b", "b": "c", "c": "a"},
            ["dependency cycle: a -> b -> c -> a"],
        ),
        ({"a": "a"}, ['"a" depends on itself']),
        ({"database": "", "api": "databse"}, ['unknown service "databse"', 'did you mean "database"?']),
    ],
    ids=["a cycle, in order", "on itself", "an unknown name, with the near match"],
)
def test_impossible_dependencies_are_refused_and_nothing_is_started(
    machine: Machine, services: dict[str, str], said: list[str]
) -> None:
    ran = machine.folder / "ran"
    tables = [service(name, noting(name, ran), *filter(None, [need])) for name, need in services.items()]
    machine.write("".join([*tables, service("innocent", noting("innocent", ran))]))
    up = machine.locald("up")
    assert up.returncode == 2
    for each in said:
        assert each in up.stderr
    assert "locald.toml:" in up.stderr
    assert up.stdout == ""
    assert names_in(ran) == []


def test_a_file_that_became_impossible_leaves_what_runs_alone(machine: Machine) -> None:
    machine.write(service("db", SERVE) + service("api", SERVE, "db"))
    before = machine.up()
    machine.write(service("db", STAY, "api") + service("api", STAY, "db"))
    assert machine.locald("up").returncode == 2
    rows = machine.status()
    assert {name: row["pid"] for name, row in rows.items()} == {
        name: row["pid"] for name, row in before.items()
    }
