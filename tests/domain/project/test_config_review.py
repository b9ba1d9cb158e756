"""What is said of a file beside its mistakes: what is hardly meant, and what this machine does not have."""

from __future__ import annotations

import re

import pytest

from locald.domain.project import config
from locald.domain.project.around import Around
from locald.domain.project.review import review
from locald.domain.project.texts import Texts
from locald.domain.values.problem import Refused

HEAD = '[project]\nname = "shop"\n'
WEB = HEAD + '[services.web]\ncommand = "npm start"\n'
FOLDERS = {"/shop", "/shop/back"}
PROGRAMS = {"/health", "npm", "/shop/back/my tool"}


def around(files: dict[str, bytes] | None = None, shell: dict[str, str] | None = None) -> Around:
    """A folder on a machine with a few programs."""
    return Around("/shop", shell or {}, (files or {}).get, FOLDERS.__contains__, PROGRAMS.__contains__)


def said(text: str, files: dict[str, bytes] | None = None, *, lenient: bool = False) -> list[str]:
    found = review(config.understand(Texts(text)), around(files)).problems(lenient=lenient)
    return [("warning: " if each.is_warning else "error: ") + str(each) for each in found]


# A command that reads like an address.


@pytest.mark.parametrize(
    ("service", "check", "meant"),
    [
        ("", "/healthz", '{ type = "http", path = "/healthz" }'),
        ("", "/api/v1/health?full=1", '{ type = "http", path = "/api/v1/health?full=1" }'),
        ("", "http://localhost:8080/health", '{ type = "http", path = "/health", port = 8080 }'),
        ("port = 8080", "http://127.0.0.1:8080/health", '{ type = "http", path = "/health" }'),
        ("", "http://localhost/health", '{ type = "http", path = "/health" }'),
        ("", "localhost:8080/health", '{ type = "http", path = "/health", port = 8080 }'),
        ("", "localhost:8080", '{ type = "tcp", port = 8080 }'),
        ("", ":8080", '{ type = "tcp", port = 8080 }'),
        ("", "tcp://localhost:5432", '{ type = "tcp", port = 5432 }'),
        ('type = "worker"', "/healthz", '{ type = "http", path = "/healthz", port = 8080 }'),
        ("", "https://localhost:8443/", '{ type = "http", path = "/", scheme = "https", port = 8443 }'),
        ("", "https://example.org/up", '"curl -fsS https://example.org/up"'),
        ("", "http://example.org/up", '"curl -fsS http://example.org/up"'),
    ],
)
def test_a_check_that_reads_like_an_address_is_doubted_with_what_was_meant(
    service: str, check: str, meant: str
) -> None:
    text = f'{WEB}health_check = "{check}"\n{service}'

    assert said(text) == [
        f'warning: locald.toml:5: services.web.health_check: "{check}" is run as a command, '
        f"and reads like an address\nhint: did you mean `health_check = {meant}`?"
    ]
    assert said(text.replace(f'"{check}"', meant)) == []


@pytest.mark.parametrize(
    "check",
    ["/health", "/healthz --deep", "./health", "true", "curl -f http://localhost:8080", "redis:6379", "a/b"],
)
def test_a_check_that_is_a_command_is_not_doubted(check: str) -> None:
    assert said(f'{WEB}health_check = "{check}"') == []


def test_in_a_container_a_path_may_be_a_program_but_a_url_is_none() -> None:
    container = HEAD + '[services.db]\nimage = "db"\ncontainer_port = 80\nhealth_check = '

    assert said(container + '"/healthz"') == []
    assert said(container + '"http://localhost:80/up"') == [
        'warning: locald.toml:6: services.db.health_check: "http://localhost:80/up" is run as a command, '
        'and reads like an address\nhint: did you mean `health_check = { type = "http", path = "/up" }`?'
    ]


def test_a_check_in_a_table_is_doubted_at_its_command() -> None:
    (found,) = said(WEB + '[services.web.health_check]\ntype = "command"\ncommand = "/healthz"')

    assert found.startswith("warning: locald.toml:7: services.web.health_check.command: ")


# Folders and programs.


def test_a_folder_that_is_missing_is_named_in_full() -> None:
    assert said(WEB + 'workdir = "./front end/../front end"') == [
        "warning: locald.toml:5: services.web.workdir: there is no folder /shop/front end\n"
        "hint: run `mkdir -p '/shop/front end'`, or correct it: it is relative to locald.toml"
    ]
    assert said(WEB + 'workdir = "back"') == []


def test_a_list_of_one_line_is_doubted_unless_there_is_such_a_program() -> None:
    assert said(HEAD + '[services.web]\ncommand = ["npm start"]') == [
        'warning: locald.toml:4: services.web.command[0]: "npm start" is one program with a space in its '
        'name\nhint: write command = "npm start"'
    ]
    assert said(HEAD + '[services.web]\nworkdir = "back"\ncommand = ["./my tool"]') == []


# A shell between a signal and its program.


@pytest.mark.parametrize("key", ['kill_mode = "mixed"', 'watch = { paths = ["src"], signal = "SIGHUP" }'])
def test_a_signal_that_the_shell_would_get_is_doubted(key: str) -> None:
    worker = f'{HEAD}[services.web]\ntype = "worker"\n{key}\ncommand = '
    name = key.split()[0]
    what = (
        f"warning: locald.toml:5: services.web.{name}: the signal is for the main process, "
        "which is the shell that runs `command`\nhint: "
    )
    assert said(f'{worker}"celery -A shop worker"') == [f'{what}write command = "exec celery -A shop worker"']
    for command in ("cd back && celery", "DEBUG=1 celery"):
        assert said(f'{worker}"{command}"') == [
            f"{what}write `exec` before the program in `command` that is to get it"
        ]
    assert said(f'{worker}"cd back && exec celery"') == []
    assert said(f'{worker}["celery"]') == []


# A shell in a list.


@pytest.mark.parametrize(
    "command",
    [
        '["sh", "-c", "serve $PORT"]',
        '["bash", "-lc", "serve ${PORT}"]',
        '["/usr/bin/env", "A=1", "/bin/bash", "-e", "-c", "serve $PORT_WEB", "name"]',
        '["zsh", "-c", "-e", "serve $PORT"]',
        '["echo", "$PORTAL", "$HOME", "PORT", "\\\\$ PORT"]',
    ],
)
def test_what_a_shell_in_a_list_takes_may_name_the_port(command: str) -> None:
    assert said(f"{HEAD}[services.web]\ncommand = {command}") == []


def test_only_the_command_of_that_shell_may() -> None:
    (found,) = said(HEAD + '[services.web]\ncommand = ["sh", "-c", "serve $1", "sh", "$PORT"]')

    assert found.startswith("error: locald.toml:4: services.web.command[4]: $PORT is not replaced")


# All of it, in one go.


EVERYTHING = """\
[project]
name = "My Shop"
[services.web]
comand = "x"
workdir = "gone"
health_check = "/healthz"
env = { PORT = "1", A = "${NONE}", B = "${services.my_api.port}" }
[services.my_api]
command = "x"
workdir = "gone, too"
[services.db]
command = "db"
env_file = ["gone.env", "broken.env"]
port = "5432"
env = { A = "${FROM_BROKEN}", PORT_DB = "1" }
[services.seed]
type = "tsk"
command = ["seed", "$PORT"]
workdir = "no"
"""


def test_errors_and_warnings_stand_as_one_goes_through_the_file() -> None:
    found = said(EVERYTHING, {"broken.env": b"A=1\n'\n", ".env": b"PORT=1\n"})

    places = (re.match(r"\w+: [\w.]+(:\d+)?(: [\w.[\]]+(?=:))?", each) for each in found)
    assert [place and place.group() for place in places] == [
        "error: locald.toml:2: project.name",
        "error: locald.toml:4: services.web.comand",
        "warning: locald.toml:5: services.web.workdir",
        "warning: locald.toml:6: services.web.health_check",
        "warning: locald.toml:7: services.web.env.PORT",
        "error: locald.toml:7: services.web.env.A",
        "error: locald.toml:8: services.my_api",
        "error: locald.toml:13: services.db.env_file",
        "error: locald.toml:14: services.db.port",
        "error: locald.toml:17: services.seed.type",
        "error: locald.toml:18: services.seed.command[1]",
        "warning: locald.toml:19: services.seed.workdir",
        "error: broken.env:2",
        "warning: .env",
    ]


def test_what_only_this_shell_and_folder_lack_is_a_warning_to_who_checks_a_file() -> None:
    text = WEB + 'env = { A = "${NONE}" }\nenv_file = ["gone.env", "broken.env"]'
    files = {"broken.env": b"'"}

    assert {each.partition(":")[0] for each in said(text, files)} == {"error"}
    assert {each.partition(":")[0] for each in said(text, files, lenient=True)} == {"warning"}


def test_of_services_that_are_not_meant_only_errors_are_told() -> None:
    text = WEB + 'workdir = "gone"\n[services.db]\ncommand = "x"\nworkdir = "gone"\nenv.A = "${NONE}"'
    found = review(config.understand(Texts(text)), around()).problems(only=["web"])

    assert [(each.is_warning, each.where) for each in found] == [
        (True, "locald.toml:5: services.web.workdir"),
        (False, "locald.toml:9: services.db.env.A"),
    ]


def test_of_what_is_not_toml_nothing_else_can_be_said() -> None:
    with pytest.raises(Refused):
        review(config.understand(Texts("x")), around())


@pytest.mark.parametrize("line", range(2, EVERYTHING.count("\n") + 1))
def test_every_mistake_leaves_something_to_look_at(line: int) -> None:
    """Whatever is wrong, the warning at the end is not lost."""
    lines = EVERYTHING.splitlines()
    text = "\n".join([*lines[:line], '[services.last]\ncommand = "x"\nworkdir = "gone"'])

    assert said(text)[-1].startswith(f"warning: locald.toml:{line + 3}: services.last.workdir: ")
