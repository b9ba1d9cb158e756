"""`proxy status`, `open` and what `doctor` says of names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from faces.fake_daemon import document, row

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
