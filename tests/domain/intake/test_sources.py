"""What the sources of a project say where no file lists its processes."""

from __future__ import annotations

import json
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.intake.files import commands, plan, remarks, services, valid
from locald.domain.intake import writing
from locald.domain.project import template
from locald.domain.project.spec import Type
from locald.domain.values import toml

if TYPE_CHECKING:
    from types import FrameType


def package(**scripts: str) -> str:
    return json.dumps({"scripts": scripts})


FAST = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\n"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"package.json": package(dev="vite")}, "npm run dev -- --port $PORT"),
        ({"package.json": package(dev="vite"), "pnpm-lock.yaml": ""}, "pnpm run dev --port $PORT"),
        ({"package.json": package(start="node server.js"), "yarn.lock": ""}, "yarn run start"),
        ({"package.json": package(start="react-scripts start")}, "npm run start"),
        ({"package.json": package(dev="vite --port $PORT")}, "npm run dev"),
        ({"manage.py": ""}, "python3 manage.py runserver $PORT"),
        ({"manage.py": "", "uv.lock": ""}, "uv run python manage.py runserver $PORT"),
        ({"manage.py": "", ".venv/bin/python": ""}, ".venv/bin/python manage.py runserver $PORT"),
        ({"main.py": FAST}, "uvicorn main:app --reload --port $PORT"),
        ({"main.py": FAST, "uv.lock": ""}, "uv run uvicorn main:app --reload --port $PORT"),
        (
            {"app/main.py": FAST, "requirements.txt": "fastapi[standard]"},
            "fastapi dev app/main.py --port $PORT",
        ),
        ({"app/main.py": FAST}, "uvicorn app.main:app --reload --port $PORT"),
        ({"src/shop/main.py": FAST}, "uvicorn shop.main:app --app-dir src --reload --port $PORT"),
        ({"app.py": FLASK}, "flask --app app run --port $PORT"),
        ({"app.py": FLASK.replace("app =", "site =")}, "flask --app app:site run --port $PORT"),
        (
            {"app/__init__.py": "def create_app():\n    return Flask(__name__)"},
            "flask --app app run --port $PORT",
        ),
        (
            {"app.py": "import streamlit as st\n"},
            "streamlit run app.py --server.port $PORT --server.headless true",
        ),
        ({"server.py": "HTTPServer(('', 1), H).serve_forever()"}, "python3 server.py"),
        ({"bin/rails": "", "config.ru": ""}, "bin/rails server -p $PORT"),
        ({"Cargo.toml": '[package]\nname = "x"\n[dependencies]\naxum = "1"', "src/main.rs": ""}, "cargo run"),
        ({"go.mod": "module x", "main.go": "package main\nhttp.ListenAndServe()"}, "go run ."),
        ({"go.mod": "", "cmd/api/main.go": "package main\ngin.Default()"}, "go run ./cmd/api"),
        ({"server.js": "app.listen(1)"}, "node server.js"),
        ({"index.html": ""}, "python3 -m http.server $PORT --bind 127.0.0.1"),
        ({"Makefile": "serve: build\n\tflask run --port $(PORT)\n"}, "make serve"),
    ],
)
def test_a_project_is_started_as_its_own_tools_start_it(files: dict[str, str], command: str) -> None:
    assert commands(files) == {"web": command}


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"server.py": "HTTPServer(('', 1), H).serve_forever()"}, "server.py"),
        ({"app.py": "import streamlit as st\n"}, "app.py"),
        ({"app/main.py": FAST}, "app/main.py"),
        ({"app/main.py": FAST, "requirements.txt": "fastapi"}, "requirements.txt"),
    ],
)
def test_the_file_that_says_it_is_named(files: dict[str, str], source: str) -> None:
    assert plan(files).sources == (source,)
    assert {each.where for each in plan(files).remarks} <= {source}


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"README.md": "x"},
        {"package.json": "not json"},
        {"package.json": '{"scripts": []}'},
        {"package.json": package(test="jest")},
        {"main.py": "print(1)"},
        {"pyproject.toml": '[project]\nname = "lib"'},
        {"Cargo.toml": '[package]\nname = "x"', "src/main.rs": "fn main() {}"},
        {"go.mod": "", "main.go": "package main\nfunc main() {}"},
        {"Makefile": "run:\n\t./program\n"},
    ],
)
def test_what_is_not_sure_to_serve_is_no_service(files: dict[str, str]) -> None:
    assert commands(files) == {}
    assert "http.server" not in writing.text(plan(files), "shop")


def test_programs_that_are_not_known_to_serve_are_named() -> None:
    files = {"Cargo.toml": '[package]\nname = "x"', "src/main.rs": "fn main() {}"}
    assert remarks(files, "left") == [
        ": x: nothing in it says that it serves: add it as a service if it does"
    ]
    assert remarks({"Makefile": "dev:\n\tdocker compose up\n"}, "left") == [
        ": dev: it starts more than one server: write these as services"
    ]


def test_a_frontend_and_a_backend_are_two_services() -> None:
    assert commands({"package.json": package(dev="vite"), "manage.py": ""}) == {
        "web": "npm run dev -- --port $PORT",
        "api": "python3 manage.py runserver $PORT",
    }


# Several at once.


@pytest.mark.parametrize(
    "script",
    [
        'concurrently "npm:api" "npm:watch:css"',
        'concurrently -k -n api,css "npm run api" "npm run watch:css"',
        "run-p api watch:*",
        "npm-run-all --parallel api watch:css",
        "npm run api & npm run watch:css",
    ],
)
def test_a_script_that_starts_several_is_a_service_each(script: str) -> None:
    files = {
        "package.json": json.dumps(
            {"scripts": {"dev": script, "api": "node api.js", "watch:css": "sass --watch a:b"}}
        )
    }
    found = services(files)
    assert {name: (each.type, each.command) for name, each in found.items()} == {
        "api": (Type.EXEC, "npm run api"),
        "css": (Type.WORKER, "npm run watch:css"),
    }


def test_a_command_of_concurrently_that_is_no_script_is_found_as_a_script_would_find_it() -> None:
    files = {"package.json": package(dev='concurrently "vite" "node api.js"')}
    assert commands(files) == {"vite": "npx vite", "api": "node api.js"}


@pytest.mark.parametrize(
    "dev", ["turbo run dev", "npm run dev --workspaces", "pnpm -r dev", "nx run-many -t dev", ""]
)
def test_workspaces_are_a_service_each(dev: str) -> None:
    root = {"workspaces": ["apps/*"], "scripts": {"dev": dev} if dev else {}}
    files = {
        "package.json": json.dumps(root),
        "apps/web/package.json": package(dev="vite"),
        "apps/api/package.json": package(dev="node server.js"),
        "apps/lib/package.json": package(build="tsc"),
    }
    found = services(files)
    assert {name: (each.command, each.workdir) for name, each in found.items()} == {
        "api": ("npm run dev", "apps/api"),
        "web": ("npm run dev -- --port $PORT", "apps/web"),
    }


@pytest.mark.parametrize("dev", ["vite", "concurrently npm:dev:a npm:dev:web"])
def test_workspaces_that_the_script_of_the_root_does_not_name_are_told(dev: str) -> None:
    scripts = {"dev": dev, "dev:a": "node a.js", "dev:web": "npm run dev -w apps/web"}
    files = {
        "package.json": json.dumps({"workspaces": ["apps/*"], "scripts": scripts}),
        "apps/web/package.json": package(dev="vite"),
        "apps/api/package.json": package(dev="node server.js"),
        "apps/lib/package.json": package(build="tsc"),
    }
    told = 'only the script "dev" of package.json is read, which may start it'
    assert remarks(files, "left") == [f": apps/api: {told}"]


def test_workspaces_of_pnpm_are_in_a_file_of_their_own() -> None:
    files = {
        "package.json": package(dev="turbo dev"),
        "pnpm-workspace.yaml": "packages: ['apps/*', '!apps/old']\n",
        "pnpm-lock.yaml": "",
        "apps/web/package.json": package(dev="next dev"),
    }
    assert commands(files) == {"web": "pnpm run dev -p $PORT"}


# Whatever is there.

TEXTS = st.one_of(
    st.text(max_size=120),
    st.sampled_from(
        ["services:\n  a:\n    image: ", "processes:\n  a:\n    command: ", "procs:\n  b: ", "web: "]
    ).flatmap(lambda head: st.text(max_size=60).map(lambda rest: head + rest)),
)
NAMES = st.sampled_from(
    [
        "compose.yaml",
        "compose.override.yaml",
        "Procfile",
        "process-compose.yaml",
        "mprocs.yaml",
        "dekit.yaml",
        "pitchfork.toml",
        "package.json",
        "Makefile",
        ".env",
        ".foreman",
        "Cargo.toml",
        "main.py",
    ]
)


@settings(max_examples=50)
@given(st.dictionaries(NAMES, TEXTS, max_size=3))
def test_whatever_a_folder_holds_the_file_is_valid_or_refused(files: dict[str, str]) -> None:
    valid(files)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 70000), st.floats(allow_nan=False), st.text(max_size=12)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
KEYS = {
    "compose.yaml": (
        "services",
        "image command entrypoint environment env_file ports expose volumes depends_on healthcheck restart "
        "stop_signal stop_grace_period profiles secrets extends build",
    ),
    "process-compose.yaml": (
        "processes",
        "command working_dir environment env_file depends_on readiness_probe ready_log_line availability "
        "shutdown namespace description",
    ),
    "pitchfork.toml": (
        "daemons",
        "run oneshot retry ready_output ready_http ready_port ready_cmd port depends dir env env_file "
        "stop_signal",
    ),
    "mprocs.yaml": ("procs", "cmd shell cwd env stop deps ready_log tags label"),
}


@pytest.mark.parametrize("file", KEYS)
@settings(max_examples=50)
@given(data=st.data())
def test_whatever_stands_under_a_key_the_file_is_valid_or_refused(file: str, data: st.DataObject) -> None:
    top, keys = KEYS[file]
    service = st.dictionaries(st.sampled_from(keys.split()), VALUES, max_size=5)
    with_image = service.map(lambda each: {"image": "x", "command": "y", "run": "z"} | each)
    found = {top: data.draw(st.dictionaries(st.text(max_size=6), with_image, max_size=3))}
    valid({file: in_toml(found) if file.endswith(".toml") else json.dumps(found)})


def in_toml(found: dict[str, Any]) -> str:
    """TOML has no null."""
    text = "".join(f"{top} = {toml.value(_without_null(table))}\n" for top, table in found.items())
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # infinite, or too large
        return ""
    return text


def _without_null(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_null(each) for name, each in value.items() if each is not None}
    return [_without_null(each) for each in value if each is not None] if isinstance(value, list) else value


RUNS = {
    "mprocs.yaml": ("procs:\n  a:\n    cmd: ['srv', '%s']\n", "procs:\n  a:\n    shell: 'srv %s'\n"),
    "pitchfork.toml": ("[daemons.a]\nrun = ['srv', '%s']\n", "[daemons.a]\nrun = 'srv %s'\n"),
    "compose.yaml": ("services:\n  a:\n    image: x\n    command: ['srv', '$%s']\n", ""),
    "Procfile": ("", "a: srv %s\n"),
    "process-compose.yaml": ("", "processes:\n  a:\n    command: 'srv %s'\n"),
}


ENDLESS = "9" * 5000
"""Python's `int` refuses it"""


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pitchfork.toml", "[daemons.a]\nrun = 'x'\nready_http = 'http://localhost:{}/'\n"),
        ("pitchfork.toml", "[daemons.a]\nrun = 'x'\nport = {}\n"),
        ("pyproject.toml", "[project]\nname = 'a'\ndependencies = ['flask']\n[tool.x]\ny = {}\n"),
        ("Cargo.toml", "[package]\nname = 'a'\nx = {}\n"),
        ("package.json", '{{"scripts": {{"dev": "vite"}}, "x": {}}}'),
        ("process-compose.yaml", "processes:\n  a:\n    command: x\n    environment: ['PORT={}']\n"),
        *(
            ("process-compose.yaml", f"processes:\n  a:\n    command: x\n    {each}\n")
            for each in (
                "readiness_probe: {{ http_get: {{ port: '{}' }}, period_seconds: 99999999999 }}",
                "shutdown: {{ timeout_seconds: 99999999999, signal: {} }}",
            )
        ),
        *(
            ("compose.yaml", f"services:\n  a:\n    image: x\n    {each}\n")
            for each in (
                "restart: 'on-failure:{}'",
                "stop_signal: '{}'",
                "stop_grace_period: '{}s'",
                "mem_limit: {}",
                "environment: {{ PORT: '{}' }}",
                "ports: ['{}:80']",
                "healthcheck: {{ test: x, interval: '{}s', start_period: '{}h', retries: '{}' }}",
                "healthcheck: {{ test: x, interval: 300y, start_period: 100000d, retries: 999999999 }}",
            )
        ),
    ],
)
def test_a_number_without_end_is_none(file: str, text: str) -> None:
    valid({file: text.format(*[ENDLESS] * 3)})


def test_a_timeout_of_foreman_without_end_is_none() -> None:
    files = {"Procfile": "a: x\n", ".foreman": f"timeout: {ENDLESS}\n"}
    valid(files)
    assert services({**files, ".foreman": "timeout: 7\n"})["a"].stop_timeout == 7.0


class Nothing:
    """Nothing is asked of it."""

    def fact(self, wanted: template.ServiceFact) -> str:
        raise AssertionError(wanted)

    def variable(self, wanted: template.Variable) -> str:
        raise AssertionError(wanted)


@pytest.mark.parametrize("file", RUNS)
def test_what_looks_like_a_reference_of_ours_is_the_text_that_it_was(file: str) -> None:
    for form in filter(None, RUNS[file]):
        command = services({file: form % "${services.x.port}"})["a"].command
        words = command.split() if isinstance(command, str) else command
        assert words
        assert template.fill(words[1], Nothing(), command=True) == "${services.x.port}"


@pytest.mark.parametrize("file", ["mprocs.yaml", "pitchfork.toml", "compose.yaml"])
def test_a_list_that_names_a_port_is_a_string_for_the_shell(file: str) -> None:
    files = {file: RUNS[file][0] % "$PORT"}
    assert services(files)["a"].command == "srv $PORT"
    assert "a: command: a shell puts $PORT in, a list has none" in remarks(files, "guessed")


ROWS = {
    "compose.yaml": "  S_{0}: {{ image: x, environment: [A=S_{0}/x], depends_on: [S_0], profiles: [p] }}\n",
    "process-compose.yaml": "  S_{0}: {{ command: x, namespace: n, depends_on: {{ S_0: {{}} }} }}\n",
    "mprocs.yaml": "  é{0}: {{ shell: x, tags: [t] }}\n",
    "Procfile": "S_{0}: x\n",
}
HEADS = {"compose.yaml": "services:\n", "process-compose.yaml": "processes:\n", "mprocs.yaml": "procs:\n"}


@pytest.mark.parametrize("file", ROWS)
def test_four_times_as_many_services_take_about_four_times_the_work(file: str) -> None:
    """Lines of ours that are run, for time says nothing on a busy machine."""

    def lines(services: int) -> int:
        text = HEADS.get(file, "") + "".join(ROWS[file].format(number) for number in range(services))
        count = 0

        def each(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal count
            count += event == "line"
            return each if "intake" in frame.f_code.co_filename else None

        before = sys.gettrace()
        sys.settrace(each)
        try:
            made = plan({file: text})
            writing.text(made, "x")
        finally:
            sys.settrace(before)
        return count

    assert lines(400) < 5 * lines(100)


def test_thousands_of_names_that_say_nothing_get_a_label_each() -> None:
    text = "".join(f"{'_' * length}: x\n" for length in range(1, 900))
    assert len({each.name for each in plan({"Procfile": text}).services}) == 899
