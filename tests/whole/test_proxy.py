"""Names instead of ports, with a real Caddy: what a request by name meets, and what the proxy outlives."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from faults.clock import SettableClock
from locald.adapters.caddy.program import Caddy, find
from starved import starved
from whole.machine import Gate, free_port, is_alive, kill, wait_for
from whole.showing import shows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whole.machine import Machine

pytestmark = pytest.mark.skipif(not isinstance(find(), Caddy), reason="needs Caddy")

SERVER = Path(__file__).with_name("by_name.py")
WEB = f'[services.web]\ncommand = "exec python3 {SERVER} $PORT"\n'
UPGRADE = (
    b"GET /socket HTTP/1.1\r\nHost: web.shop.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


class Proxied:
    """A machine with a proxy, and clients of it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        del machine.env["LOCALD_PROXY"]
        first = free_port()
        self.https, self.http = first, first + 1
        machine.env |= {
            "LOCALD_PROXY_HTTPS_PORT": str(self.https),
            "LOCALD_PROXY_HTTP_PORT": str(self.http),
        }

    def status(self) -> dict[str, Any]:
        done = self.machine.locald("proxy", "status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        self.https = found["https_port"] or self.https
        return found

    def ready(self) -> dict[str, Any]:
        """Wait until it runs."""
        wait_for(lambda: self.status()["running"], "the proxy runs")
        return self.status()

    @property
    def url(self) -> str:
        return f"https://web.shop.localhost:{self.https}/"

    @property
    def root(self) -> Path:
        return self.machine.home / "state/proxy/caddy/pki/authorities/local/root.crt"

    def connection(self, name: str, timeout: float = 30) -> HTTPSConnection:
        """To this name, which is not asked of any resolver; its certificate is verified."""
        context = ssl.create_default_context(cafile=str(self.root))
        raw = socket.create_connection(("127.0.0.1", self.https), timeout=timeout)
        connection = HTTPSConnection(f"{name}:{self.https}", timeout=timeout)
        connection.sock = context.wrap_socket(raw, server_hostname=name)
        return connection

    def ask(
        self,
        name: str,
        path: str = "/",
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, str, dict[str, str]]:
        connection = self.connection(name)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            told = {key.lower(): value for key, value in answer.getheaders()}
            return answer.status, answer.read().decode(), told
        finally:
            connection.close()

    def caddy(self) -> int:
        """The pid of Caddy."""
        home = str(self.machine.home)
        done = subprocess.run(["pgrep", "-f", f"caddy run --config {home}"], capture_output=True, text=True)
        return int(done.stdout.split()[0])


@pytest.fixture
def proxy(machine: Machine) -> Proxied:
    return Proxied(machine)


def test_a_service_is_reached_by_its_name_over_https(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    told = proxy.ready()

    row = proxy.machine.status()["web"]
    assert row["name_url"] == f"https://web.shop.localhost:{proxy.https}/"
    assert [route["name"] for route in told["routes"]] == ["shop.localhost", "web.shop.localhost"]
    for name in ("web.shop.localhost", "shop.localhost"):
        status, body, _ = proxy.ask(name, "/where?x=1")
        seen = json.loads(body)
        assert (status, seen["path"], seen["headers"]["host"]) == (200, "/where?x=1", f"{name}:{proxy.https}")
        assert seen["headers"]["x-forwarded-proto"] == "https"


def test_who_comes_as_soon_as_an_address_is_told_is_served(proxy: Proxied) -> None:
    """Caddy listens before it has its first certificates."""
    proxy.machine.write(WEB)
    proxy.machine.locald("server", "start")
    told = threading.Event()

    def look() -> None:
        proxy.machine.until("web", lambda row: bool(row["name_url"]))
        told.set()

    looking = threading.Thread(target=look)
    looking.start()
    proxy.machine.up()
    assert told.wait(30)
    with closing(proxy.connection("web.shop.localhost")) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
    looking.join()


QUICK = """
import os, socket
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    connection, _ = listener.accept()
    if connection.recv(4096):
        connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    connection.close()
"""


def test_when_up_is_over_the_names_of_a_new_project_are_served(proxy: Proxied, tmp_path: Path) -> None:
    """Its service is there sooner than its certificate."""
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    quick = proxy.machine.file("quick.py", QUICK)
    for number in range(6):
        folder, name = tmp_path / f"new{number}", f"new{number}"
        proxy.machine.write(
            f'[services.web]\ncommand = "exec python3 -I -S {quick} "\n', name=name, folder=folder
        )
        assert proxy.machine.locald("up", cwd=folder).returncode == 0
        with closing(proxy.connection(f"web.{name}.localhost")) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200


def test_what_a_client_says_of_itself_is_not_believed_and_the_dashboards_cookie_stays_here(
    proxy: Proxied,
) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()

    said = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Host": "evil", "Forwarded": "for=9.9.9.9"}
    _, body, _ = proxy.ask("web.shop.localhost", headers={**said, "Cookie": "a=1; locald-20001=s3cret; b=2"})
    headers = json.loads(body)["headers"]
    assert "9.9.9.9" not in json.dumps(headers)
    assert headers["x-forwarded-host"] == f"web.shop.localhost:{proxy.https}"
    assert headers["cookie"] == "a=1; b=2"


def test_it_listens_on_loopback_only_and_its_folders_are_the_owners(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()

    done = subprocess.run(["ss", "-Htlnp"], capture_output=True, text=True, check=True)
    own = [line.split()[3] for line in done.stdout.splitlines() if f"pid={proxy.caddy()}," in line]
    assert sorted(own) == sorted(
        f"{address}:{port}" for address in ("127.0.0.1", "[::1]") for port in (proxy.https, proxy.http)
    )
    for path in (proxy.machine.home / "state" / "proxy").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (proxy.machine.home / "run" / "caddy.sock").stat().st_mode & 0o077 == 0


def test_a_request_is_held_until_the_service_is_healthy(proxy: Proxied, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    proxy.machine.write(f'[services.web]\ncommand = "{gate.wait}; exec python3 {SERVER} $PORT"\n')
    proxy.machine.locald("up", "-d")
    proxy.ready()

    got: list[tuple[int, str, dict[str, str]]] = []
    sent = b"x" * 300_000
    asking = threading.Thread(
        target=lambda: got.append(proxy.ask("web.shop.localhost", "/", "POST", body=sent))
    )
    asking.start()
    assert proxy.ask("web.shop.localhost", headers=BROWSER)[0] == 503
    assert not got
    gate.open()
    asking.join(30)
    assert got[0][0] == 200
    assert json.loads(got[0][1])["received"] == len(sent)


def test_a_browser_is_shown_a_page_that_goes_on_by_itself(proxy: Proxied, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    proxy.machine.write(f'[services.web]\ncommand = "{gate.wait}; exec python3 {SERVER} $PORT"\n')
    proxy.machine.locald("up", "-d")
    proxy.ready()

    status, page, headers = proxy.ask("web.shop.localhost", "/deep?q=1", headers=BROWSER)
    assert (status, headers["retry-after"]) == (503, "1")
    assert "web is starting" in page
    assert "This page goes on to it by itself." in page
    assert '<noscript><meta http-equiv="refresh"' in page
    tag = re.search(r'data-tag="(\w+)"', page)
    assert tag
    news: list[tuple[int, str, dict[str, str]]] = []
    path = f"/.well-known/locald/news?tag={tag[1]}"
    asking = threading.Thread(target=lambda: news.append(proxy.ask("web.shop.localhost", path)))
    asking.start()
    gate.open()
    asking.join(30)
    assert json.loads(news[0][1]) == {"changed": True}


def test_why_a_service_does_not_answer_is_said_in_its_place(proxy: Proxied) -> None:
    db = '[services.db]\ncommand = "echo no such disk >&2; exit 3"\nrestart = "no"\n'
    proxy.machine.write(WEB + 'depends_on = ["db"]\n' + db)
    proxy.machine.locald("up")
    proxy.ready()

    status, body, headers = proxy.ask("web.shop.localhost")
    told = json.loads(body)
    assert (status, headers["retry-after"]) == (503, "1")
    assert (told["service"], told["state"]) == ("web", "blocked")
    assert told["blockers"][-1]["service"] == "db"
    _, page, _ = proxy.ask("web.shop.localhost", headers=BROWSER)
    assert "web is blocked" in page
    assert "by itself" not in page
    assert "no such disk" in page
    assert "exited with code 3" in page
    assert "<code>locald logs shop:db</code>" in page  # a browser is in no folder
    assert "<code>locald why shop:web</code>" in page


def test_output_on_the_page_is_text(proxy: Proxied) -> None:
    command = "echo '<script>alert(1)</script>'; for each in $(seq 30); do echo; done; exit 3"
    proxy.machine.write(f'[services.web]\ncommand = "{command}"\nrestart = "no"\n')
    proxy.machine.locald("up")
    proxy.ready()

    _, page, _ = proxy.ask("web.shop.localhost", headers=BROWSER)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_name_that_leads_nowhere_is_told_so_and_that_of_others_is_not_ours(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()

    status, body, _ = proxy.ask("nope.shop.localhost")
    assert status == 404
    assert f"https://web.shop.localhost:{proxy.https}/" in json.loads(body)["error"]["names"]
    status, page, _ = proxy.ask("nope.shop.localhost", headers=BROWSER)
    assert status == 404
    assert f'<a href="https://web.shop.localhost:{proxy.https}/">' in page
    assert proxy.ask("web.shop.localhost", headers={"Host": "example.org"})[0] == 421


HOSTS = ["a" * 300, "", "[::1]", "web.shop.localhost:99999", "web..localhost", "-", "%00", "a, b", "xn--p1ai"]


def test_a_host_of_any_shape_is_answered(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    for host in HOSTS:
        with socket.create_connection(("127.0.0.1", proxy.http), timeout=30) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert re.match(rb"HTTP/1\.1 (200|400|404|421) ", answer), (host, answer)


def test_a_request_in_the_absolute_form_is_for_the_name_in_it(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()

    with socket.create_connection(("127.0.0.1", proxy.http), timeout=30) as connection:
        connection.sendall(
            b"GET http://web.shop.localhost/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_service_that_asks_for_its_own_name_is_a_loop(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    status, body, _ = proxy.ask("web.shop.localhost", f"/forward/{proxy.http}")
    assert (status, json.loads(body)["error"]["code"]) == (508, "loop")


def test_a_service_that_breaks_off_is_told_of(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    assert proxy.ask("web.shop.localhost", "/silent")[0] == 502
    connection = proxy.connection("web.shop.localhost")
    connection.request("GET", "/die")
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(IncompleteRead):
        answer.read()
    connection.close()
    assert proxy.ask("web.shop.localhost")[0] == 200  # held until it is there again


def test_a_websocket_outlives_changes_of_other_services(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    connection = proxy.connection("web.shop.localhost").sock
    assert connection
    connection.sendall(UPGRADE)
    assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
    proxy.machine.write(WEB + f'[services.api]\ncommand = "exec python3 {SERVER} $PORT"\n')
    proxy.machine.up()
    wait_for(lambda: len(proxy.status()["routes"]) == 3, "the new name is known")
    proxy.machine.locald("restart", "api")
    assert proxy.ask("api.shop.localhost")[0] == 200
    connection.sendall(b"ping")
    assert connection.recv(4096) == b"ping"
    connection.close()


def test_events_arrive_as_they_are_sent(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    connection = proxy.connection("web.shop.localhost")
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.readline() == b"data: 1\n"  # the server sends the second when the first was read
    proxy.ask("web.shop.localhost", "/next")
    assert [answer.readline() for _ in range(2)] == [b"\n", b"data: 2\n"]
    connection.close()


LARGE = 200_000_000


def test_large_bodies_pass_both_ways_and_are_kept_nowhere(proxy: Proxied, tmp_path: Path) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(LARGE)
    sent = _curl(proxy, "--data-binary", f"@{large}", proxy.url)
    assert json.loads(sent)["received"] == LARGE
    got = _curl(proxy, "-o", "/dev/null", "-w", "%{size_download}", f"{proxy.url}large/{LARGE}")
    assert int(got) == LARGE
    resident = Path(f"/proc/{proxy.caddy()}/status").read_text().partition("VmHWM:")[2].split()[0]
    assert int(resident) < 150_000  # kB


def _curl(proxy: Proxied, *arguments: str) -> str:
    """curl finds names below .localhost by itself."""
    command = ["curl", "-sS", "--cacert", str(proxy.root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


NODE = """
const [port, name] = process.argv.slice(1);
const asked = { host: "127.0.0.1", port, servername: name, headers: { Host: name } };
require("https").get(asked, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1));
"""


def test_curl_and_node_are_served_as_python_is(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    assert json.loads(_curl(proxy, proxy.url))["headers"]["via"] == "2.0 Caddy"
    if shutil.which("node"):
        trusting = {**os.environ, "NODE_EXTRA_CA_CERTS": str(proxy.root)}
        done = subprocess.run(
            ["node", "-e", NODE, str(proxy.https), "web.shop.localhost"], env=trusting, check=False
        )
        assert done.returncode == 0


def test_a_killed_daemon_costs_no_request(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    with _asking(proxy, "web.shop.localhost") as heard:
        pid = proxy.caddy()
        proxy.machine.kill_daemon()
        assert proxy.ask("web.shop.localhost")[0] == 200
        proxy.machine.status()
        proxy.ready()
    assert set(heard) == {200}
    assert proxy.caddy() == pid  # the next daemon has taken it over


@contextmanager
def _asking(proxy: Proxied, name: str) -> Iterator[list[object]]:
    """Clients that ask without pause meanwhile: what they were answered."""
    done = threading.Event()
    heard: list[object] = []

    def load() -> None:
        while not done.is_set():
            try:
                heard.append(proxy.ask(name)[0])
            except OSError as error:
                heard.append(error)

    clients = [threading.Thread(target=load) for _ in range(4)]
    for each in clients:
        each.start()
    try:
        yield heard
    finally:
        done.set()
        for each in clients:
            each.join()


def test_a_killed_proxy_is_back_soon(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    pid = proxy.caddy()
    kill(pid)
    wait_for(lambda: _answers(proxy), "it answers again")
    assert proxy.caddy() != pid


def test_a_killed_keeper_takes_the_proxy_with_it_and_both_come_back(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    pid = proxy.caddy()
    kill(proxy.machine.keeper_pid())
    wait_for(lambda: not is_alive(pid), "the old one is gone")
    wait_for(lambda: _answers(proxy), "it answers again")


def _answers(proxy: Proxied) -> bool:
    try:
        return proxy.ask("web.shop.localhost")[0] == 200
    except OSError:
        return False


BACK_WITHIN = 2.0
"""seconds from the end of a keeper until services answer by name again"""


def test_after_the_end_of_a_keeper_names_answer_within_two_seconds(proxy: Proxied) -> None:
    """The best of three: what else the machine does only adds."""
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    took = []
    for _ in range(3):
        pid, waited, began = proxy.caddy(), starved(), time.monotonic()
        kill(proxy.machine.keeper_pid())
        wait_for(lambda pid=pid: not is_alive(pid) and _answers(proxy), "it answers again")  # type: ignore[misc]
        took.append(time.monotonic() - began - (starved() - waited))
    assert min(took) < BACK_WITHIN, took


def test_a_proxy_that_ends_at_once_costs_the_services_nothing_and_is_tried_again(proxy: Proxied) -> None:
    """It cannot have the socket at which it is to be told what to do."""
    in_its_place = proxy.machine.home / "run/caddy.sock/file"
    in_its_place.mkdir(parents=True)
    in_its_place.parent.parent.chmod(0o700)
    proxy.machine.home.chmod(0o700)
    proxy.machine.write(WEB)
    assert proxy.machine.up()["web"]["health"] == "healthy"
    wait_for(lambda: proxy.status()["trouble"], "it is said")
    told = proxy.status()  # also while it is tried again
    assert not told["running"]
    assert "Caddy ended: it exited; its log is in" in told["trouble"]
    log = Path(told["trouble"].rpartition(" is in ")[2])
    assert log.is_dir()
    assert proxy.machine.status()["web"]["name_url"] is None
    shutil.rmtree(in_its_place.parent)
    wait_for(lambda: proxy.status()["running"], "it is there with the next attempt")
    assert proxy.ask("web.shop.localhost")[0] == 200
    assert proxy.status()["trouble"] is None


def test_a_clock_that_was_ahead_leaves_no_certificates_behind(proxy: Proxied, tmp_path: Path) -> None:
    """The daemon's is set back a year: what Caddy made before is of the future then."""
    clock = SettableClock(tmp_path)
    if not clock.env:
        pytest.skip("there is no compiler")
    proxy.machine.env |= clock.env
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    pid, root = proxy.caddy(), proxy.root.read_bytes()
    clock.set(-365 * 86400)
    proxy.machine.locald("restart", "web")  # it looks at the clock with each change
    wait_for(lambda: not is_alive(pid), "the proxy is started again")
    told = proxy.ready()
    assert any("was made while the clock was ahead" in note for note in told["notes"])
    assert proxy.root.read_bytes() != root
    assert proxy.ask("web.shop.localhost")[0] == 200


def test_it_goes_with_server_stop(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    pid = proxy.caddy()
    assert proxy.machine.locald("server", "stop").returncode == 0
    assert not is_alive(pid)
    proxy.machine.up()
    proxy.ready()
    assert is_alive(proxy.caddy())
    said = (proxy.machine.home / "logs" / "daemon.log").read_text()
    assert "stopping, as everything else did" in said
    assert "Caddy ended" not in said


def test_a_port_that_is_taken_is_said_and_the_next_is_used(proxy: Proxied) -> None:
    with socket.create_server(("127.0.0.1", proxy.https)):
        taken = proxy.https
        proxy.machine.write(WEB)
        proxy.machine.up()
        told = proxy.ready()
    assert told["https_port"] == taken + 1
    assert f"port {taken} is already in use" in told["notes"][0]
    assert proxy.ask("web.shop.localhost")[0] == 200


@pytest.mark.parametrize("damage", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_damaged_authority_is_kept_aside_and_said(proxy: Proxied, damage: str) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    proxy.machine.locald("server", "stop")
    proxy.root.write_text(damage)
    proxy.machine.up()
    told = proxy.ready()
    assert any("authority was damaged" in note for note in told["notes"])
    assert [*proxy.root.parents[1].glob("local.damaged-*/root.crt")]
    assert proxy.ask("web.shop.localhost")[0] == 200


@shows("project.domain", "project.default")
def test_the_domain_leads_to_the_service_that_the_file_names(proxy: Proxied) -> None:
    api = f'[services.api]\ncommand = "exec python3 {SERVER} $PORT"\n'
    proxy.machine.write(f'domain = "store.test"\ndefault = "api"\n{WEB}{api}')
    proxy.machine.up()
    routes = {route["name"]: route["service"] for route in proxy.ready()["routes"]}
    assert routes == {"store.test": "api", "api.store.test": "api", "web.store.test": "web"}
    assert proxy.ask("store.test")[0] == 200


ADMIN = f"""
[services.admin]
command = "exec python3 {SERVER} $PORT"
on_demand = true
depends_on = ["db"]
[services.db]
type = "worker"
command = "exec sleep 1000"
autostart = false
"""


@shows("on_demand")
def test_a_service_on_demand_is_started_by_the_first_request_with_what_it_depends_on(proxy: Proxied) -> None:
    proxy.machine.write(WEB + ADMIN)
    done = proxy.machine.locald("up")
    assert (done.returncode, "admin: stopped (on demand)" in done.stderr) == (0, True)
    assert "stopped (on demand)" in proxy.machine.locald("status").stdout
    proxy.ready()
    before = proxy.machine.status()
    assert (before["admin"]["because"], before["db"]["state"]) == ("not running, starts on demand", "stopped")

    assert proxy.ask("admin.shop.localhost", headers=BROWSER)[0] == 503  # a page, at once
    assert proxy.ask("admin.shop.localhost")[0] == 200
    rows = proxy.machine.status()
    assert (rows["admin"]["health"], rows["db"]["health"]) == ("healthy", "healthy")
    done = proxy.machine.locald("stop", "admin")
    assert "starts again with the next request, on demand: admin" in done.stderr
    assert proxy.machine.status()["admin"]["because"] == "stopped by user, starts on demand"
    assert proxy.ask("admin.shop.localhost")[0] == 200


IDLE = f"""
[services.web]
command = "exec python3 {SERVER} $PORT"
on_demand = true
idle_timeout = "1s"
"""


@shows("idle_timeout")
def test_a_service_that_nobody_asks_for_is_stopped_and_starts_again(proxy: Proxied) -> None:
    proxy.machine.write(IDLE)
    proxy.machine.locald("up")
    proxy.ready()
    assert proxy.ask("web.shop.localhost")[0] == 200
    row = proxy.machine.until("web", lambda row: row["state"] == "stopped")
    assert row["because"] == "stopped, no request for 1s"
    assert proxy.ask("web.shop.localhost")[0] == 200


def test_it_is_stopped_also_when_the_wall_clock_was_set_back(proxy: Proxied, tmp_path: Path) -> None:
    """The time of the last request is that of a file, and that is in the future now."""
    clock = SettableClock(tmp_path)
    if not clock.env:
        pytest.skip("there is no compiler")
    proxy.machine.env |= clock.env
    proxy.machine.write(IDLE)
    proxy.machine.locald("up")
    proxy.ready()
    assert proxy.ask("web.shop.localhost")[0] == 200
    clock.set(-26 * 3600)
    proxy.machine.until("web", lambda row: row["state"] == "stopped")


def test_an_open_websocket_keeps_it_up(proxy: Proxied) -> None:
    proxy.machine.write(IDLE)
    proxy.machine.locald("up")
    proxy.ready()
    assert proxy.ask("web.shop.localhost")[0] == 200
    connection = proxy.connection("web.shop.localhost").sock
    assert connection
    connection.sendall(UPGRADE)
    assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
    connection.settimeout(3.0)  # three times its time
    with pytest.raises(TimeoutError):
        connection.recv(1)
    assert proxy.machine.status()["web"]["state"] == "running"
    connection.close()
    proxy.machine.until("web", lambda row: row["state"] == "stopped")


def test_it_can_be_turned_off(proxy: Proxied) -> None:
    proxy.machine.env["LOCALD_PROXY"] = "off"
    proxy.machine.write(WEB)
    row = proxy.machine.up()["web"]
    assert (row["health"], row["name_url"]) == ("healthy", None)
    told = proxy.status()
    assert (told["running"], told["trouble"]) == (False, "turned off by LOCALD_PROXY=off")


@shows("domains")
def test_an_instance_has_names_of_its_own(proxy: Proxied, tmp_path: Path) -> None:
    proxy.machine.write(WEB + 'domains = ["admin.shop.localhost"]\n')
    proxy.machine.up()
    other = tmp_path / "feat"
    proxy.machine.write(WEB + 'domains = ["admin.shop.localhost"]\n', folder=other)
    assert proxy.machine.locald("up", cwd=other).returncode == 0
    wait_for(lambda: len(proxy.status()["routes"]) == 6, "all names are known")
    for name in ("web.shop", "web.feat.shop", "admin.shop", "admin.feat.shop"):
        status, body, _ = proxy.ask(f"{name}.localhost")
        instance = "feat" if "feat" in name else ""
        assert (status, json.loads(body)["instance"]) == (200, instance)


def test_the_dashboard_has_a_name_and_lets_in_who_is_signed_in_there(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    told = proxy.ready()
    host = f"locald.localhost:{proxy.https}"
    assert told["dashboard"] == f"https://{host}/"

    assert proxy.ask("locald.localhost")[0] == 401
    assert "locald dashboard --by-name" in proxy.ask("locald.localhost")[1]
    address = proxy.machine.locald("dashboard", "--by-name", "--no-open").stdout.strip()
    assert address.startswith(f"https://{host}/signin?ticket=")
    status, _, headers = proxy.ask("locald.localhost", address.removeprefix(f"https://{host}"))
    cookie, _, how = headers["set-cookie"].partition("; ")
    assert (status, cookie.startswith("__Host-locald")) == (303, True)
    assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= {*how.split("; ")}
    signed_in = {"Cookie": cookie}
    status, body, _ = proxy.ask("locald.localhost", "/v1/status", headers=signed_in)
    assert (status, json.loads(body)["services"][0]["name"]) == (200, "web")

    stop = json.dumps({"project": "shop", "services": ["web"]}).encode()
    for origin, expected in ((None, 403), (f"https://web.shop.localhost:{proxy.https}", 403)):
        said = signed_in | ({"Origin": origin} if origin else {})
        assert proxy.ask("locald.localhost", "/v1/stop", "POST", said, stop)[0] == expected
    assert proxy.machine.status()["web"]["state"] == "running"
    said = signed_in | {"Origin": f"https://{host}"}
    assert proxy.ask("locald.localhost", "/v1/stop", "POST", said, stop)[0] == 200
    # What is known at the name is worth nothing at the port, and the other way around.
    assert proxy.ask("web.shop.localhost", "/v1/status", headers=signed_in)[0] == 503


AS_NOBODY = """
import encodings.idna, http.client, os, socket, ssl, sys
os.setuid(65534)
raw = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection("locald.localhost", int(sys.argv[1]))
connection.sock = context.wrap_socket(raw, server_hostname="locald.localhost")
forged = {"X-Locald-There": "127.0.0.1 1", "X-Locald-Here": "127.0.0.1 1"} if sys.argv[3:] else {}
connection.request("GET", "/v1/status", headers={"Authorization": "Bearer " + sys.argv[2], **forged})
print(connection.getresponse().status)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_who_asks_for_the_dashboard_while_the_daemon_restarts_waits(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    with _asking(proxy, "locald.localhost") as heard:
        assert proxy.machine.locald("server", "restart").returncode == 0
        proxy.machine.kill_daemon()
        proxy.machine.status()
        proxy.ready()
    assert set(heard) == {401}
    (doctor,) = (each for each in _doctor(proxy) if each["name"] == "dashboard")
    assert (doctor["level"], doctor["detail"]) == (
        "ok",
        f"https://locald.localhost:{proxy.https}/ answers",
    )


def _doctor(proxy: Proxied) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(proxy.machine.locald("doctor", "--json").stdout)["checks"]
    return found


def test_another_user_is_not_let_in_by_name_whatever_he_knows(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    secret = json.loads((proxy.machine.home / "state/dashboard.json").read_text())["secret"]
    told = {"Authorization": f"Bearer {secret}"}
    assert proxy.ask("locald.localhost", "/v1/status", headers=told)[0] == 200
    for forged in ((), ("forged",)):
        asked = [sys.executable, "-S", "-c", AS_NOBODY, str(proxy.https), secret, *forged]
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
        assert done.stdout == "403\n"


def test_the_name_of_the_dashboard_is_no_services(proxy: Proxied) -> None:
    proxy.machine.write(WEB, name="locald")
    proxy.machine.up()
    told = proxy.ready()
    assert [route["name"] for route in told["routes"]] == ["web.locald.localhost"]
    assert "locald.localhost is a name of the dashboard" in proxy.machine.locald("proxy", "status").stderr
    assert proxy.ask("locald.localhost")[0] == 401


def _answer(
    host: str,
    path: str,
    headers: dict[str, str] | None = None,
    method: str = "GET",
    body: bytes | None = None,
) -> tuple[int, str, str]:
    """Its status, its text, and the cookie that it sets."""
    connection = HTTPConnection(host, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers["Set-Cookie"] or ""
    finally:
        connection.close()


def test_a_page_in_place_of_a_service_leads_to_where_it_can_be_started(proxy: Proxied) -> None:
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    proxy.machine.locald("stop", "web")
    _, page, _ = proxy.ask("web.shop.localhost", headers=BROWSER)
    found = re.search(r'<a class="button" href="([^"]+)">Start web</a>', page)
    assert found
    link = urlsplit(html.unescape(found[1]))
    assert "<form" not in page

    def ask(
        headers: dict[str, str] | None = None, method: str = "GET", body: bytes | None = None
    ) -> tuple[int, str, str]:
        return _answer(link.netloc, f"{link.path}?{link.query}", headers, method, body)

    fields = b"service=shop%3Aweb&action=start"
    form = {"Origin": f"http://{link.netloc}", "Content-Type": "application/x-www-form-urlencoded"}
    assert ask()[0] == 401
    assert ask(form, "POST", fields)[0] == 401
    from_elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert 'http-equiv="refresh"' in ask(from_elsewhere)[1]  # comes again, with the cookie
    ticket = proxy.machine.locald("dashboard", "--no-open").stdout.strip()
    given = _answer(link.netloc, ticket.removeprefix(f"http://{link.netloc}"))[2]
    cookie = {"Cookie": given.partition(";")[0]}
    assert "Start web</button>" in ask(cookie)[1]
    assert ask({**cookie, **form, "Origin": "null"}, "POST", fields)[0] == 403
    assert proxy.machine.status()["web"]["state"] == "stopped"
    status, page, _ = ask({**cookie, **form}, "POST", fields)
    assert (status, f"url=https://web.shop.localhost:{proxy.https}/" in page) == (200, True)
    assert proxy.ask("web.shop.localhost")[0] == 200


TOLD = """
[services.job]
type = "worker"
command = 'echo "$WEB"; cat "${locald.ca}"; exec sleep 1000'
env = { WEB = "at ${services.web.https_url}api" }
"""


def test_a_run_is_told_addresses_by_name_and_the_authority_also_at_the_very_first_start(
    proxy: Proxied,
) -> None:
    proxy.machine.write(WEB + TOLD)
    proxy.machine.up()
    proxy.ready()
    wait_for(lambda: "-----END CERTIFICATE-----" in proxy.machine.printed("job"), "it has read it")
    assert f"at https://web.shop.localhost:{proxy.https}/api" in proxy.machine.printed("job")
    before = proxy.machine.status()["job"]["pid"]
    proxy.machine.up()
    assert proxy.machine.status()["job"]["pid"] == before


def test_a_run_that_is_told_of_a_proxy_that_is_not_there_starts_all_the_same(proxy: Proxied) -> None:
    proxy.machine.env["LOCALD_PROXY"] = "off"
    proxy.machine.write(WEB + TOLD)
    proxy.machine.up()
    said = "\n".join(proxy.machine.logs("job"))
    assert "at https://web.shop.localhost:7443/api" in said
    assert "no service is reached by name: turned off by LOCALD_PROXY=off" in said
