"""Files that list processes: Procfile, process-compose, mprocs, dekit, pitchfork."""

from __future__ import annotations

import pytest

from domain.intake.files import commands, plan, refused, remarks, services, spec
from locald.domain.project.spec import (
    CommandCheck,
    Condition,
    FileWatch,
    HttpCheck,
    KillMode,
    LogCheck,
    RestartPolicy,
    StandardInput,
    TcpCheck,
    Type,
)

# Procfile


def test_a_procfile_is_taken_at_its_word() -> None:
    files = {
        "Procfile": "# it\nweb: bundle exec puma -p $PORT\r\n"
        "some_worker: rake jobs:work  \nrelease: rake db:migrate\n",
        "package.json": '{"scripts": {"dev": "vite"}}',
    }
    found = services(files)
    assert {name: (each.type, each.command) for name, each in found.items()} == {
        "web": (Type.EXEC, "bundle exec puma -p $PORT"),
        "some-worker": (Type.WORKER, "rake jobs:work"),
        "release": (Type.TASK, "rake db:migrate"),
    }
    assert found["web"].depends_on == {"release": Condition.HEALTHY}


def test_a_procfile_of_windows_is_read_like_any_other() -> None:
    text = "web: serve -p 3000\r\n\r\n# no\r\nworker: run  \r\n"
    assert commands({"Procfile": text}) == {"web": "serve -p 3000", "worker": "run"}


def test_the_procfile_for_development_goes_before_the_other() -> None:
    assert commands({"Procfile": "web: a", "Procfile.dev": "web: b"}) == {"web": "b"}


def test_a_process_that_names_a_port_or_is_a_known_server_listens() -> None:
    lines = ("web: x -p 3000", "js: vite", "db: redis-server --port 7777", "css: tailwindcss -w", "x: y")
    found = services({"Procfile.dev": "\n".join(lines)})
    assert {name: (each.type, each.port, each.stdin) for name, each in found.items()} == {
        "web": (Type.EXEC, 3000, StandardInput.EMPTY),
        "js": (Type.EXEC, None, StandardInput.EMPTY),
        "db": (Type.EXEC, 7777, StandardInput.EMPTY),
        "css": (Type.WORKER, None, StandardInput.OPEN),
        "x": (Type.WORKER, None, StandardInput.EMPTY),
    }


def test_what_nobody_can_tell_is_told() -> None:
    because = "nothing says that it listens on a port; if it does, remove `type`"
    assert remarks({"Procfile": "job: ./run"}, "guessed") == [f"job: type: {because}"]
    assert remarks({"Procfile": "job: ./run\nnonsense\n"}, "left") == [": line: it is not NAME: COMMAND"]


def test_the_settings_of_foreman_and_overmind_count() -> None:
    files = {
        ".foreman": "procfile: Procfile.all\nformation: web=1,old=0\nenv: .env,.env.more\n",
        ".overmind.env": "OVERMIND_AUTO_RESTART=job\nOVERMIND_STOP_SIGNALS=web=QUIT\nOVERMIND_PORT=4000\n",
        "Procfile.all": "web: a $PORT\njob: b\nold: c\n",
    }
    found = spec(files)
    assert found.env_file == (".env", ".env.more")
    assert found.services["old"].autostart is False
    assert found.services["job"].restart is RestartPolicy.ALWAYS
    assert found.services["web"].stop_signal == "SIGQUIT"
    assert ": OVERMIND_PORT: each service gets a port of its own in PORT" in remarks(files, "left")


# process-compose

PROCESSES = """
version: "0.5"
environment: [LOG=$LEVEL, PLAIN=1, PRICE=5$$]
processes:
  migrate:
    command: ./migrate
    availability: { restart: exit_on_failure }
  api:
    command: ./api
    description: The API
    working_dir: backend
    environment: ["A=${B}"]
    depends_on:
      migrate: { condition: process_completed_successfully }
      cache: { condition: process_healthy }
    readiness_probe:
      http_get: { host: 127.0.0.1, scheme: http, path: /health, port: 8081 }
      initial_delay_seconds: 3
      period_seconds: 2
      failure_threshold: 4
    availability: { restart: on_failure, max_restarts: 3, backoff_seconds: 2 }
    shutdown: { signal: 2, timeout_seconds: 7, command: ./bye }
    liveness_probe: { exec: { command: x } }
  cache:
    command: ./cache
    ready_log_line: "ready (now)"
    namespace: infra
  off: { command: ./off, disabled: true, readiness_probe: { exec: { command: ./ok } } }
"""


def test_process_compose_key_by_key() -> None:
    found = spec({"process-compose.yaml": PROCESSES})
    api, cache = found.services["api"], found.services["cache"]
    assert found.env == {"LOG": "${LEVEL:-}", "PLAIN": "1", "PRICE": "5$"}
    assert found.services["migrate"].type is Type.TASK
    assert (api.type, api.port, api.workdir, api.env) == (Type.EXEC, 8081, "backend", {"A": "${B:-}"})
    assert api.depends_on == {"migrate": Condition.HEALTHY, "cache": Condition.HEALTHY}
    assert api.health_check is not None
    assert api.health_check.check == HttpCheck("/health")
    assert (api.health_check.interval, api.health_check.retries) == (2.0, 4)
    assert (api.max_restarts, api.stop_signal, api.stop_timeout) == (3, "SIGINT", 7.0)
    assert cache.health_check is not None
    assert cache.health_check.check == LogCheck(r"ready\ \(now\)")
    assert found.groups == {"infra": ("cache",)}
    off = found.services["off"]
    assert off.autostart is False
    assert off.health_check is not None
    assert off.health_check.check == CommandCheck("./ok")


def test_what_process_compose_has_more_is_told() -> None:
    found = remarks({"process-compose.yaml": PROCESSES}, "left")
    assert found == [
        "api: readiness_probe.initial_delay_seconds: one success makes a service healthy, however early",
        "api: availability.backoff_seconds: after 100 ms, doubling up to 30 s",
        "api: shutdown.command: a service is stopped by its signal",
        "api: liveness_probe: health never restarts a service",
    ]


def test_a_check_that_asks_a_port_counts_only_where_a_port_is_known() -> None:
    """Else the file that is written would not be valid. Where the command names one, that is asked."""
    files = {
        "process-compose.yaml": (
            "readiness_probe",
            "processes:\n  a:\n    command: {}\n    readiness_probe: {{ http_get: {{ port: '${{P}}' }} }}\n",
        ),
        "pitchfork.toml": ("ready_http", "[daemons.a]\nrun = '{}'\nready_http = 'http://localhost:99999/'\n"),
    }
    for file, (key, text) in files.items():
        assert services({file: text.format("x")})["a"].health_check is None
        assert f"a: {key}: nothing says which port it asks" in remarks({file: text.format("x")}, "left")
        check = services({file: text.format("x --port 81")})["a"].health_check
        assert check is not None
        assert check.check == HttpCheck("/")


# mprocs, dekit


def test_mprocs_key_by_key() -> None:
    text = """
procs:
  web:
    { shell: "node server.js --port 3000", cwd: "<CONFIG_DIR>/app", env: { A: "1", B: null }, stop: SIGINT }
  api: { cmd: ["cargo", "run"], autorestart: true, autostart: false, stop: { send-keys: ["q"] } }
  css: "sass --watch a:b"
  by-os: { shell: { $select: os, windows: x.exe, $else: ./x } }
  none: null
"""
    found = services({"mprocs.yaml": text})
    web, api = found["web"], found["api"]
    assert (web.command, web.port, web.workdir, web.env) == (
        "node server.js --port 3000",
        3000,
        "app",
        {"A": "1"},
    )
    assert web.stop_signal == "SIGINT"
    assert (api.command, api.restart, api.autostart) == (("cargo", "run"), RestartPolicy.ALWAYS, False)
    assert (found["css"].command, found["css"].type) == ("sass --watch a:b", Type.WORKER)
    assert found["by-os"].command == "./x"
    left = remarks({"mprocs.yaml": text}, "left")
    assert "web: env: B is unset: only values can be given" in left
    assert "api: stop: a service is stopped by a signal" in left


def test_dekit_starts_what_it_is_told_to_and_waits_for_lines() -> None:
    text = """
tasks:
  db: { shell: redis-server, ready_log: "Ready to accept", autostart: true }
  web: { cmd: "vite --host", deps: [db], tags: [front] }
"""
    found = spec({"dekit.yaml": text})
    db, web = found.services["db"], found.services["web"]
    assert (db.autostart, web.autostart, web.command) == (True, False, ("vite", "--host"))
    assert db.health_check is not None
    assert db.health_check.check == LogCheck(r"Ready\ to\ accept")
    assert web.depends_on == {"db": Condition.HEALTHY}
    assert found.groups == {"front": ("web",)}


# pitchfork


def test_pitchfork_key_by_key() -> None:
    text = """
env = { LOG = "debug" }
[daemons.redis]
run = "redis-server --port $PORT"
port = 6380
ready_cmd = "redis-cli ping"
[daemons.migrate]
run = ["./migrate", "up"]
oneshot = true
[daemons.api]
run = "node server.js"
port = { expect = [3000], bump = true }
depends = ["redis", "migrate"]
env = { REDIS_URL = "redis://127.0.0.1:{{ daemons.redis.port }}" }
ready_http = { url = "http://127.0.0.1:3000/health", timeout = "30s" }
retry = 3
dir = "api"
stop_signal = { signal = "SIGINT", timeout = "3s" }
watch = ["src/**", "*.{js,ts}", "/etc/hosts"]
[daemons.tail]
run = "./tail"
ready_output = "up$"
auto = ["start"]
[daemons.sock]
run = "./sock"
ready_port = 9000
"""
    found = spec({"pitchfork.toml": text})
    redis, api = found.services["redis"], found.services["api"]
    assert found.env == {"LOG": "debug"}
    assert (redis.port, found.services["migrate"].type) == (6380, Type.TASK)
    assert (api.port, api.workdir, api.max_restarts) == (3000, "api", 3)
    assert api.env == {"REDIS_URL": "redis://127.0.0.1:${services.redis.port}"}
    assert (api.stop_signal, api.stop_timeout) == ("SIGINT", 3.0)
    checks = [found.services[name].health_check for name in ("redis", "api", "tail", "sock")]
    assert [each.check if each else None for each in checks] == [
        CommandCheck("redis-cli ping"),
        HttpCheck("/health"),
        LogCheck("up$"),
        TcpCheck(),
    ]
    assert found.services["sock"].port == 9000
    assert api.watch == FileWatch(("src/**",))
    left = remarks({"pitchfork.toml": text}, "left")
    assert left == [
        'api: watch: "*.{js,ts}": write a glob for each of the alternatives in braces',
        'api: watch: "/etc/hosts" is no glob relative to the folder of locald.toml',
        "tail: auto: services start with `locald up`, not with the folder",
    ]


def test_files_to_watch_are_those_of_the_folder_that_pitchfork_means() -> None:
    text = '[daemons.api]\nrun = "./api"\nwatch = "src/**"\nwatch_base_dir = "back"\n'
    assert services({"pitchfork.toml": text})["api"].watch == FileWatch(("back/src/**",))
    moved = services({"more/pitchfork.toml": text}, "more/pitchfork.toml")["api"]
    assert moved.watch == FileWatch(("more/back/src/**",))


@pytest.mark.parametrize("yes", ["true", "yes", "On"])
def test_a_signal_for_the_parent_only_is_for_the_main_process(yes: str) -> None:
    text = f"processes: {{ api: {{ command: ./api, disabled: {yes}, shutdown: {{ parent_only: {yes} }} }} }}"
    found = services({"process-compose.yaml": text})["api"]
    assert (found.kill_mode, found.autostart) == (KillMode.MIXED, False)


# Which of them counts.


def test_of_several_lists_the_first_counts_and_the_others_are_named() -> None:
    files = {"process-compose.yaml": "processes: { a: { command: x } }", "Procfile": "web: y"}
    assert commands(files) == {"a": "x"}
    assert ": Procfile: `locald init --from Procfile --force` reads it instead" in remarks(files, "left")
    assert commands(files, "Procfile") == {"web": "y"}


def test_containers_come_beside_processes_and_give_way_to_them() -> None:
    files = {
        "Procfile": "web: ./web $PORT",
        "compose.yaml": "services: { db: { image: postgres }, web: { build: . } }",
    }
    found = services(files)
    assert {name: each.type for name, each in found.items()} == {"web": Type.EXEC, "db": Type.CONTAINER}
    assert plan(files).sources == ("Procfile", "compose.yaml")


@pytest.mark.parametrize("file", ["Tiltfile", ".devcontainer/devcontainer.json", "skaffold.yaml"])
def test_what_is_not_read_is_named(file: str) -> None:
    assert any(
        each.startswith(f": {file}: it ") for each in remarks({file: "x", "Procfile": "web: a"}, "left")
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"process-compose.yaml": "processes: 4"}, '"processes" must be a mapping'),
        ({"mprocs.yaml": "procs: [a]"}, '"procs" must be a mapping'),
        ({"pitchfork.toml": "= 4"}, "pitchfork.toml: is not valid TOML"),
        ({"process-compose.yaml": "["}, "is not valid YAML"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(files: dict[str, str], said: str) -> None:
    assert said in refused(files)


def test_from_a_file_of_another_name_its_content_tells_what_it_is() -> None:
    assert commands({"x.yaml": "procs: { a: { shell: b } }"}, "x.yaml") == {"a": "b"}
    assert commands({"Procfile.test": "web: b"}, "Procfile.test") == {"web": "b"}
    assert "is not of a format" in refused({"x.yaml": "a: 1"}, "x.yaml")
    assert "is not of a format" in refused({"notes.txt": "a: 1"}, "notes.txt")
    assert "cannot be read" in refused({}, "nothing.yaml")


def test_processes_of_a_file_in_another_folder_work_there() -> None:
    files = {"ops/mprocs.yaml": "procs: { a: { shell: b }, c: { shell: d, cwd: sub } }"}
    assert {name: each.workdir for name, each in services(files, "ops/mprocs.yaml").items()} == {
        "a": "ops",
        "c": "ops/sub",
    }


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("mprocs.yaml", 'procs: { web: { shell: ./serve, env: { PORT: "4000", A: b } } }'),
        ("process-compose.yaml", "processes: { web: { command: ./serve, environment: [PORT=4000, A=b] } }"),
        ("pitchfork.toml", '[daemons.web]\nrun = "./serve"\nenv = { PORT = "4000", A = "b" }'),
    ],
)
def test_a_port_that_a_program_is_given_is_the_service_s(file: str, text: str) -> None:
    web = services({file: text})["web"]
    assert (web.type, web.port, web.env) == (Type.EXEC, 4000, {"A": "b"})
    assert "web: port: PORT in its environment names it" in remarks({file: text}, "guessed")
