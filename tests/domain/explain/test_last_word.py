"""The line of a run's output that says why it ended, and the reason that it makes."""

from __future__ import annotations

import pytest

from domain.story import Story, service
from locald.domain.explain.last_word import last_word

OUT, ERR, OURS = "stdout", "stderr", "locald"

PYTHON = """\
ERROR: pool is closing
Traceback (most recent call last):
  File "manage.py", line 22, in <module>
    main()
django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.
"""
NODE = """\
node:internal/modules/cjs/loader:1228
  throw err;
  ^

Error: Cannot find module '/shop/server.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)
    at Module._load (node:internal/modules/cjs/loader:1051:27) {
  code: 'MODULE_NOT_FOUND',
  requireStack: []
}

Node.js v20.19.2
npm error Lifecycle script `dev` failed with error:
npm error code 1
npm error path /shop
"""
RUST = """\
thread 'main' panicked at src/main.rs:2:5:
DATABASE_URL is not set
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
GO = """\
panic: listen tcp :80: bind: permission denied

goroutine 1 [running]:
main.main()
\t/shop/main.go:9 +0x25
exit status 2
"""
PNPM = """\
sh: 1: vite: not found
 ELIFECYCLE  Command failed with exit code 1.
"""
MAKE = """\
config.yaml:3: unknown key "prot"
make: *** [Makefile:2: run] Error 3
"""


@pytest.mark.parametrize(
    ("printed", "telling"),
    [
        (
            PYTHON,
            "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
        ),
        (NODE, "Error: Cannot find module '/shop/server.js'"),
        (RUST, "DATABASE_URL is not set"),
        (GO, "panic: listen tcp :80: bind: permission denied"),
        (PNPM, "sh: 1: vite: not found"),
        (MAKE, 'config.yaml:3: unknown key "prot"'),
        ("npm error code 1\n", "npm error code 1"),
        ("\x1b[31m  \x1b[0m\n   \n", ""),
    ],
)
def test_the_program_is_heard_over_who_only_repeats_that_it_failed(printed: str, telling: str) -> None:
    assert last_word([(ERR, line) for line in printed.splitlines()]) == telling


def test_the_last_error_says_most_then_stderr() -> None:
    lines = [
        (OUT, "Error: no"),
        (ERR, "at main.js:1"),
        (OUT, "bye"),
        (ERR, "  "),
        (OURS, "exited with code 1"),
    ]
    assert last_word(lines) == "Error: no"
    assert last_word(lines[1:]) == "at main.js:1"
    assert last_word(lines[2:]) == ""
    assert last_word([]) == ""


def fails(**keys: object) -> Story:
    s = Story(service("db", **{"restart": "no", **keys}), service("web", "db"))
    s.up(), s.spawned("db#1"), s.exits("db#1", 3)
    return s


def test_screens_say_what_the_program_said_in_place_of_its_exit_code() -> None:
    s = fails()
    assert s.row("db").reason == s.row("db").because == "exited with code 3"
    s.said("db#1", "Error: no such file")
    assert (s.row("db").because, s.row("db").reason) == ("exited with code 3", "Error: no such file")
    assert s.row("web").reason == "blocked by db: Error: no such file"


def test_what_else_a_reason_says_stays() -> None:
    s = fails(restart="on-failure")
    s.said("db#1", "Error: no such file")
    assert s.row("db").reason == "Error: no such file, restart 1 of 5 in 100ms"


def test_who_printed_nothing_is_told_by_its_exit_code() -> None:
    s = fails()
    s.said("db#1", "")
    assert s.row("db").reason == "exited with code 3"


def test_a_reason_that_names_no_exit_code_stays_as_it_is() -> None:
    s = Story(service("db", restart="no"))
    s.up(), s.spawned("db#1"), s.exits("db#1", signal=9)
    s.said("db#1", "Error: unrelated")
    assert s.row("db").reason == "killed by SIGKILL"


def test_the_word_of_an_earlier_run_is_nobodys_reason() -> None:
    s = fails(restart="on-failure")
    s.wait(0.2), s.said("db#1", "Error: late"), s.spawned("db#2"), s.exits("db#2", 4)
    assert s.row("db").reason == "exited with code 4, restart 2 of 5 in 200ms"


def test_whatever_was_printed_the_reason_stays_one_line_of_some_length() -> None:
    s = fails()
    s.said("db#1", "Error: \x1b[31ma\u2028\u202eb\\1 " + "x" * 1000)
    assert s.row("db").reason.startswith("Error: a b\\1 xxx")
    assert len(s.row("db").reason) == 160
