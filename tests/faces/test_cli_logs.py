"""`logs`: history, following over a restart of the daemon, prefixes, what reaches a terminal."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import FakeDaemon, Stream, document, entry, gated, lines, packets, row

if TYPE_CHECKING:
    from faces.run_cli import Cli
    from locald.wire.home import Home


def test_logs_prints_the_last_100_lines_and_exits(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/logs", lambda _: Stream(lines(entry("one"), entry("two", stream="stderr"))))

    result = cli("logs", "web")

    assert (result.code, result.out, result.err) == (0, "one\ntwo\n", "")
    asked = dict(daemon.asked("GET /v1/logs")[0].query)
    assert (asked["n"], asked["follow"], asked["plain"]) == ("100", "0", "1")


def test_lines_of_several_services_begin_with_their_name(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("web"), row("worker")))
    daemon.on("GET /v1/logs", lambda _: Stream(lines(entry("one"), entry("two", service="worker"))))

    assert cli("logs").out == "web    | one\nworker | two\n"


def test_notes_of_locald_are_marked_as_such(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/logs", lambda _: Stream(lines(entry("restart 1 of 5 in 100 ms", stream="locald"))))

    assert cli("logs", "web").out == "locald: restart 1 of 5 in 100 ms\n"


def test_json_is_one_object_a_line(cli: Cli, daemon: FakeDaemon) -> None:
    expected = [entry("grün"), entry("two", stream="stderr", at=1)]
    daemon.on("GET /v1/logs", lambda _: Stream(lines(*expected)))

    result = cli("logs", "--json")

    assert [json.loads(line) for line in result.out.splitlines()] == expected


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["-n", "5"], "n", "5"),
        (["-n", "0"], "n", "0"),
        (["--grep", "a+b c"], "grep", "a+b c"),
        (["-f"], "follow", "1"),
    ],
)
def test_options_become_fields_of_the_question(
    cli: Cli, daemon: FakeDaemon, arguments: list[str], field: str, value: str
) -> None:
    daemon.on("GET /v1/logs", lambda _: Stream([]))
    process = cli.start("logs", "web", *arguments)
    while not daemon.asked("GET /v1/logs"):
        assert process.poll() in (None, 0)
    process.kill()

    assert dict(daemon.asked("GET /v1/logs")[0].query)[field] == value


def test_since_asks_for_all_lines_from_then_on(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/logs", lambda _: Stream([]))

    cli("logs", "web", "--since", "5m")

    asked = dict(daemon.asked("GET /v1/logs")[0].query)
    assert float(asked["since"]) == -300.0  # before now, by the daemon's clock
    assert asked["n"] == "all"


@pytest.mark.parametrize(
    "arguments", [["--lines", "-3"], ["--lines", "x"], ["--since", "yesterday"], ["--grep", "("]]
)
def test_bad_options_are_usage_errors(cli: Cli, arguments: list[str]) -> None:
    result = cli("logs", *arguments)

    assert result.code == 2
    assert result.err.startswith(f"error: {arguments[0]}: ")
    assert f"\nhint: for example `{arguments[0]} " in result.err


def test_following_shows_each_line_when_it_comes_and_ends_quietly_at_ctrl_c(
    cli: Cli, daemon: FakeDaemon
) -> None:
    second, never = threading.Event(), threading.Event()
    one, two = lines(entry("one"), entry("two", at=1))
    daemon.on("GET /v1/logs", lambda _: Stream(gated(one, second, two, never)))
    process = cli.start("logs", "-f", "web")
    assert process.stdout is not None

    assert process.stdout.readline() == "one\n"
    second.set()
    assert process.stdout.readline() == "two\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)

    never.set()
    assert (process.returncode, err) == (130, "")


def test_a_restart_of_the_daemon_loses_and_doubles_no_line_of_a_follow(
    cli: Cli, daemon: FakeDaemon, home: Home
) -> None:
    """The new daemon tells again what is recent; lines of the same millisecond are counted."""
    never = threading.Event()
    first = [entry("a", at=1), entry("b", at=2), entry("b", at=2), entry("db 1", service="db", at=2)]
    older = [entry("before all that was asked for", service="db", at=0.5)]
    later = [entry("b", at=2), entry("c", at=2.001), entry("db 2", service="db", at=3)]

    streams = [Stream(lines(*first)), Stream(gated(*lines(*older, *first, *later), never))]
    daemon.on("GET /v1/logs", lambda _: streams.pop(0))
    daemon.on("GET /v1/status", document(row("web"), row("db")))
    process = cli.start("logs", "-f")
    assert process.stdout is not None

    told = [process.stdout.readline().strip() for _ in range(7)]

    process.kill()
    never.set()
    assert told == ["web | a", "web | b", "web | b", "db  | db 1", "web | b", "web | c", "db  | db 2"]
    again = dict(daemon.asked("GET /v1/logs")[1].query)
    assert again["follow"] == "1"
    assert again["n"] == "all"


def test_a_history_that_breaks_off_says_why_after_the_lines_that_came(cli: Cli, daemon: FakeDaemon) -> None:
    refusal = {"problems": [{"what": "too slow", "hint": "a simpler pattern"}], "exit": 2}
    broken = [*lines(entry("one")), f"{json.dumps(refusal)}\n".encode()]
    daemon.on("GET /v1/logs", lambda _: Stream(broken))

    result = cli("logs", "web", "--grep", "(a+)+b")

    assert (result.code, result.out) == (2, "one\n")
    assert "too slow" in result.err
    assert "a simpler pattern" in result.err


def test_a_follow_ends_when_the_daemon_is_stopped(cli: Cli, daemon: FakeDaemon) -> None:
    ended = threading.Event()
    daemon.on("GET /v1/logs", lambda _: Stream(gated(*lines(entry("one")), ended)))
    process = cli.start("logs", "-f", "web")
    assert process.stdout is not None
    assert process.stdout.readline() == "one\n"

    daemon.stop()
    ended.set()
    _, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (0, "daemon stopped\n")


def test_a_history_is_asked_for_and_printed_as_text(cli: Cli, daemon: FakeDaemon) -> None:
    """Many lines at once, with their names before each; the daemon need not be asked for these."""
    told = packets(
        ("web", "stdout", b"one\n\n"),
        ("worker", "stderr", "grün\n".encode()),
        ("web", "locald", b"started\n"),
        names=("web", "worker"),
    )
    daemon.on("GET /v1/logs", lambda _: Stream(told[start : start + 7] for start in range(0, len(told), 7)))

    result = cli("logs")

    assert result.out == "web    | one\nweb    | \nworker | grün\nweb    | locald: started\n"
    assert dict(daemon.asked("GET /v1/logs")[0].query)["format"] == "text"
    assert not daemon.asked("GET /v1/status")


@pytest.mark.parametrize("option", ["-f", "--json"])
def test_who_follows_or_wants_objects_gets_objects(cli: Cli, daemon: FakeDaemon, option: str) -> None:
    daemon.on("GET /v1/logs", lambda _: Stream(lines(entry("one"))))
    process = cli.start("logs", "web", option)
    assert process.stdout is not None
    assert "one" in process.stdout.readline()
    process.kill()
    assert "format" not in dict(daemon.asked("GET /v1/logs")[0].query)


def test_text_in_another_encoding_is_put_into_it(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/logs", lambda _: Stream([packets(("web", "stdout", "grün →\n".encode()))]))
    assert cli("logs", "web", PYTHONIOENCODING="ascii").out == "gr\\xfcn \\u2192\n"


def test_of_text_that_breaks_off_whole_lines_are_printed(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/logs", lambda _: Stream([packets(("web", "stdout", b"one\ntwo\nthree\n"))[:-3]]))
    assert cli("logs", "web").out == "one\ntwo\n"


def test_what_is_wrong_comes_behind_the_text(cli: Cli, daemon: FakeDaemon) -> None:
    refusal = json.dumps({"problems": [{"what": "too slow"}], "exit": 2}).encode() + b"\n"
    daemon.on("GET /v1/logs", lambda _: Stream([packets(("web", "stdout", b"one\n")), refusal]))
    result = cli("logs", "web")
    assert (result.code, result.out) == (2, "one\n")
    assert "too slow" in result.err


def test_text_on_a_terminal_keeps_its_colours(cli: Cli, daemon: FakeDaemon) -> None:
    told = packets(("web", "stderr", b"\x1b]0;owned\x07\x1b[32mgreen\n10%\r20%\n"))
    daemon.on("GET /v1/logs", lambda _: Stream([told]))
    terminal = cli.terminal("logs", "web")
    assert terminal.end() == 0
    bar = "\x1b[2m! \x1b[0m"
    assert terminal.screen.splitlines() == [f"{bar}\x1b[32mgreen\x1b[0m", f"{bar}20%"]


def test_colours_stay_on_a_terminal_but_nothing_else_that_steers_it(cli: Cli, daemon: FakeDaemon) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x1b[32mgreen\x9b5A\tend\x1b[?25l"
    daemon.on("GET /v1/logs", lambda _: Stream(lines(entry(evil), entry("10%\r20%\r100%\r"))))

    terminal = cli.terminal("logs", "web")

    assert terminal.end() == 0
    first, second = terminal.screen.splitlines()
    assert first.expandtabs(1) == "\x1b[32mgreen end\x1b[0m"
    assert second == "100%"
    assert dict(daemon.asked("GET /v1/logs")[0].query)["plain"] == "0"


@pytest.mark.parametrize(("no_color", "bar"), [("", "\x1b[2m! \x1b[0moops"), ("1", "! oops")])
def test_standard_error_is_told_apart_on_a_terminal(
    cli: Cli, daemon: FakeDaemon, no_color: str, bar: str
) -> None:
    daemon.on("GET /v1/logs", lambda _: Stream(lines(entry("oops", stream="stderr"))))

    terminal = cli.terminal("logs", "web", NO_COLOR=no_color)

    assert terminal.end() == 0
    assert terminal.screen.splitlines() == [bar]
