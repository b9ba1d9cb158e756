"""The daemon's socket, as `curl` sees it: documents, streams and errors, for the owner alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from whole import programs
from whole.machine import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whole.machine import Json, Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]

SLEEPER = 'type = "worker"\ncommand = "exec sleep 9999"\n'


class Answer:
    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json")
        return json.loads(self.body)


def ask(machine: Machine, method: str, target: str, body: object = None, *, version: str = "1.1") -> Answer:
    """One request, as a program without our client would make it."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {target} HTTP/{version}\r\nHost: locald\r\nConnection: close\r\n"
    head += f"Content-Length: {len(content)}\r\nContent-Type: application/json\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(PATIENCE)
        caller.connect(str(machine.home / "run" / "locald.sock"))
        caller.sendall(head.encode() + content)
        return Answer(b"".join(iter(lambda: caller.recv(65536), b"")))


def get(machine: Machine, target: str) -> Any:
    answer = ask(machine, "GET", target)
    assert answer.status == 200, answer.body
    return answer.json


# Who may.


def test_the_socket_and_what_is_kept_are_the_owner_s_alone(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    machine.locald("server", "restart")
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in machine.home.rglob("*")}
    assert modes[machine.home / "run" / "locald.sock"] == 0o600
    assert modes[machine.home / "run" / "keeper.sock"] == 0o600
    for path, mode in modes.items():
        assert mode & 0o077 == 0 or path.is_socket(), f"{path} is {mode:o}"
        assert not path.is_dir() or mode == 0o700, f"{path} is {mode:o}"


def test_folders_that_others_could_look_into_are_closed(machine: Machine) -> None:
    (machine.home / "logs").mkdir(mode=0o755)
    machine.locald("server", "start")
    assert stat.S_IMODE((machine.home / "logs").stat().st_mode) == 0o700


def test_folders_that_are_made_on_the_way_are_the_owner_s_alone_whatever_the_umask(machine: Machine) -> None:
    home = machine.home / "new" / "home"
    machine.env["LOCALD_HOME"] = str(home)
    before = os.umask(0)
    try:
        machine.locald("server", "start")
        assert {stat.S_IMODE(each.stat().st_mode) for each in (home.parent, home, home / "state")} == {0o700}
    finally:
        os.umask(before)
        assert machine.locald("server", "stop").returncode == 0


def test_without_locald_home_the_xdg_folders_are_used(machine: Machine, tmp_path: Path) -> None:
    """And without a runtime folder one in the temporary directory; both find the same daemon."""
    machine.write(f"[services.web]\n{SLEEPER}")
    state, run, temporary = machine.home / "state", machine.home / "run", machine.home / "tmp"
    for folder in (state, run, temporary):
        folder.mkdir(mode=0o755)
    del machine.env["LOCALD_HOME"]
    machine.env |= {"XDG_STATE_HOME": str(state), "TMPDIR": str(temporary), "HOME": str(tmp_path)}
    try:
        assert machine.locald("up", env={"XDG_RUNTIME_DIR": str(run)}).returncode == 0
        assert (run / "locald" / "locald.sock").is_socket()
        assert (state / "locald" / "state.json").is_file()
        assert (state / "locald" / "logs" / "daemon.log").is_file()
        assert machine.locald("status").returncode == 0, "the lock says where it listens"
        assert machine.locald("server", "stop").returncode == 0
        assert machine.locald("up").returncode == 0
        fallback = temporary / f"locald-{os.geteuid()}"
        assert stat.S_IMODE(fallback.stat().st_mode) == 0o700
        assert (fallback / "locald.sock").is_socket()
        assert stat.S_IMODE((state / "locald").stat().st_mode) == 0o700
        assert list(tmp_path.iterdir()) == [machine.folder]
    finally:
        assert machine.locald("server", "stop").returncode == 0


# Questions.

ROW = {
    "name": str,
    "project": str,
    "instance": str | None,
    "shared": bool,
    "shared_by": list,
    "directory": str,
    "type": str,
    "engine": str,
    "state": str,
    "health": str,
    "source": str,
    "check": str | None,
    "fallback": bool,
    "because": str,
    "reason": str,
    "hint": str | None,
    "since": str,
    "waiting_on": list,
    "depends_on": dict,
    "pid": int | None,
    "container": str | None,
    "port": int | None,
    "port_source": str | None,
    "address": str | None,
    "url": str | None,
    "name_url": str | None,
    "on_demand": bool,
    "run": int,
    "restarts": int,
    "exit_code": int | None,
    "started_at": str | None,
    "ready_at": str | None,
    "left": str | None,
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_status_is_the_same_document_for_everybody(machine: Machine, puppet: Make) -> None:
    """`curl --unix-socket … /v1/status` and `status --json`; with every promised field, of the right type."""
    queue = puppet("queue")
    machine.write(
        f"""
        [services]
        db = {{ command = {programs.SERVE} }}
        queue = {{ type = "worker", command = {queue.command}, depends_on = ["db"] }}
        bad = {{ type = "task", command = "exit 7" }}
        last = {{ command = {programs.SERVE}, depends_on = ["bad"] }}
        """
    )
    machine.locald("up")
    document = get(machine, "/v1/status")
    assert list(document) == ["daemon", "services"]
    assert list(document["daemon"]) == ["pid", "version", "started_at", "dashboard_url"]
    for row in document["services"]:
        assert list(row) == list(ROW)
        for name, kind in ROW.items():
            assert isinstance(row[name], kind), (name, row[name])
        assert row["because"]
        for name in ("since", "started_at", "ready_at"):
            assert row[name] is None or TIME.fullmatch(row[name]), row[name]
    rows = {row["name"]: row for row in document["services"]}
    assert rows["bad"]["exit_code"] == 7
    assert (rows["last"]["state"], rows["last"]["waiting_on"], rows["last"]["run"]) == ("blocked", ["bad"], 0)
    assert json.loads(machine.locald("status", "--json").stdout) == document


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_curl_can_ask(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    sock = str(machine.home / "run" / "locald.sock")
    done = subprocess.run(
        ["curl", "-fsS", "--unix-socket", sock, "http://locald/v1/status"],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    assert json.loads(done.stdout)["services"][0]["name"] == "web"


def test_a_folder_that_was_never_brought_up_is_shown_as_its_file_says(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.locald("server", "start")
    (row,) = get(machine, f"/v1/status?directory={machine.folder}")["services"]
    assert (row["name"], row["state"], row["health"], row["run"]) == ("web", "stopped", "unknown", 0)
    assert get(machine, "/v1/status")["services"] == []


def test_why_timeline_and_environment_are_documents_too(machine: Machine) -> None:
    machine.write(f"[services.db]\ncommand = {programs.SERVE}\nenv = {{ A = '1' }}\n")
    machine.up()
    why = get(machine, "/v1/why?project=shop&service=db")
    assert list(why) == [
        "service", "project", "instance", "state", "health", "source", "because", "cause", "blockers",
        "evidence",
        "hints", "summary",
    ]  # fmt: skip
    assert all(list(each) == ["source", "check", "ok", "at", "detail"] for each in why["evidence"])
    assert why["evidence"][0]["ok"] is True
    timeline = get(machine, f"/v1/timeline?directory={machine.folder}")
    assert list(timeline) == ["project", "instance", "services", "critical_path", "total_ms", "before"]
    assert list(timeline["services"][0]) == [
        "name", "queued_at", "spawned_at", "listening_at", "ready_at", "source", "waited_for", "median_ms",
        "cause", "ended_at",
    ]  # fmt: skip
    environment = get(machine, "/v1/environment?project=shop&service=db")
    assert environment["workdir"] == str(machine.folder)
    origins = environment["origins"]
    assert (origins["A"], origins["PORT"], origins["PATH"]) == ("env", "locald", "shell")
    assert environment["env"]["PORT"] == str(machine.status()["db"]["port"])


def test_where_a_service_is_defined_is_told_with_its_line(machine: Machine) -> None:
    """That of locald.local.toml for what only this has; none for what the file has no more."""
    machine.write(f"[services.web]\n{SLEEPER}")
    (machine.folder / "locald.local.toml").write_text(f"# mine\n\n[services.mine]\n{SLEEPER}")
    machine.up()
    written = (machine.folder / "locald.toml").read_text().splitlines()
    told = get(machine, "/v1/definition?project=shop&service=web")
    assert (told["type"], told["image"], told["workdir"]) == ("worker", None, str(machine.folder))
    assert told["command"] in SLEEPER
    assert told["file"] == str(machine.folder / "locald.toml")
    assert written[told["line"] - 1].strip() == "[services.web]"
    mine = get(machine, "/v1/definition?project=shop&service=mine")
    assert (mine["file"], mine["line"]) == (str(machine.folder / "locald.local.toml"), 3)
    machine.write(f"[services.other]\n{SLEEPER}")
    assert get(machine, "/v1/definition?project=shop&service=web")["line"] is None


# The description.


def test_openapi_describes_every_route_and_its_documents(machine: Machine) -> None:
    """What it says about them is true of real answers."""
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    described = get(machine, "/v1/openapi.json")
    assert re.fullmatch(r"3\.\d+\.\d+", described["openapi"])
    assert described["info"]["title"]
    assert described["info"]["version"]
    paths = described["paths"]
    for method, path in (
        *(("get", f"/v1/{name}") for name in ("ping", "status", "events", "why", "timeline", "logs")),
        *(("post", f"/v1/{name}") for name in ("up", "stop", "restart", "down", "server/stop")),
    ):
        operation = paths[path][method]
        assert operation["summary"] or operation["description"]
        assert "200" in operation["responses"]
        for response in operation["responses"].values():
            assert response["description"]
    for ref in refs(described):
        assert resolved(described, ref), ref
    for path, target in {
        "/v1/status": "/v1/status",
        "/v1/why": "/v1/why?project=shop&service=web",
        "/v1/timeline": "/v1/timeline?project=shop",
    }.items():
        schema = paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": described["components"]}
        jsonschema.Draft202012Validator(whole).validate(get(machine, target))


def refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
        for value in part.values():
            yield from refs(value)
    elif isinstance(part, list):
        for value in part:
            yield from refs(value)


def resolved(document: Json, ref: str) -> Any:
    found: Any = document
    for name in ref.removeprefix("#/").split("/"):
        found = found[name]
    return found


# Commands.


def test_up_stop_and_down_answer_at_once_with_what_they_are_about(machine: Machine) -> None:
    machine.write(
        f"[services.db]\n{SLEEPER}[services.api]\n{SLEEPER}depends_on = ['db']\n[services.other]\n{SLEEPER}"
    )
    machine.locald("server", "start")
    where = {"directory": str(machine.folder)}
    caller = {"env": {"PATH": os.environ["PATH"], "PORT_API": "5"}, "umask": 0o22, "limits": {}}
    up = ask(machine, "POST", "/v1/up", {**where, "services": ["api"], "caller": caller})
    assert up.status == 200
    assert (up.json["project"], up.json["services"]) == ("shop", ["db", "api"])
    rows = machine.until_all(lambda rows: rows["api"]["health"] == "healthy")
    assert rows["other"]["run"] == 0
    stop = ask(machine, "POST", "/v1/stop", {"project": "shop", "services": ["db"]})
    assert set(stop.json["services"]) == {"db", "api"}
    machine.until_all(lambda rows: rows["db"]["state"] == "stopped" and rows["api"]["state"] == "blocked")
    assert ask(machine, "POST", "/v1/down", {"project": "shop"}).status == 200
    assert ask(machine, "POST", "/v1/down", where).status == 200, "what is not up is down already"


def test_down_and_up_at_once_begin_another_run_of_the_same_number(machine: Machine) -> None:
    """However soon: what is over is remembered until that is saved, and its successor has the same name."""
    machine.write(f"[services.db]\n{SLEEPER}")
    machine.locald("server", "start")
    where = {"directory": str(machine.folder)}
    caller = {"env": {"PATH": os.environ["PATH"]}, "umask": 0o22, "limits": {}}
    pids = set()
    for _ in range(5):
        assert ask(machine, "POST", "/v1/up", {**where, "caller": caller}).status == 200
        row = machine.until("db", lambda row: row["health"] == "healthy")
        assert row["run"] == 1
        pids.add(row["pid"])
        assert ask(machine, "POST", "/v1/down", where).status == 200
        machine.until_all(lambda rows: "db" not in rows)
    assert len(pids) == 5


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/v1/nothing", None, 404),
        ("POST", "/v1/status", None, 405),
        ("GET", "/v1/status?project=nowhere", None, 422),
        ("GET", "/v1/status?project=shop&service=wbe", None, 422),
        ("GET", "/v1/why", None, 422),
        ("GET", "/v1/why?project=shop", None, 422),
        ("GET", "/v1/timeline", None, 422),
        ("GET", "/v1/events?until=never", None, 422),
        ("GET", "/v1/logs?n=many", None, 422),
        ("GET", "/v1/logs?grep=(", None, 422),
        ("GET", "/v1/logs?since=yesterday", None, 422),
        ("POST", "/v1/up", {}, 422),
        ("POST", "/v1/up", {"directory": "/nowhere"}, 422),
        ("POST", "/v1/up", {"directory": "/nowhere", "caller": {"env": 5}}, 422),
        ("POST", "/v1/stop", {}, 422),
        ("POST", "/v1/restart", {"project": "shop", "services": ["wbe"]}, 422),
        ("POST", "/v1/down", {"project": "nowhere"}, 422),
    ],
)
def test_an_error_is_a_document_of_problems(
    machine: Machine, method: str, target: str, body: object, status: int
) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    answer = ask(machine, method, target, body)
    assert answer.status == status, answer.body
    assert list(answer.json) == ["problems", "exit"]
    assert answer.json["exit"] == 2
    for problem in answer.json["problems"]:
        assert list(problem) == ["what", "where", "hint"]
        assert problem["what"]
        assert problem["hint"]
    assert machine.status()["web"]["state"] == "running"


# Streams.


class Stream:
    """An answer that goes on, as lines."""

    def __init__(self, machine: Machine, target: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(machine.home / "run" / "locald.sock"))
        self._socket.sendall(f"GET {target} HTTP/1.0\r\nHost: locald\r\n\r\n".encode())
        self._lines = self._socket.makefile("r", encoding="utf-8", newline="\n")
        self.head = [line.strip() for line in iter(self._lines.readline, "\r\n")]

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def line(self) -> str:
        line = self._lines.readline()
        assert line, "the stream has ended"
        return line.rstrip("\n")

    def entry(self) -> Json:
        """A line of a log; an empty one only says that somebody is still there."""
        while not (line := self.line()):
            pass
        entry: Json = json.loads(line)
        return entry

    def event(self) -> tuple[str, Json]:
        name = self.line()
        data = self.line()
        assert self.line() == ""
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_events_begin_with_everything_and_go_on_with_what_changes(machine: Machine, puppet: Make) -> None:
    web = puppet("web")
    machine.write(f"[services.web]\ncommand = {web.command}\n[services.other]\n{SLEEPER}")
    machine.up("other")
    with Stream(machine, "/v1/events?project=shop&service=web&until=ready") as stream:
        assert "Content-Type: text/event-stream" in stream.head
        name, snapshot = stream.event()
        assert name == "snapshot"
        assert snapshot["daemon"]["pid"] == machine.daemon_pid()
        assert [(row["name"], row["state"]) for row in snapshot["services"]] == [("web", "stopped")]
        assert snapshot["settled"] is True
        machine.locald("up", "-d")
        web.run().listen()
        states = []
        settled = False
        while not settled:
            name, change = stream.event()
            assert name == "change"
            assert {row["name"] for row in change["services"]} <= {"web"}
            states += [row["state"] for row in change["services"]]
            settled = change["settled"] and states[-1:] == ["running"]
        assert states[0] == "starting"
        machine.locald("down")
        removed: list[Json] = []
        while not removed:
            removed = stream.event()[1]["removed"]
        assert removed == [{"project": "shop", "instance": None, "name": "web"}]


def test_logs_are_lines_of_json_that_may_go_on(machine: Machine, puppet: Make) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}')
    machine.up()
    run = web.run()
    run.say("\033[1mone\033[0m")
    with Stream(machine, "/v1/logs?project=shop&service=web&follow=1&grep=one|two&plain=1") as stream:
        assert stream.entry()["line"] == "one"
        run.say("two")
        entry = stream.entry()
        assert (entry["line"], entry["stream"], entry["run"]) == ("two", "stdout", 1)


def test_a_history_may_be_had_as_text(machine: Machine, puppet: Make) -> None:
    """In pieces of one stream, each behind a line that says whose and how long it is."""
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}')
    machine.up()
    run = web.run()
    run.say("\033[1mone\033[0m", "two", "three")
    run.do("print", "err\n", 2)
    wait_for(lambda: machine.printed("web")[-1:] == ["err"], "all of it")
    asked = "/v1/logs?project=shop&service=web&plain=1&format=text&grep=%5E%5Bote%5D"
    first, *told = ask(machine, "GET", asked, version="1.0").body.split(b"\n{")
    assert json.loads(first) == {"services": ["web"]}
    assert [part.partition(b"\n") for part in told] == [
        (b'"service": "web", "stream": "stdout", "bytes": 14}', b"\n", b"one\ntwo\nthree"),
        (b'"service": "web", "stream": "stderr", "bytes": 4}', b"\n", b"err\n"),
    ]
    assert ask(machine, "GET", f"{asked}&follow=1").status == 422


def test_many_readers_that_do_not_read_hold_nobody_up(machine: Machine, puppet: Make) -> None:
    """Neither the service that prints, nor who asks."""
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}')
    machine.up()
    run = web.run()
    streams = [Stream(machine, "/v1/logs?project=shop&follow=1") for _ in range(5)]
    streams += [Stream(machine, "/v1/events") for _ in range(5)]
    for number in range(20):
        run.say(*(f"{number} {'x' * 1000}" for _ in range(200)))
        run.do("notify", *(f"STATUS={number}.{each} {'y' * 100}" for each in range(50)))
    assert "19.49" in machine.until("web", lambda row: "19.49" in row["because"])["because"]
    assert machine.printed("web", "-n", "1")[0].startswith("19 ")
    for stream in streams:
        stream.__exit__()


def test_ping_says_who_answers(machine: Machine) -> None:
    machine.locald("server", "start")
    assert get(machine, "/v1/ping").keys() >= {"pid", "version"}
    assert get(machine, "/v1/ping")["pid"] == machine.daemon_pid()
