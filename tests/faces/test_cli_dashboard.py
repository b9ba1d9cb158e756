"""`locald dashboard`: the browser is opened where there is one; the address is printed in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import No
from locald.faces import browser

if TYPE_CHECKING:
    from pathlib import Path

    from faces.fake_daemon import FakeDaemon
    from faces.run_cli import Cli, Result

URL = "http://127.0.0.1:23456/signin?ticket=t1"
OF_A_SCREEN = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME", "SSH_CONNECTION")


def dashboard(cli: Cli, *options: str, **environment: str) -> Result:
    """Run the command where there is no screen, but for what the test says."""
    return cli("dashboard", *options, cwd=None, **dict.fromkeys(OF_A_SCREEN, "") | environment)


@pytest.fixture
def invites(daemon: FakeDaemon) -> FakeDaemon:
    daemon.on("POST /v1/dashboard", {"url": URL})
    return daemon


def program(folder: Path, name: str, does: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return path


def test_the_browser_is_opened_and_the_address_printed(cli: Cli, invites: FakeDaemon, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    chosen = program(tmp_path, "mine", f'echo "$@" > {opened}')
    done = dashboard(cli, BROWSER=str(chosen))
    assert (done.code, done.out) == (0, f"{URL}\n")
    assert "opened in the browser" in done.err
    assert opened.read_text() == f"{URL}\n"


@pytest.mark.parametrize("option", ["--no-open", "--url"])
def test_it_can_be_asked_only_to_print_the_address(
    cli: Cli, invites: FakeDaemon, tmp_path: Path, option: str
) -> None:
    opened = tmp_path / "opened"
    chosen = program(tmp_path, "mine", f"touch {opened}")
    done = dashboard(cli, option, BROWSER=str(chosen))
    assert (done.code, done.out, done.err) == (0, f"{URL}\n", "")
    assert not opened.exists()


def test_without_a_screen_it_says_what_to_do(cli: Cli, invites: FakeDaemon) -> None:
    done = dashboard(cli)
    assert (done.code, done.out) == (0, f"{URL}\n")
    assert "no browser found" in done.err
    assert "ssh" not in done.err


def test_over_ssh_it_tells_the_way(cli: Cli, invites: FakeDaemon) -> None:
    done = dashboard(cli, SSH_CONNECTION="10.0.0.1 5 10.0.0.2 22", USER="me")
    assert done.code == 0
    assert "hint: on your own machine, first run `ssh -L 23456:127.0.0.1:23456 me@" in done.err


def test_a_daemon_without_a_dashboard_says_why(cli: Cli, daemon: FakeDaemon) -> None:
    problem = {"what": "the dashboard has no port to listen on", "where": "", "hint": "a hint"}
    daemon.on("POST /v1/dashboard", No(422, {"problems": [problem], "exit": 2}))
    done = dashboard(cli)
    assert (done.code, done.out) == (2, "")
    assert "error: the dashboard has no port to listen on" in done.err


# Which browser.


def test_the_users_choice_comes_first_and_what_fails_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path, "broken", "exit 3")
    program(tmp_path, "good", f'echo "$1 $2" > {tmp_path}/opened')
    program(tmp_path, "xdg-open", f"touch {tmp_path}/wrong")
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DISPLAY": ":0"}
    chosen = f"{tmp_path}/absent:{tmp_path}/broken:{tmp_path}/good --at=%s now"
    assert browser.show("http://x/", environ | {"BROWSER": chosen})
    assert (tmp_path / "opened").read_text() == "--at=http://x/ now\n"
    assert not (tmp_path / "wrong").exists()


def test_on_a_desktop_it_is_the_desktops_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "xdg-open", f'echo "$1" > {tmp_path}/opened')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for screen in ("DISPLAY", "WAYLAND_DISPLAY"):
        assert browser.show("http://x/", {"PATH": str(tmp_path), screen: "0"})
        assert (tmp_path / "opened").read_text() == "http://x/\n"
    assert not browser.show("http://x/", {"PATH": str(tmp_path)})


def test_a_browser_that_goes_on_running_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "FAILS_WITHIN", 0.05)
    slow = program(tmp_path, "slow", "exec sleep 5")
    assert browser.show("http://x/", {"PATH": "/usr/bin:/bin", "BROWSER": str(slow)})
