"""`proxy status`, `open` and what `doctor` says of names."""

from __future__ import annotations

import argparse
import json
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import document, down_row, row
from locald.cli.commands import proxy
from whole.network import Network

if TYPE_CHECKING:
    from faces.fake_daemon import FakeDaemon
    from faces.run_cli import Cli

STATUS = {
    "running": True,
    "https_port": 1,
    "http_port": 2,
    "dashboard": "https://locald.localhost:1/",
    "ca": None,
    "caddy": "2.11.7",
    "trouble": None,
    "hint": None,
    "notes": ["port 7443 is already in use by pid 1 (x), the proxy uses 1"],
    "lost": [],
    "routes": [
        {
            "name": "web.feat.shop.localhost",
            "service": "web",
            "project": "shop",
            "instance": "feat",
            "address": "127.0.0.1:3",
            "open": False,
        }
    ],
}


def test_the_proxy_is_shown_with_its_names(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/proxy", STATUS)
    result = cli("proxy", "status")
    assert result.out.splitlines() == [
        "NAME                     SERVICE        OPEN  ADDRESS",
        "web.feat.shop.localhost  shop@feat:web  no    127.0.0.1:3",
    ]
    assert "running: https port 1, http port 2, Caddy 2.11.7" in result.err
    assert "dashboard: https://locald.localhost:1/" in result.err
    assert "warning: port 7443 is already in use" in result.err
    assert json.loads(cli("proxy", "status", "--json").out) == {**STATUS, "trusted": False}


def test_why_there_is_none_is_said_with_the_way_to_have_one(cli: Cli, daemon: FakeDaemon) -> None:
    missing = {"running": False, "trouble": "Caddy is not installed", "hint": "run `pip install x`"}
    daemon.on("GET /v1/proxy", {**STATUS, **missing, "routes": [], "notes": []})
    result = cli("proxy", "status")
    assert (result.code, result.out) == (0, "")
    assert "warning: not running: Caddy is not installed\nhint: run `pip install x`" in result.err
    assert "no names: Caddy is not installed" in cli("doctor").out


def test_doctor_says_when_nobody_answers_at_the_dashboards_name(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/proxy", STATUS)
    told = cli("doctor").out
    assert "warn  dashboard   https://locald.localhost:1/ does not answer" in told
    assert "run `locald server restart`" in told


def test_there_is_nothing_to_trust_before_there_is_an_authority(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/proxy", STATUS)
    result = cli("proxy", "trust")
    assert result.code == 2
    assert "there is no certificate authority yet" in result.err


def test_install_changes_nothing_by_itself(cli: Cli) -> None:
    result = cli("proxy", "install")
    assert result.code == 0
    assert "ip_unprivileged_port_start=80" in result.out
    assert "LOCALD_PROXY_HTTPS_PORT=443" in result.out
    assert not Path("/etc/sysctl.d/60-locald.conf").exists()


def test_install_does_it_when_told_and_says_how_to_take_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a network of its own: the setting is one of the network. The file is another one."""
    network = Network()
    if not network.is_own:
        pytest.skip("only root can do this")
    setting, file = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start"), tmp_path / "60-locald.conf"
    monkeypatch.setattr(proxy, "FILE", str(file))
    with closing(network), network.inside():
        before = setting.read_text()
        assert proxy.installed(argparse.Namespace(does_it=True)) == 0
        assert setting.read_text() == "80\n"
        assert file.read_text() == "net.ipv4.ip_unprivileged_port_start=80\n"
        (back,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("rm "))
        subprocess.run(back, shell=True, check=True, stdout=subprocess.DEVNULL)
        assert (setting.read_text(), file.exists()) == (before, False)


def test_open_takes_web_and_its_port_where_its_name_is_not_trusted(cli: Cli, daemon: FakeDaemon) -> None:
    named = "https://web.shop.localhost:1/"
    rows = [row("api"), row("web", url="http://127.0.0.1:3/", name_url=named)]
    daemon.on("GET /v1/status", document(*rows))
    daemon.on("GET /v1/proxy", STATUS)
    assert cli("open", "--no-open").out == "http://127.0.0.1:3/\n"


def test_open_without_a_choice_names_them(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("api"), row("admin")))
    daemon.on("GET /v1/proxy", STATUS)
    result = cli("open", "--no-open")
    assert (result.code, "name one: api, admin" in result.err) == (2, True)


def test_open_takes_what_the_domain_of_the_project_leads_to(cli: Cli, daemon: FakeDaemon) -> None:
    route = {"project": "shop", "instance": None, "address": "127.0.0.1:3", "open": True}
    names = {"admin.shop.localhost": "admin", "shop.localhost": "admin", "web.shop.localhost": "web"}
    routes = [{**route, "name": name, "service": service} for name, service in names.items()]
    rows = [row("web"), row("admin", url="http://127.0.0.1:5/")]
    daemon.on("GET /v1/status", document(*rows))
    daemon.on("GET /v1/proxy", {**STATUS, "routes": routes})
    assert cli("open", "--no-open").out == "http://127.0.0.1:5/\n"


def test_open_says_that_a_service_does_not_run_and_how_to_start_it(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on(
        "GET /v1/status", document(down_row("web", "stopped", "stopped by user", url="http://127.0.0.1:3/"))
    )
    daemon.on("GET /v1/proxy", STATUS)
    result = cli("open", "web", "--no-open")
    assert (result.code, result.out) == (2, "")
    assert "web is not running" in result.err
    assert "hint: run `locald up web`" in result.err


def test_open_leads_to_what_is_on_demand_by_its_name(cli: Cli, daemon: FakeDaemon) -> None:
    facts = {"on_demand": True, "url": "http://127.0.0.1:3/", "name_url": "https://web.shop.localhost:1/"}
    daemon.on("GET /v1/status", document(down_row("web", "stopped", "no request yet", **facts)))
    daemon.on("GET /v1/proxy", STATUS)
    result = cli("open", "--no-open")
    assert (result.code, result.out) == (0, "https://web.shop.localhost:1/\n")
    assert "locald proxy trust" in result.err


def test_open_says_when_a_service_is_not_ready_yet(cli: Cli, daemon: FakeDaemon) -> None:
    starting = row("web", state="starting", health="starting", because="not listening on port 3 yet")
    daemon.on("GET /v1/status", document(starting))
    daemon.on("GET /v1/proxy", STATUS)
    result = cli("open", "--no-open")
    assert result.code == 0
    assert "not listening on port 3 yet" in result.err


def test_open_has_nothing_to_open_where_nothing_speaks_http(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("db", url=None)))
    daemon.on("GET /v1/proxy", STATUS)
    result = cli("open", "db")
    assert result.code == 2
    assert "no URL: db" in result.err


def test_open_runs_the_browser_that_is_wanted(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = tmp_path / "shown"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {shown}\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(program))
    daemon.on("GET /v1/status", document(row("web", url="http://127.0.0.1:3/")))
    daemon.on("GET /v1/proxy", STATUS)
    assert cli("open").code == 0
    assert shown.read_text() == "http://127.0.0.1:3/\n"
