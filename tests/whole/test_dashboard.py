"""Whom a real daemon lets in at its dashboard, and that a browser that is in stays in, whatever dies."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from whole.machine import PATIENCE

if TYPE_CHECKING:
    from whole.machine import Json, Machine

SLEEPER = 'type = "worker"\ncommand = "exec sleep 9999"\n'


class Browser:
    """As much of one as it takes to be let in: it keeps one cookie, and says which page it shows."""

    def __init__(self, url: str) -> None:
        """`url`: the address that `locald dashboard` prints."""
        self.host = urlsplit(url).netloc
        self.ticket = url.removeprefix(f"http://{self.host}")
        self.cookie = ""

    def sign_in(self) -> int:
        status, _ = self.ask(self.ticket)
        return status

    def ask(
        self, path: str, method: str = "GET", body: Json | None = None, **headers: str
    ) -> tuple[int, str]:
        sent = {"Host": self.host, "Origin": f"http://{self.host}", "Cookie": self.cookie} | headers
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        self.cookie = (answer.headers["Set-Cookie"] or self.cookie).partition(";")[0]
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def rows(self) -> list[str]:
        status, text = self.ask("/v1/status")
        assert status == 200, text
        return [row["name"] for row in json.loads(text)["services"]]


def invited(machine: Machine) -> Browser:
    done = machine.locald("dashboard", "--url")
    assert done.returncode == 0, done.stderr
    return Browser(done.stdout.strip())


def url_in_status(machine: Machine) -> str:
    url: str = json.loads(machine.locald("status", "--json").stdout)["daemon"]["dashboard_url"]
    return url


def test_the_command_starts_the_daemon_and_lets_one_browser_in(machine: Machine) -> None:
    browser = invited(machine)
    assert browser.ask("/v1/status")[0] == 401
    assert browser.sign_in() == 303
    assert browser.rows() == []
    other = Browser(f"http://{browser.host}{browser.ticket}")
    assert other.sign_in() == 403
    assert other.ask("/")[0] == 401


def test_what_is_done_on_the_page_is_done(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    browser = invited(machine)
    browser.sign_in()
    assert url_in_status(machine) == f"http://{browser.host}/"
    assert browser.rows() == ["web"]
    assert browser.ask("/v1/stop", "POST", {"project": "shop", "services": ["web"]})[0] == 200
    machine.until("web", lambda row: row["state"] == "stopped")


def test_others_are_refused_with_a_clear_page(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    browser = invited(machine)
    browser.sign_in()
    wrong: list[tuple[int, dict[str, str]]] = [
        (401, {"Cookie": "", "Authorization": "Bearer wrong"}),
        (401, {"Cookie": f"{browser.cookie}x"}),
        (421, {"Host": "evil.example"}),
        (403, {"Origin": "http://evil.example"}),
        (403, {"Origin": "http://127.0.0.1:3000"}),
    ]
    for expected, headers in wrong:
        for path, method, said in (("/", "GET", "<h1>"), ("/v1/down", "POST", '"problems"')):
            status, text = browser.ask(path, method, {"project": "shop"}, **headers)
            assert (status, said in text, "locald dashboard" in text) == (expected, True, True), text
    assert machine.status()["web"]["state"] == "running"


def test_who_is_in_stays_in_when_the_daemon_is_killed(machine: Machine) -> None:
    """At the same address; and what was seen over the shoulder is of no use any more."""
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    browser, late = invited(machine), invited(machine)
    browser.sign_in()
    machine.kill_daemon()
    machine.status()
    assert browser.rows() == ["web"]
    assert late.sign_in() == 403
    assert url_in_status(machine) == f"http://{browser.host}/"
    machine.locald("server", "restart")
    assert browser.rows() == ["web"]


def test_a_port_that_somebody_else_has_by_then_is_left_to_him(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    host, _, port = invited(machine).host.partition(":")
    machine.kill_daemon()
    with socket.create_server((host, int(port))):
        browser = invited(machine)
        assert browser.host != f"{host}:{port}"
        assert browser.sign_in() == 303
        assert browser.rows() == ["web"]


def test_nobody_else_can_read_the_secret_and_no_log_has_it(machine: Machine) -> None:
    browser = invited(machine)
    browser.sign_in()
    browser.ask(browser.ticket)
    browser.ask("/v1/nowhere", Authorization="Bearer wrong")
    note = machine.home / "state" / "dashboard.json"
    assert note.stat().st_mode & 0o777 == 0o600
    secret = json.loads(note.read_text())["secret"]
    assert secret in browser.cookie
    log = (machine.home / "logs" / "daemon.log").read_text()
    for hidden in (secret, browser.ticket.partition("=")[2]):
        assert hidden not in log


def test_secrets_of_a_service_are_not_shown(machine: Machine) -> None:
    machine.write(f'[services.web]\nenv = {{ API_TOKEN = "hush", COLOUR = "red" }}\n{SLEEPER}')
    machine.up()
    browser = invited(machine)
    browser.sign_in()
    _, text = browser.ask("/v1/environment?project=shop&service=web")
    assert "hush" not in text
    shown = json.loads(text)
    assert shown["env"]["COLOUR"] == "red"
    assert "API_TOKEN" in shown["masked"]
    done = machine.locald("exec", "web", "--", "printenv", "API_TOKEN")
    assert done.stdout == "hush\n"
