"""What is known of services beyond their state: what they take, how long a start takes, and more."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

import aiohttp

from locald.client.http import Api
from whole import programs
from whole.machine import PATIENCE

if TYPE_CHECKING:
    from whole.machine import Machine

Json = dict[str, Any]

BUSY = programs.command(
    """
kept = listen()
block = b"x" * 50_000_000
if os.fork() == 0:
    os.setsid()
    while True: pass
stay()
"""
)


def api(machine: Machine) -> Api:
    return Api(str(machine.home / "run" / "locald.sock"))


async def usage(machine: Machine, times: int) -> Json:
    """By service, as the last of so many messages tells it."""
    connector = aiohttp.UnixConnector(str(machine.home / "run" / "locald.sock"))
    told: list[Json] = []
    async with (
        asyncio.timeout(PATIENCE),
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect("http://locald/v1/live", max_msg_size=0) as live,
    ):
        await live.send_json({"usage": True})
        while len(told) < times:
            message = await live.receive_json()
            if message["kind"] == "usage":
                told.append({each["name"]: each for each in message["services"]})
    return told[-1]


def test_usage_is_that_of_the_whole_tree(machine: Machine) -> None:
    """Of what went into a session of its own, too."""
    machine.write(f"[services.busy]\ncommand = {BUSY}\n[services.idle]\ncommand = {programs.SERVE}\n")
    machine.up()

    told = asyncio.run(usage(machine, 3))

    assert told["busy"]["cpu"] > 2 * told["idle"]["cpu"]  # where others want the processor it gets little
    assert told["idle"]["cpu"] < 0.1
    assert 60e6 < told["busy"]["memory"] < 1e9
    assert 1e6 < told["idle"]["memory"] < 50e6


def test_how_long_it_usually_takes_survives_the_daemon_and_a_change_and_ends_with_the_project(
    machine: Machine,
) -> None:
    def median() -> Any:
        (part,) = json.loads(machine.locald("timeline", "--json").stdout)["services"]
        return part["median_ms"]

    machine.write(f"[services.web]\ncommand = {programs.SERVE}\n")
    machine.up()
    assert median() is None
    machine.write(f"[services.web]\ncommand = {programs.SERVE}\nenv = {{ A = '1' }}\n")
    machine.up()
    first = median()
    assert 0 < first < 30_000
    machine.locald("server", "restart")
    assert median() == first
    machine.locald("down")
    machine.up()
    assert median() is None


def test_an_action_does_what_was_foreseen(machine: Machine) -> None:
    services = "\n".join(
        f"[services.{name}]\ncommand = {programs.SERVE}\ndepends_on = {json.dumps(needs)}"
        for name, needs in {"db": [], "api": ["db"], "web": ["api"]}.items()
    )
    machine.write(services)
    machine.up()
    query = [("project", "shop"), ("service", "db")]
    preview = api(machine).get("/v1/effect", [("action", "stop"), *query])
    assert preview == {"ends": ["web", "api", "db"], "starts": []}
    assert (
        api(machine).post("/v1/stop", {"project": "shop", "services": ["db"]})["services"] == preview["ends"]
    )
    machine.until_all(lambda rows: all(row["pid"] is None for row in rows.values()))
    assert api(machine).get("/v1/effect", [("action", "up"), *query])["starts"] == ["db", "api", "web"]


def test_a_page_starts_services_in_the_environment_of_the_last_shell(machine: Machine) -> None:
    """Also after the daemon was restarted, and as the file says by then."""
    machine.write(f"[services.web]\ncommand = {programs.STAY}\ntype = 'worker'\n")
    machine.env["WHO"] = "the first shell"
    machine.up()
    machine.env["WHO"] = "the last shell"
    machine.up()
    machine.env["WHO"] = "no shell of ours"
    machine.locald("server", "restart")
    machine.write(
        f"[services.web]\ncommand = {programs.STAY}\ntype = 'worker'\nenv = {{ SAID = '${{WHO}}' }}\n"
    )

    api(machine).post("/v1/up", {"project": "shop", "services": []})

    machine.until("web", lambda row: row["run"] == 2 and row["health"] == "healthy")
    told = api(machine).get("/v1/environment", [("project", "shop"), ("service", "web")])["env"]
    assert (told["WHO"], told["SAID"]) == ("the last shell", "the last shell")


def test_a_line_of_output_has_its_level(machine: Machine) -> None:
    machine.write("[services.web]\ntype = 'worker'\ncommand = 'echo hello; echo [warn] slow; sleep 1000'\n")
    machine.up()
    entries = [json.loads(line) for line in machine.locald("logs", "--json").stdout.splitlines()]
    levels = {entry["line"]: entry["level"] for entry in entries}
    assert (levels["hello"], levels["[warn] slow"]) == (None, "warn")


def test_a_failure_in_one_line(machine: Machine) -> None:
    """Of the latest run alone, whatever earlier ones said."""
    said = "echo 'Error: nothing works' >&2; exit 3"
    machine.write(
        f"[services.db]\ncommand = \"{said}\"\nrestart = 'no'\n"
        f"[services.web]\ncommand = {programs.SERVE}\ndepends_on = ['db']\n"
    )
    assert machine.locald("up").returncode == 1

    told = machine.locald("why", "web", "--line").stdout

    assert told.startswith("shop:web is blocked: db failed: exited with code 3 ")
    assert told.endswith("(Error: nothing works) — locald logs shop:db\n")
    machine.write("[services.db]\ntype = 'worker'\ncommand = 'sleep 1000'\n")
    machine.up()
    assert machine.locald("why", "db", "--line").stdout.startswith("shop:db is healthy (process, fallback): ")


def test_whoever_watches_sees_what_happens_also_with_the_next_daemon(machine: Machine) -> None:
    machine.write(f"[services.web]\ncommand = {programs.SERVE}\n")
    machine.up()
    with machine.begin("status", "--watch", "--json") as watch:
        assert watch.stdout
        (row,) = json.loads(watch.stdout.readline())["services"]
        assert row["health"] == "healthy"
        machine.locald("server", "restart")
        machine.locald("stop", "web")
        while row["state"] != "stopped":
            (row,) = json.loads(watch.stdout.readline())["services"]
        watch.send_signal(signal.SIGINT)
        _, err = watch.communicate(timeout=PATIENCE)
    assert (watch.returncode, err) == (0, "")


def test_what_a_program_said_stands_in_place_of_its_exit_code(machine: Machine) -> None:
    """It is found also by a daemon that was away when the program ended, and kept."""
    machine.write(
        """
        [services]
        db = { type = "worker", command = "echo 'Error: no such volume' >&2; exit 3", restart = "no" }
        web = { type = "worker", command = "exec sleep 1000", depends_on = ["db"] }
        """
    )
    machine.locald("up")
    machine.until("db", lambda row: row["reason"] == "Error: no such volume")
    machine.until("web", lambda row: row["reason"] == "blocked by db: Error: no such volume")
    assert machine.status()["db"]["because"] == "exited with code 3"
    machine.kill_daemon()
    assert machine.status()["db"]["reason"] == "Error: no such volume"
    assert "db: Error: no such volume" in machine.locald("status").stdout
