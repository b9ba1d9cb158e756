"""`up --on kubernetes` as people use it: the whole program, and a cluster with a real API server.

Which one says LOCALD_TEST_KUBECONFIG: any that may be used, or the one of tests/engine/cluster.sh, which runs
what stands in these commands. Without that these tests are not run.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from whole.looking import at, is_healthy
from whole.machine import Machine, wait_for
from whole.showing import shows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = os.environ.get("LOCALD_TEST_KUBECONFIG", "")
pytestmark = [
    pytest.mark.skipif(
        not CONFIG, reason="LOCALD_TEST_KUBECONFIG is not set; tests/engine/cluster.sh makes one"
    ),
    pytest.mark.timeout(300),
]
PATIENCE = 120.0
PLAIN = 'image = "busybox:1.36"\n'
SLEEP = f'{PLAIN}restart = "always"\ncommand = "sleep 1000000"\n'


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def server(says: str = "hello") -> str:
    """A service with a port of its own: pods of a test's kubelet share those of this machine."""
    port = free_port()
    serves = f"echo {says}; exec python3 -m http.server {port}"
    return f'image = "python:3.12-alpine"\ncontainer_port = {port}\ncommand = "{serves}"\n'


class Fleet(Machine):
    """A locald with a cluster."""

    @property
    def namespace(self) -> str:
        return f"locald-{self.name}"

    def kubectl(self, *words: str) -> str:
        asked = ("kubectl", "--kubeconfig", CONFIG, *words)
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout

    def pods(self, service: str = "") -> list[dict[str, Any]]:
        wanted = ("-l", f"locald.service={service}") if service else ()
        said = self.kubectl("-n", self.namespace, "get", "pods", "-o", "json", *wanted)
        found: list[dict[str, Any]] = json.loads(said)["items"]
        return found

    def begins(self, services: str, *args: str) -> dict[str, dict[str, Any]]:
        """`up --on kubernetes`, which has to succeed."""
        self.write(services, name=self.name)
        done = self.locald("up", "--on", "kubernetes", "--json", *args, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return {row["name"]: row for row in json.loads(done.stdout)["services"]}

    def told(self, service: str) -> str:
        return " ".join(each["detail"] for each in self.why(service)["evidence"])

    @property
    def is_clean(self) -> bool:
        return self.kubectl("get", "namespace", self.namespace, "--ignore-not-found") == ""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """One that leaves nothing in its cluster."""
    made = Fleet(tmp_path / "fleet")
    made.env["KUBECONFIG"] = CONFIG
    yield made
    try:
        made.locald("down", timeout=PATIENCE)
        wait_for(lambda: made.is_clean, "its namespace is gone", PATIENCE)
    finally:
        made.close()


def test_a_file_runs_on_the_cluster_in_its_order_and_is_seen_as_here(fleet: Fleet) -> None:
    services = f"""
[services.db]
{server()}
[services.web]
{server("web with $DB")}depends_on = ["db"]
env = {{ DB = "${{services.db.host}}" }}
health_check = {{ type = "http", path = "/" }}
"""
    rows = fleet.begins(services)
    assert (rows["db"]["source"], rows["web"]["source"]) == ("kubernetes", "explicit")
    assert {row["engine"] for row in rows.values()} == {"kubernetes"}
    assert "is ready, its probe passed" in rows["db"]["because"]
    wait_for(lambda: fleet.printed("web")[:1] == ["web with db"], "its first line", PATIENCE)
    assert at(rows["db"]["ready_at"]) <= at(rows["web"]["started_at"])
    told = json.loads(fleet.locald("timeline", "--json").stdout)
    assert told["critical_path"] == ["db", "web"]
    assert fleet.locald("down", timeout=PATIENCE).returncode == 0
    wait_for(lambda: fleet.is_clean, "its namespace is gone", PATIENCE)


def test_a_killed_pod_is_replaced_and_why_names_it(fleet: Fleet) -> None:
    fleet.begins(f"[services.db]\n{server()}")
    (pod,) = fleet.pods()
    fleet.kubectl("-n", fleet.namespace, "delete", "pod", pod["metadata"]["name"])
    row = fleet.until("db", lambda row: is_healthy(row) and row["restarts"] == 1, PATIENCE)
    assert row["run"] == 1
    assert f"pod {pod['metadata']['name']} on node" in fleet.told("db")
    assert "Kubernetes starts another" in fleet.told("db")


def test_a_container_that_crashes_is_told_with_its_exit_code(fleet: Fleet) -> None:
    crashes = "echo first; sleep 4; echo about to crash; exit 3"
    row = fleet.begins(f'[services.db]\n{PLAIN}restart = "always"\ncommand = "{crashes}"\n')["db"]
    assert row["source"] == "process"
    fleet.until("db", lambda row: row["restarts"] >= 1, PATIENCE)
    assert "its container ended: exit code 3; Kubernetes starts another" in fleet.told("db")
    expected = ["first", "about to crash", "first"]
    wait_for(lambda: fleet.printed("db")[:3] == expected, "the lines of both containers", PATIENCE)


def test_the_daemon_is_killed_and_the_next_one_takes_up_what_is_there(fleet: Fleet) -> None:
    fleet.begins(f'[services.db]\n{server()}[services.web]\n{server()}depends_on = ["db"]\n')
    before = {pod["metadata"]["uid"] for pod in fleet.pods()}
    fleet.kill_daemon()
    fleet.status()  # starts another
    after = fleet.until_all(lambda rows: len(rows) == 2 and all(map(is_healthy, rows.values())), PATIENCE)
    assert {name: row["run"] for name, row in after.items()} == {"db": 1, "web": 1}
    assert {pod["metadata"]["uid"] for pod in fleet.pods()} == before
    fleet.locald("restart", "web", timeout=PATIENCE)
    assert fleet.status()["web"]["run"] == 2
    assert fleet.status()["db"]["run"] == 1
    wait_for(lambda: fleet.printed("web").count("hello") == 2, "both runs' lines", PATIENCE)


def test_a_daemon_that_has_lost_its_state_removes_what_it_does_not_know(fleet: Fleet) -> None:
    fleet.begins(f"[services.db]\n{server()}")
    fleet.lose_state()
    wait_for(lambda: fleet.is_clean, "its namespace is gone", PATIENCE)
    used = fleet.home / "state" / "engines-kubernetes.json"
    wait_for(lambda: not used.exists(), "the cluster is struck off", PATIENCE)


def test_output_is_followed_and_what_is_printed_last_is_kept(fleet: Fleet) -> None:
    command = "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.1; done"
    fleet.begins(f'[services.job]\n{PLAIN}command = "{command}"\n')
    wait_for(lambda: fleet.printed("job") == ["hello"], "its first line", PATIENCE)
    fleet.locald("stop", timeout=PATIENCE)
    assert fleet.printed("job") == ["hello", "bye"]


def test_a_task_runs_as_a_job_before_what_needs_it(fleet: Fleet) -> None:
    services = f'[services.seed]\ntype = "task"\ncommand = "echo seeded"\n[services.web]\n{SLEEP}'
    rows = fleet.begins(services + 'depends_on = ["seed"]\n', "--image", "seed=busybox:1.36")
    assert rows["seed"]["state"] == "completed"
    wait_for(lambda: fleet.printed("seed") == ["seeded"], "what it printed", PATIENCE)


def test_what_ends_by_itself_has_failed_with_its_pod_and_its_code(fleet: Fleet) -> None:
    crashes = 'command = "echo about to crash >&2; exit 3"'
    fleet.write(f'[services.bad]\n{PLAIN}{crashes}\nrestart = "no"\n', name=fleet.name)
    done = fleet.locald("up", "--on", "kubernetes", timeout=PATIENCE)
    assert done.returncode == 1
    assert "about to crash" in done.stderr
    row = fleet.status()["bad"]
    assert (row["state"], row["exit_code"]) == ("failed", 3)
    assert "pod bad-" in row["because"]


def test_a_check_that_fails_later_makes_it_unhealthy_and_restarts_nothing(
    fleet: Fleet, tmp_path: Path
) -> None:
    port = free_port()
    serves = f"d=$(mktemp -d); cd $d; touch up; (sleep 5; rm up) & exec python3 -m http.server {port}"
    check = '{ type = "http", path = "/up", interval = "1s", retries = 1 }'
    fleet.begins(
        f'[services.web]\nimage = "python:3.12-alpine"\ncontainer_port = {port}\ncommand = "{serves}"\n'
        f"health_check = {check}\n"
    )
    row = fleet.until("web", lambda row: row["health"] == "unhealthy", PATIENCE)
    assert row["restarts"] == 0
    wait_for(lambda: "statuscode: 404" in fleet.told("web"), "the kubelet's own words", PATIENCE)


def test_an_image_that_is_nowhere_is_told_and_leaves_nothing(fleet: Fleet) -> None:
    fleet.write('[services.web]\nimage = "nowhere.invalid/web:1"\n', name=fleet.name)
    assert fleet.locald("up", "--on", "kubernetes", "-d", timeout=PATIENCE).returncode == 0
    fleet.until("web", lambda row: "Pull" in row["because"], PATIENCE)
    assert fleet.locald("down", timeout=PATIENCE).returncode == 0


def test_a_volume_outlives_down_and_is_the_only_thing_that_does(fleet: Fleet) -> None:
    keeps = '[services.db]\ntype = "container"\nimage = "busybox:1.36"\nvolumes = ["data:/data"]\n'
    fleet.write(f'{keeps}command = "sleep 1000000"\n', name=fleet.name)
    done = fleet.locald("up", "--on", "kubernetes", "-d", timeout=PATIENCE)
    assert "volumes: data is a new claim of 1Gi" in done.stderr
    wait_for(lambda: fleet.pods() != [], "its pod", PATIENCE)
    assert fleet.locald("down", timeout=PATIENCE).returncode == 0
    kinds = "deployments,jobs,pods,services,secrets,persistentvolumeclaims"
    assert fleet.kubectl("-n", fleet.namespace, "get", kinds, "-o", "name").split() == [
        "persistentvolumeclaim/data"
    ]
    fleet.kubectl("delete", "namespace", fleet.namespace)


def test_a_cluster_that_does_not_answer_is_told_and_nothing_is_forgotten(fleet: Fleet) -> None:
    fleet.begins(f"[services.db]\n{server()}")
    mine = [
        int(pid)
        for pid in os.listdir("/proc")
        if pid.isdigit() and _is_proxy_of(int(pid), fleet.daemon_pid())
    ]
    assert mine
    for pid in mine:
        os.kill(pid, signal.SIGKILL)
    fleet.until("db", lambda row: not is_healthy(row), PATIENCE)
    row = fleet.until("db", is_healthy, PATIENCE)
    assert (row["run"], row["restarts"]) == (1, 0)


def _is_proxy_of(pid: int, daemon: int) -> bool:
    """Whether it is a kubectl that a shell of this daemon runs."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            words = file.read().split("\0")
        with open(f"/proc/{pid}/stat") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
        with open(f"/proc/{parent}/stat") as file:
            return "kubectl" in words[0] and int(file.read().rpartition(")")[2].split()[1]) == daemon
    except (OSError, IndexError):
        return False


def test_what_somebody_removes_is_started_again(fleet: Fleet) -> None:
    fleet.begins(f"[services.db]\n{SLEEP}")
    fleet.kubectl("-n", fleet.namespace, "delete", "deployment", "db")
    assert fleet.until("db", lambda row: is_healthy(row) and row["run"] == 2, PATIENCE)


def test_what_is_not_ours_is_not_touched(fleet: Fleet) -> None:
    fleet.kubectl("create", "namespace", fleet.namespace)
    try:
        fleet.write(f"[services.db]\n{SLEEP}", name=fleet.name)
        done = fleet.locald("up", "--on", "kubernetes", timeout=PATIENCE)
        assert done.returncode == 1
        assert "a namespace that is not of this locald" in done.stderr
    finally:
        fleet.kubectl("delete", "namespace", fleet.namespace)


def test_what_runs_stays_in_its_context_whatever_kubectl_is_told(fleet: Fleet, tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copy(CONFIG, config)
    fleet.env["KUBECONFIG"] = str(config)
    fleet.begins(f"[services.db]\n{SLEEP}")
    switch = ("kubectl", "--kubeconfig", str(config), "config")
    subprocess.run((*switch, "set-context", "other", "--cluster=nowhere"), check=True, capture_output=True)
    subprocess.run((*switch, "use-context", "other"), check=True, capture_output=True)
    assert fleet.begins(f"[services.db]\n{SLEEP}")["db"]["run"] == 1
    fleet.write(f"[services.db]\n{SLEEP}", name=fleet.name)
    done = fleet.locald("up", "--on", "kubernetes", "--context", "other", timeout=PATIENCE)
    assert done.returncode == 2
    assert "other" in done.stderr


@shows("project.engine")
def test_the_local_file_makes_it_the_default_and_on_local_brings_it_back(fleet: Fleet) -> None:
    fleet.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000000"\n', name=fleet.name)
    fleet.file(
        "locald.local.toml",
        f'[project]\nengine = "kubernetes"\n[services.web]\ntype = "container"\n{PLAIN}',
    )
    assert fleet.locald("up", timeout=PATIENCE).returncode == 0
    assert [pod["metadata"]["labels"]["locald.service"] for pod in fleet.pods()] == ["web"]
    fleet.folder.joinpath("locald.local.toml").unlink()
    done = fleet.locald("up", timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "moves to this machine" in done.stderr
