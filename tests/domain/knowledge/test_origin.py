"""What is kept of how a process was started: enough to know it, and nothing that could be secret."""

from __future__ import annotations

import pytest

from locald.domain.knowledge.origin import Origin, origin_of

WORDS = [
    (["node", "/app/node_modules/vite/bin/vite.js", "--host"], "vite/bin/vite.js"),
    (
        ["node", "--require", "/x/hook.js", "--inspect", "/app/node_modules/.bin/vite", "dev"],
        "node_modules/.bin/vite dev",
    ),
    (["/usr/bin/python3.11", "/venv/bin/flask", "run"], "venv/bin/flask run"),
    (["python3", "-m", "http.server", "8000"], "http.server"),
    (["python", "manage.py", "runserver"], "manage.py runserver"),
    (["python3", "-c", "from multiprocessing.spawn import spawn_main"], ""),
    (["node", "-e", "listen('secret')"], ""),
    (["java", "-cp", "/a.jar:/b.jar", "org.example.Main", "--password=x"], "org.example.Main"),
    (["java", "-jar", "target/shop.jar"], "target/shop.jar"),
    (["redis-cli", "hunter2", "--user", "me"], "redis-cli"),
    (["gunicorn: master [shop:app]"], "gunicorn"),
    (["next-server (v16.0.1)"], "next-server"),
    (["./serve", "hunter2"], "./serve"),
    (["a\x1b[31m\n"], "a [31m"),
    ([], ""),
]


@pytest.mark.parametrize(("arguments", "words"), WORDS)
def test_of_a_command_line_the_program_is_kept(arguments: list[str], words: str) -> None:
    assert origin_of(arguments, {}) == Origin(words)


def test_the_script_of_package_json_is_kept_and_no_other_variable() -> None:
    variables = {"npm_lifecycle_script": "vite", "npm_lifecycle_event": "dev", "npm_config_token": "x"}

    assert origin_of(["node"], variables) == Origin("", "vite", "dev")


def test_what_is_long_is_cut() -> None:
    assert len(origin_of(["x" * 5000], {"npm_lifecycle_script": "y" * 5000}).script) == 200


@pytest.mark.parametrize(
    ("command", "ports"),
    [
        ("node --inspect=127.0.0.1:29229 a.js", (29229,)),
        ("python /x/debugpy/adapter --for-server 3333 --host 127.0.0.1 --port 29229", (29229,)),
        ("java -agentlib:jdwp=transport=dt_socket,server=y,address=*:29229 A", (29229,)),
        ("node server.js --port 3000", ()),
    ],
)
def test_where_it_is_debugged_is_kept(command: str, ports: tuple[int, ...]) -> None:
    assert origin_of(command.split(), {}).debuggers == ports


def test_also_when_the_environment_says_so() -> None:
    assert origin_of(["node"], {"NODE_OPTIONS": "--inspect=29229"}).debuggers == (29229,)
