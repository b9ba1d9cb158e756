"""`status --watch`: what changes is shown as it changes, until somebody has seen enough."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import FakeDaemon, Stream, change, down_row, gated, row, snapshot
from locald.cli.shared.watch import CLEAR, ENTER, LEAVE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faces.run_cli import Cli, Terminal

CTRL_C = b"\x03"

DOWN = row("web", state="running", health="unhealthy", because="HTTP 500")


@pytest.fixture
def more() -> Iterator[list[threading.Event]]:
    """Gates; all of them open when a test is over, for the daemon's threads to end."""
    gates = [threading.Event() for _ in range(4)]
    yield gates
    for gate in gates:
        gate.set()


def begins(daemon: FakeDaemon, *pieces: bytes | threading.Event) -> None:
    daemon.on("GET /v1/events", lambda _: Stream(gated(*pieces)))


def pictures(terminal: Terminal) -> str:
    """What was drawn on the other screen."""
    return terminal.screen.partition(ENTER)[2].partition(LEAVE)[0]


def left_behind(terminal: Terminal) -> list[str]:
    return terminal.screen.partition(LEAVE)[2].splitlines()


def test_on_a_terminal_the_table_changes_in_place(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event]
) -> None:
    begins(daemon, snapshot(row("db"), row("web")), more[0], change(DOWN), more[1])

    terminal = cli.terminal("status", "--watch", NO_COLOR="1")
    terminal.until("2 services, 2 ready")
    more[0].set()
    terminal.until("web: HTTP 500")
    terminal.press(CTRL_C)

    assert terminal.end() == 0
    drawn = pictures(terminal)
    assert drawn.count(CLEAR) == 1
    assert "2 services, 1 ready" in drawn
    assert "\n" not in drawn
    left = left_behind(terminal)
    assert left[0].startswith("SERVICE  STATE    HEALTH     SOURCE")
    assert left[2].startswith("web      running  unhealthy")
    assert left[-1] == "web: HTTP 500"


def test_a_table_that_is_too_long_shows_first_what_is_not_ready(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event]
) -> None:
    rows = [row(f"s{number}") for number in range(50)]
    rows[40] = down_row("s40", "failed", "exited with 1")
    begins(daemon, snapshot(*rows), more[0])

    terminal = cli.terminal("status", "--watch", NO_COLOR="1")
    terminal.until("more services")
    terminal.press(CTRL_C)

    assert terminal.end() == 0
    assert "and 32 more services" in pictures(terminal)
    assert "s40: exited with 1" in pictures(terminal)
    assert "\x1b[25;1H" not in pictures(terminal)
    assert len(left_behind(terminal)) == 53


def test_the_terminal_is_given_back_also_when_it_is_told_to_end(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event]
) -> None:
    begins(daemon, snapshot(row("web")), more[0])
    terminal = cli.terminal("status", "--watch")
    terminal.until("1 service")
    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.end() == 128 + signal.SIGTERM
    assert terminal.screen.rstrip().endswith(LEAVE)


def test_suspended_it_leaves_the_screen_and_comes_back(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event]
) -> None:
    begins(daemon, snapshot(row("web")), more[0])
    terminal = cli.terminal("status", "--watch")
    terminal.until("1 service")
    terminal.process.send_signal(signal.SIGTSTP)
    os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED)
    terminal.until(LEAVE)
    terminal.screen = ""
    terminal.process.send_signal(signal.SIGCONT)
    terminal.until("1 service")
    terminal.press(CTRL_C)

    assert terminal.end() == 0


@pytest.mark.parametrize("bell", [True, False])
def test_a_bell_rings_when_a_service_goes_down_if_somebody_wants_it(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event], bell: bool
) -> None:
    """By itself: one that is stopped, or fails its start, is not down."""
    told = [
        row("web", state="stopping", health="unhealthy"),
        down_row("web", "stopped", "stopped"),
        row("web"),
    ]
    fails = [down_row("db", "backoff", "exited with 1"), down_row("db", "failed", "exited with 1")]
    begins(
        daemon,
        snapshot(row("web")),
        *map(change, told),
        *map(change, fails),
        change(DOWN),
        change(DOWN),
        more[0],
    )

    terminal = cli.terminal("status", "--watch", *(["--bell"] if bell else []))
    terminal.until("web: HTTP 500")
    terminal.press(CTRL_C)

    assert terminal.end() == 0
    assert terminal.screen.count("\a") == (1 if bell else 0)


def test_a_crash_on_its_way_to_another_try_rings_too(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event]
) -> None:
    ends = [row("web", state="stopping", health="unknown"), down_row("web", "backoff", "exited with 1")]
    begins(daemon, snapshot(row("web")), *map(change, ends), more[0])

    terminal = cli.terminal("status", "--watch", "--bell")
    terminal.until("web: exited with 1")
    terminal.press(CTRL_C)

    assert terminal.end() == 0
    assert terminal.screen.count("\a") == 1


def test_without_a_terminal_a_table_is_printed_at_each_change_that_is_seen(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event]
) -> None:
    same = row("web", restarts=3)
    begins(daemon, snapshot(row("web")), change(same), change(DOWN), more[0])

    process = cli.start("status", "--watch")
    assert process.stdout
    shown = [process.stdout.readline() for _ in range(7)]
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=10)

    assert (process.returncode, rest, err) == (0, "", "")
    assert [line.split()[:3] for line in shown] == [
        ["SERVICE", "STATE", "HEALTH"],
        ["web", "running", "healthy"],
        [],
        ["SERVICE", "STATE", "HEALTH"],
        ["web", "running", "unhealthy"],
        [],
        ["web:", "HTTP", "500"],
    ]


def test_as_json_each_change_is_a_document_on_a_line(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event]
) -> None:
    begins(daemon, snapshot(row("web")), change(DOWN), change(removed=["web"]), more[0])

    process = cli.start("status", "--watch", "--json", "--all")
    assert process.stdout
    told = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)

    assert [[each["health"] for each in document["services"]] for document in told] == [
        ["healthy"],
        ["unhealthy"],
        [],
    ]
    assert {document["daemon"]["pid"] for document in told} == {4711}


def test_it_ends_with_the_daemon_when_nothing_is_to_be_restored(cli: Cli, daemon: FakeDaemon) -> None:
    def one(_: object) -> Stream:
        daemon.on("GET /v1/ping", lambda _: daemon.answers["nothing"])
        return Stream([snapshot(row("web"))])

    daemon.on("GET /v1/events", one)
    process = cli.start("status", "--watch")
    assert process.stdout
    process.stdout.readline()
    threading.Thread(target=daemon.stop).start()
    _, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (0, "daemon stopped\n")


def test_the_next_daemon_is_watched_as_the_one_before(
    cli: Cli, daemon: FakeDaemon, more: list[threading.Event]
) -> None:
    streams = iter([[snapshot(row("web"))], gated(snapshot(DOWN), more[0])])
    daemon.on("GET /v1/events", lambda _: Stream(next(streams)))

    process = cli.start("status", "--watch")
    assert process.stdout
    shown = [process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)

    assert "unhealthy" in shown[4]


def test_a_bell_without_a_watch_is_a_mistake(cli: Cli) -> None:
    result = cli("status", "--bell")
    assert (result.code, "hint: run `locald status --watch --bell`" in result.err) == (2, True)


def test_who_is_not_up_is_told_so(cli: Cli, daemon: FakeDaemon) -> None:
    from faces.fake_daemon import no

    daemon.on(
        "GET /v1/events", no("project is not running", exit=2, status=422, hint="start it with `locald up`")
    )
    result = cli("status", "--watch")
    assert (result.code, result.out) == (2, "")
    assert "error: project is not running" in result.err
