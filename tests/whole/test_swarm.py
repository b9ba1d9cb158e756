"""`up --on swarm` as people use it: the whole program, and a real swarm of two engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from engine.swarm import Swarm, swarm
from whole.harbour import image, write
from whole.looking import at, is_healthy
from whole.machine import Machine, wait_for
from whole.showing import shows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["swarm"]

PATIENCE = 240.0
"""seconds: a swarm takes some to begin a task, and this machine has other things to do"""
SLEEP = 'command = ["sleep", "1000000"]\n'
SHOP = f"""
[services.db]
{image("store")}
[services.web]
{image("http")}depends_on = ["db"]
env = {{ DB = "${{services.db.host}}" }}
container_port = 8080
command = "echo web with $DB; exec httpd -f -p 8080 -h /www"
"""


@pytest.fixture
def fleet(tmp_path: Path, swarm: Swarm) -> Iterator[Machine]:
    """A locald with a swarm, on which it leaves nothing."""
    made = Machine(tmp_path / "fleet")
    made.env["DOCKER_HOST"] = swarm.manager.host
    yield made
    made.locald("down", timeout=PATIENCE)
    made.close()
    assert swarm.services(made.name) == []
    # The swarm has none any more; a node lists it until what was connected has left it.
    wait_for(lambda: swarm.networks(made.name) == [], "its network is gone", PATIENCE)


def begin(fleet: Machine, services: str, *args: str) -> dict[str, dict[str, object]]:
    """`up --on swarm`, which has to succeed."""
    write(fleet, services)
    done = fleet.locald("up", "--on", "swarm", "--json", *args, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["services"]}


def test_a_file_runs_on_the_swarm_in_its_order_and_is_seen_as_here(fleet: Machine, swarm: Swarm) -> None:
    rows = begin(fleet, SHOP)
    assert sorted(swarm.services(fleet.name)) == [f"locald-{fleet.name}-db", f"locald-{fleet.name}-web"]
    assert (rows["db"]["source"], rows["web"]["source"]) == ("swarm", "tcp")
    assert "is running, its HEALTHCHECK passed" in str(rows["db"]["because"])
    wait_for(lambda: fleet.printed("web") == ["web with db"], "its first line", PATIENCE)
    assert at(str(rows["db"]["ready_at"])) <= at(str(rows["web"]["started_at"]))
    told = json.loads(fleet.locald("timeline", "--json").stdout)
    assert told["critical_path"] == ["db", "web"]

    assert fleet.locald("down", timeout=PATIENCE).returncode == 0
    assert (swarm.services(fleet.name), swarm.networks(fleet.name)) == ([], [])


def test_a_killed_task_is_replaced_and_why_names_it_with_its_node_and_error(
    fleet: Machine, swarm: Swarm
) -> None:
    swarm.only_on(swarm.manager)
    row = begin(fleet, f"[services.db]\n{image('store')}")["db"]
    swarm.manager.api.post(f"/containers/{row['container']}/kill")
    again = fleet.until("db", lambda row: is_healthy(row) and row["restarts"] == 1, PATIENCE)
    assert again["run"] == 1
    assert again["container"] != row["container"]
    told = " ".join(each["detail"] for each in fleet.why("db")["evidence"])
    assert f"task locald-{fleet.name}-db (" in told
    assert "failed: task: non-zero exit (137)" in told


def test_the_daemon_is_killed_and_the_next_one_takes_up_what_is_there(fleet: Machine, swarm: Swarm) -> None:
    before = begin(fleet, SHOP)
    fleet.kill_daemon()
    fleet.status()  # starts another
    after = fleet.until_all(lambda rows: len(rows) == 2 and all(map(is_healthy, rows.values())), PATIENCE)
    assert {name: row["run"] for name, row in after.items()} == {"db": 1, "web": 1}
    assert {name: row["container"] for name, row in after.items()} == {
        name: row["container"] for name, row in before.items()
    }
    fleet.locald("restart", "web", timeout=PATIENCE)
    assert fleet.status()["web"]["run"] == 2
    wait_for(lambda: fleet.printed("web") == ["web with db"] * 2, "both runs' lines", PATIENCE)


def test_output_is_followed_and_what_is_printed_last_is_kept(fleet: Machine, swarm: Swarm) -> None:
    command = "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.1; done"
    begin(fleet, f'[services.job]\n{image("plain")}command = "{command}"\n')
    wait_for(lambda: fleet.printed("job") == ["hello"], "its first line", PATIENCE)
    fleet.locald("stop", timeout=PATIENCE)
    assert fleet.printed("job") == ["hello", "bye"]


def test_a_task_runs_as_a_job_before_what_needs_it(fleet: Machine, swarm: Swarm) -> None:
    services = f"""
[services.seed]
type = "task"
command = "echo seeded"
[services.web]
{image("http")}depends_on = ["seed"]
"""
    rows = begin(fleet, services, "--image", "seed=locald-test/plain:1")
    assert rows["seed"]["state"] == "completed"
    wait_for(lambda: fleet.printed("seed") == ["seeded"], "what it printed", PATIENCE)


def test_what_ends_by_itself_has_failed_with_the_swarms_words(fleet: Machine, swarm: Swarm) -> None:
    crashes = 'command = "echo about to crash >&2; exit 3"'
    write(fleet, f'[services.bad]\n{image("plain")}{crashes}\nrestart = "no"\n')
    done = fleet.locald("up", "--on", "swarm", timeout=PATIENCE)
    assert done.returncode == 1
    assert "about to crash" in done.stderr
    row = fleet.status()["bad"]
    assert (row["state"], row["exit_code"]) == ("failed", 3)
    assert f"task locald-{fleet.name}-bad" in row["because"]


def test_a_check_of_the_file_is_carried_out_in_the_container(fleet: Machine, swarm: Swarm) -> None:
    check = 'health_check = { type = "http", interval = "300ms" }\n'
    row = begin(fleet, f"[services.web]\n{image('http')}container_port = 8080\n{check}")["web"]
    assert (row["health"], row["source"], row["check"]) == ("healthy", "explicit", "http")


def test_services_on_two_nodes_find_each_other_by_name(fleet: Machine, swarm: Swarm) -> None:
    swarm.only_on(swarm.worker)
    begin(fleet, f"[services.db]\n{image('store')}")
    swarm.only_on(swarm.manager)
    reads = "until echo PING | nc db 6379 | grep PONG; do sleep 0.1; done; exec sleep 1000000"
    check = 'health_check = { type = "log", pattern = "PONG" }\n'
    services = f"""
[services.db]
{image("store")}
[services.web]
{image("plain")}depends_on = ["db"]
command = "{reads}"
{check}"""
    rows = begin(fleet, services)
    assert rows["web"]["health"] == "healthy"
    nodes = {name: swarm.tasks(f"locald-{fleet.name}-{name}")[0]["NodeID"] for name in ("db", "web")}
    assert nodes == {"db": swarm.node_of(swarm.worker), "web": swarm.node_of(swarm.manager)}


def test_a_node_that_goes_away_is_named_and_its_service_begins_on_another(
    fleet: Machine, swarm: Swarm
) -> None:
    swarm.only_on(swarm.worker)
    begin(fleet, f"[services.db]\n{image('store')}")
    gone = swarm.node_of(swarm.worker)
    swarm.only_on(swarm.manager)
    swarm.worker.freeze()
    try:
        row = fleet.until("db", lambda row: is_healthy(row) and row["restarts"] == 1, PATIENCE)
    finally:
        swarm.worker.thaw()
    assert swarm.tasks(f"locald-{fleet.name}-db")[0]["NodeID"] == swarm.node_of(swarm.manager)
    assert "is lost: the node is down" in " ".join(each["detail"] for each in fleet.why("db")["evidence"])
    assert row["run"] == 1
    wait_for(lambda: gone in _ready(swarm), "the node is back", PATIENCE)


def _ready(swarm: Swarm) -> list[str]:
    return [each["ID"] for each in swarm.api.get("/nodes") if each["Status"]["State"] == "ready"]


def test_a_manager_that_goes_away_is_told_and_nothing_is_forgotten(fleet: Machine, swarm: Swarm) -> None:
    begin(fleet, f"[services.db]\n{image('store')}")
    swarm.manager.freeze()
    try:
        row = fleet.until("db", lambda row: not is_healthy(row), PATIENCE)
    finally:
        swarm.manager.thaw()
    assert "does not answer" in row["because"]
    assert fleet.until("db", is_healthy, PATIENCE)["run"] == 1


@pytest.mark.timeout(150)
def test_what_cannot_be_stopped_is_named_and_the_next_up_takes_its_place(
    fleet: Machine, swarm: Swarm
) -> None:
    services = f'[services.db]\n{image("store")}stop_timeout = "1s"\n'
    begin(fleet, services)
    swarm.manager.freeze()
    try:
        done = fleet.locald("down", timeout=PATIENCE)
    finally:
        swarm.manager.thaw()
    assert done.returncode == 0
    assert f"locald removes it when it can, or `docker service rm locald-{fleet.name}-db` does" in done.stderr
    begin(fleet, services)
    assert swarm.services(fleet.name) == [f"locald-{fleet.name}-db"]


@pytest.mark.timeout(150)
def test_what_could_not_be_stopped_is_removed_when_the_manager_is_back(fleet: Machine, swarm: Swarm) -> None:
    begin(fleet, f'[services.db]\n{image("store")}stop_timeout = "1s"\n')
    swarm.manager.freeze()
    try:
        assert fleet.locald("down", timeout=PATIENCE).returncode == 0
        fleet.kill_daemon()
        assert fleet.locald("server", "start").returncode == 0  # the next one knows of it, too
    finally:
        swarm.manager.thaw()
    nothing_is_left(fleet, swarm)


def test_a_daemon_that_has_lost_its_state_removes_what_it_does_not_know(fleet: Machine, swarm: Swarm) -> None:
    begin(fleet, f"[services.db]\n{image('store')}")
    fleet.lose_state()
    nothing_is_left(fleet, swarm)


def nothing_is_left(fleet: Machine, swarm: Swarm) -> None:
    wait_for(lambda: swarm.services(fleet.name) == [], "its service is removed", PATIENCE)
    wait_for(lambda: swarm.networks(fleet.name) == [], "its network is removed", PATIENCE)
    wait_for(lambda: not (fleet.home / "state" / "engines-swarm.json").exists(), "the swarm is struck off")


def test_a_service_that_somebody_removes_is_started_again(fleet: Machine, swarm: Swarm) -> None:
    begin(fleet, f"[services.db]\n{image('store')}")
    swarm.api.delete(f"/services/locald-{fleet.name}-db")
    assert fleet.until("db", lambda row: is_healthy(row) and row["run"] == 2, PATIENCE)


@pytest.mark.timeout(150)
def test_a_manager_that_goes_away_during_a_start_is_told_and_the_start_goes_on(
    fleet: Machine, swarm: Swarm
) -> None:
    swarm.only_on(swarm.worker)  # where it goes on meanwhile
    begins = 'command = "sleep 5; touch /tmp/ok; exec sleep 1000000"\n'
    check = 'health_check = { type = "command", command = "test -e /tmp/ok", interval = "300ms" }\n'
    write(fleet, f"[services.db]\n{image('plain')}{begins}{check}")
    assert fleet.locald("up", "--on", "swarm", "-d", timeout=PATIENCE).returncode == 0
    fleet.until("db", lambda row: "is starting" in row["because"], PATIENCE)
    swarm.manager.freeze()
    try:
        row = fleet.until("db", lambda row: "does not answer" in row["because"], PATIENCE)
    finally:
        swarm.manager.thaw()
    assert row["state"] == "starting"
    assert fleet.until("db", is_healthy, PATIENCE)["run"] == 1


@pytest.mark.parametrize(
    ("volumes", "told"),
    [
        ('["a:/data", "b:/data"]', "the swarm refuses to create it: "),
        ("[]", "a service that is not of this locald"),
    ],
)
def test_what_the_swarm_refuses_is_told_and_nothing_is_left(
    fleet: Machine, swarm: Swarm, volumes: str, told: str
) -> None:
    name = f"locald-{fleet.name}-db"
    others = [] if "refuses" in told else [name]
    for other in others:
        body = {"Name": other, "TaskTemplate": {"ContainerSpec": {"Image": "locald-test/plain:1"}}}
        swarm.api.post("/services/create", body)
    write(fleet, f"[services.db]\n{image('store')}volumes = {volumes}\n")
    done = fleet.locald("up", "--on", "swarm", timeout=PATIENCE)
    assert done.returncode == 1
    assert told in done.stderr
    assert "hint:" in done.stderr
    assert fleet.locald("down", timeout=PATIENCE).returncode == 0
    assert [each["Spec"]["Name"] for each in swarm.api.get("/services")] == others
    for other in others:
        swarm.api.delete(f"/services/{other}")


def test_nothing_is_created_where_a_process_has_no_image(fleet: Machine, swarm: Swarm) -> None:
    write(fleet, f'[services.db]\n{image("store")}[services.web]\ncommand = "serve"\n')
    done = fleet.locald("up", "--on", "swarm", timeout=PATIENCE)
    assert done.returncode == 2
    assert "web is a process without an image, which a swarm cannot run" in done.stderr
    assert "--image web=REF" in done.stderr
    assert swarm.services(fleet.name) == []


@shows("project.engine")
def test_the_local_file_makes_the_swarm_the_default_and_on_local_brings_it_back(
    fleet: Machine, swarm: Swarm
) -> None:
    services = '[services.web]\ntype = "worker"\ncommand = "sleep 1000000"\n'
    write(fleet, services)
    fleet.file(
        "locald.local.toml",
        '[project]\nengine = "swarm"\n[services.web]\ntype = "container"\nimage = "locald-test/plain:1"\n',
    )
    assert fleet.locald("up", timeout=PATIENCE).returncode == 0
    assert swarm.services(fleet.name) == [f"locald-{fleet.name}-web"]
    fleet.folder.joinpath("locald.local.toml").unlink()
    done = fleet.locald("up", timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "moves to this machine" in done.stderr
    assert swarm.services(fleet.name) == []
    assert fleet.status()["web"]["type"] == "worker"


@pytest.mark.parametrize(
    ("host", "told", "hint"),
    [
        ("unix:///nowhere/docker.sock", "no such file: /nowhere/docker.sock", "docker"),
        ("worker", "is a worker of its swarm, which takes no orders", "DOCKER_HOST"),
    ],
)
def test_an_engine_that_takes_no_orders_is_told_before_anything_changes(
    fleet: Machine, swarm: Swarm, host: str, told: str, hint: str
) -> None:
    services = '[services.web]\ncommand = "sleep 1000000"\ntype = "worker"\n'
    write(fleet, services)
    assert fleet.locald("up").returncode == 0
    where = swarm.worker.host if host == "worker" else host
    done = fleet.locald(
        "up", "--on", "swarm", "--image", "web=locald-test/plain:1", env={"DOCKER_HOST": where}
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert hint in done.stderr.partition("hint:")[2]
    assert fleet.status()["web"]["health"] == "healthy"


def test_what_is_asked_to_end_while_its_image_is_nowhere_leaves_nothing(fleet: Machine, swarm: Swarm) -> None:
    write(fleet, '[services.web]\nimage = "127.0.0.1:1/nowhere:1"\n')
    assert fleet.locald("up", "--on", "swarm", "-d", timeout=PATIENCE).returncode == 0
    fleet.until("web", lambda row: "No such image" in row["because"], PATIENCE)
    assert fleet.locald("down", timeout=PATIENCE).returncode == 0
    assert swarm.services(fleet.name) == []
