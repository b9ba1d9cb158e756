"""What the proxy costs a request: beside a bare Caddy and, with Node, beside portless, in turns.

All three lead to one server, a service of locald: a Caddy that answers by itself. The client asks one request
after the other on a connection that is kept, and then many at once on as many connections, which is what the
requests a second are taken from. It goes from one proxy to the next every few hundred requests: what else the
machine does meets all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from bench.checks import service
from bench.instance import Instance, cpu, memory
from bench.lag import epoch
from bench.table import Measure

from locald.adapters.caddy import admin
from locald.adapters.caddy.config import Site, config
from locald.adapters.caddy.program import Caddy, breaks_off, find
from locald.client.http import Api
from locald.domain.explain.routes import Route
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS, REQUESTS = 30, 200
"""turns of each proxy, and requests in a turn"""
AT_ONCE, TIMES = 16, 25
"""connections that are asked together, and how often in a turn"""
BODY = "x" * 1024
PORTLESS = "portless@0.13.0"
NAMES, LOADS = 50, 9
IDLE = 20.0
"""seconds"""
AFTER = 1.0
"""seconds from spawn until the service of the held request is ready"""
WAITS = 5
WITHIN = 20.0
"""seconds that anything here may take to listen"""


@dataclass(slots=True)
class Proxy:
    """`secure`: asked by TLS. `pids`: of its processes."""

    port: int
    host: str
    secure: bool
    pids: tuple[int, ...] = ()
    rounds: list[float] = field(default_factory=list)
    """seconds of each turn"""
    answers: list[float] = field(default_factory=list)
    """seconds of each request"""
    crowds: list[float] = field(default_factory=list)
    """seconds of each turn with many at once"""
    work: float = 0.0
    """seconds of a processor for `answers`"""

    @property
    def worst(self) -> float:
        return quantiles(self.answers, n=100)[98]


def measure() -> list[Measure]:
    """requests by name beside a bare Caddy and portless, after health, when names change, when idle"""
    caddy = find()
    if not isinstance(caddy, Caddy):
        raise SystemExit(caddy.reason)
    with tempfile.TemporaryDirectory(prefix="ldp") as folder:
        return [*_beside(caddy, folder, _free()), *_after_health(), *_changes(caddy, folder)]


# Requests.


def _beside(caddy: Caddy, folder: str, target: int) -> list[Measure]:
    with Instance(**_ports()) as instance, contextlib.ExitStack() as stack:
        instance.project({"web": {"command": f"exec {_forward(caddy, folder)}", "port": target}})
        instance.up()
        ours, (bare, bare_plain) = _ours(instance), stack.enter_context(_bare(caddy, folder, target))
        _in_turns([ours, bare])
        found = [
            _ratio("request by name (HTTPS, 1 kB): time over a bare Caddy's", ours, bare, 1 / 0.95),
            Measure("the same, p99", ours.worst / bare.worst, "x", 1 / 0.95),
            _crowd(f"{AT_ONCE} at once: time over a bare Caddy's", ours, bare, 1 / 0.95),
            Measure("requests a second by name", _rate(ours), "/s"),
            Measure("processor time of a request by name", _work(ours), "us"),
            Measure("processor time of one by a bare Caddy", _work(bare), "us"),
        ]
        with _portless(folder, target) as other:
            if other:
                plain = Proxy(_told(instance)["http_port"], ours.host, secure=False)
                _in_turns([plain, bare_plain, other])
                found += [
                    _ratio("request by name (HTTP): time over portless's", plain, other, None),
                    Measure("the same, p99", plain.worst / other.worst, "x"),
                    _crowd(f"{AT_ONCE} at once: time over portless's", plain, other, 1 / 3),
                    _crowd(f"{AT_ONCE} at once: time of a bare Caddy over portless's", bare_plain, other),
                    Measure("requests a second by portless", _rate(other), "/s"),
                ]
        return [*found, *_idle(ours.pids)]


def _ratio(what: str, ours: Proxy, other: Proxy, goal: float | None) -> Measure:
    pairs = zip(ours.rounds, other.rounds, strict=True)
    return Measure(what, median(own / others for own, others in pairs), "x", goal)


def _crowd(what: str, ours: Proxy, other: Proxy, goal: float | None = None) -> Measure:
    pairs = zip(ours.crowds, other.crowds, strict=True)
    return Measure(what, median(own / others for own, others in pairs), "x", goal)


def _rate(proxy: Proxy) -> float:
    return AT_ONCE * TIMES / median(proxy.crowds)


def _work(proxy: Proxy) -> float:
    return 1e6 * proxy.work / len(proxy.answers)


def _in_turns(proxies: list[Proxy]) -> None:
    with contextlib.ExitStack() as stack:
        crowds = [_connections(stack, each) for each in proxies]
        for proxy, crowd in zip(proxies, crowds, strict=True):
            _ask_all(crowd, proxy.host)  # has made what it makes for the first one
        for _ in range(ROUNDS):
            for proxy, crowd in zip(proxies, crowds, strict=True):
                before, began = cpu(*proxy.pids), time.perf_counter()
                proxy.answers += [_ask(crowd[0], proxy.host) for _ in range(REQUESTS)]
                proxy.rounds.append(time.perf_counter() - began)
                proxy.work += cpu(*proxy.pids) - before
            for proxy, crowd in zip(proxies, crowds, strict=True):
                began = time.perf_counter()
                for _ in range(TIMES):
                    _ask_all(crowd, proxy.host)
                proxy.crowds.append(time.perf_counter() - began)


def _connections(stack: contextlib.ExitStack, proxy: Proxy) -> list[socket.socket]:
    return [stack.enter_context(contextlib.closing(_connected(proxy))) for _ in range(AT_ONCE)]


def _connected(proxy: Proxy) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", proxy.port), timeout=WITHIN)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not proxy.secure:
        return raw
    context = ssl._create_unverified_context()
    return context.wrap_socket(raw, server_hostname=proxy.host)


def _ask(connection: socket.socket, host: str) -> float:
    """Seconds until the whole answer is there."""
    began = time.perf_counter()
    _send(connection, host)
    _receive(connection, host)
    return time.perf_counter() - began


def _ask_all(connections: list[socket.socket], host: str) -> None:
    for connection in connections:
        _send(connection, host)
    for connection in connections:
        _receive(connection, host)


def _send(connection: socket.socket, host: str) -> None:
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


def _receive(connection: socket.socket, host: str) -> None:
    got = b""
    while b"\r\n\r\n" not in got:
        got += _read(connection)
    head, _, body = got.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"{host}: {head.splitlines()[0].decode()}")
    length = len(body)
    while length < int(fields[b"content-length"]):
        length += len(_read(connection))


def _read(connection: socket.socket) -> bytes:
    got = connection.recv(65536)
    if not got:
        raise SystemExit("a proxy has closed the connection")
    return got


# The proxies.


def _ports() -> dict[str, str]:
    return {
        "LOCALD_PROXY": "on",
        "LOCALD_PROXY_HTTPS_PORT": str(_free()),
        "LOCALD_PROXY_HTTP_PORT": str(_free()),
    }


def _ours(instance: Instance) -> Proxy:
    _until(lambda: _told(instance)["running"])
    told = _told(instance)
    _until(lambda: instance.caddies)
    return Proxy(told["https_port"], "web.bench.localhost", secure=True, pids=tuple(instance.caddies))


def _told(instance: Instance) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(instance.locald("proxy", "status", "--json").stdout)
    return told


def _forward(caddy: Caddy, folder: str) -> str:
    """A server on $PORT that answers 1 kB by itself."""
    home = f"env HOME={folder} XDG_DATA_HOME={folder} XDG_CONFIG_HOME={folder}"
    return f"{home} {caddy.path} respond --listen 127.0.0.1:$PORT --body {BODY}"


@contextlib.contextmanager
def _bare(caddy: Caddy, folder: str, target: int) -> Iterator[tuple[Proxy, Proxy]]:
    """A Caddy that does nothing but lead one name to the server, by HTTPS and by HTTP."""
    port, plain, host = _free(), _free(), "bare.localhost"
    route = {
        "match": [{"host": [host]}],
        "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{target}"}]}],
    }
    server = {
        "listen": [f"127.0.0.1:{port}", f"127.0.0.1:{plain}"],
        "protocols": ["h1", "h2"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{}],
        "routes": [route],
    }
    tls = {
        "automation": {"policies": [{"issuers": [{"module": "internal"}]}]},
        "certificates": {"automate": [host]},
    }
    pki = {"certificate_authorities": {"local": {"install_trust": False}}}
    file = Path(folder, "bare.json")
    apps = {"http": {"http_port": plain, "servers": {"bare": server}}, "tls": tls, "pki": pki}
    file.write_text(json.dumps({"admin": {"disabled": True}, "apps": apps, "logging": _QUIET}))
    with _running([caddy.path, "run", "--config", str(file)], folder, port) as pid:
        proxy = Proxy(port, host, secure=True, pids=(pid,))
        _until(lambda: _answers(proxy))  # it listens before it has its certificate
        yield proxy, Proxy(plain, host, secure=False)


_QUIET = {"logs": {"default": {"level": "ERROR"}}}


@contextlib.contextmanager
def _portless(folder: str, target: int) -> Iterator[Proxy | None]:
    """None without Node, or without npm's packages."""
    npm = shutil.which("npm")
    install = [npm or "", "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder, PORTLESS]
    if not npm or subprocess.run(install, check=False, stdout=subprocess.DEVNULL).returncode:
        print("portless is not measured: it cannot be installed here")
        yield None
        return
    port, program = _free(), os.path.join(folder, "node_modules", ".bin", "portless")
    home = {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "PORTLESS_STATE_DIR": os.path.join(folder, "portless"),
        "PORTLESS_SYNC_HOSTS": "0",
        "PORTLESS_PORT": str(port),
        "PORTLESS_HTTPS": "0",
    }
    command = [program, "proxy", "start", "--foreground", "--no-tls", "-p", str(port)]
    with _running(command, folder, port, home):
        subprocess.run([program, "alias", "bench", str(target)], env=home, check=True, capture_output=True)
        proxy = Proxy(port, f"bench.localhost:{port}", secure=False)
        _until(lambda: _answers(proxy))  # it looks for new names every now and then
        yield proxy


@contextlib.contextmanager
def _running(command: list[str], folder: str, port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    own = {"HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder, "PATH": os.environ["PATH"]}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=env or own, stdout=quiet, stderr=quiet, stdin=quiet) as process:
        try:
            _until(lambda: _listens(port))
            yield process.pid
        finally:
            process.terminate()


# After health.


def _after_health() -> list[Measure]:
    """A request is held while its service starts; another comes, on a new connection, with the news that it
    is healthy. Both are counted from the moment at which it was."""
    with Instance(**_ports()) as instance:
        instance.project({"web": service("notify", AFTER)})
        instance.locald("up", "-d")
        ours = _ours(instance)
        held = [_late(instance, ours, lambda _: None) for _ in range(WAITS)]
        first = [_late(instance, ours, partial(_healthy, instance)) for _ in range(WAITS)]
    return [
        Measure(f"held request: answer after health, median of {WAITS}", median(held), "ms", 20),
        Measure(
            f"request with the news of health: answer after it, median of {WAITS}", median(first), "ms", 20
        ),
    ]


def _late(instance: Instance, proxy: Proxy, wait: Callable[[int], None]) -> float:
    """Milliseconds from health, which a restart brings, to the answer to a request that is made after `wait`,
    which is told the number of the run."""
    run = instance.rows()[0]["run"] + 1
    instance.locald("restart", "web", "-d")
    wait(run)
    with contextlib.closing(_connected(proxy)) as connection:
        _ask(connection, proxy.host)
        answered = time.time()
    return 1000 * (answered - epoch(instance.rows()[0]["ready_at"]))


def _healthy(instance: Instance, run: int) -> None:
    """Until the daemon tells of it."""
    with contextlib.closing(Api(instance.socket).events("/v1/events")) as events:
        is_healthy = False
        while not is_healthy:
            _, told = events.next(WITHIN)
            is_healthy = any(row["run"] == run and row["health"] == "healthy" for row in told["services"])


# Changes, and nothing.


def _changes(caddy: Caddy, folder: str) -> list[Measure]:
    """Of all addresses at once, told to a Caddy that has 50 names, as the daemon tells it."""
    socket_path = os.path.join(folder, "admin.sock")
    port, plain = _free(), _free()
    nowhere = (f"{folder}/daemon.sock", f"{folder}/dashboard.sock", f"{folder}/gates")
    site = Site(
        port, plain, socket_path, *nowhere, f"{folder}/store", f"{folder}/requests", breaks_off(caddy.version)
    )

    def told(first: int) -> dict[str, Any]:
        routes = [
            Route(f"s{n}.bench.localhost", Key("bench", f"s{n}"), f"127.0.0.1:{first + n}")
            for n in range(NAMES)
        ]
        return config(site, routes, ["bench.localhost"])

    file = Path(folder, "names.json")
    file.write_text(json.dumps(told(20000)))
    took = []
    with _running([caddy.path, "run", "--config", str(file)], folder, port):
        for turn in range(LOADS):
            began = time.perf_counter()
            asyncio.run(admin.load(socket_path, told(20000 + 100 * (turn % 2 + 1))))
            took.append(1000 * (time.perf_counter() - began))
    return [Measure(f"{NAMES} routes that change at once, median of {LOADS}", median(took), "ms", 100)]


def _idle(pids: tuple[int, ...]) -> list[Measure]:
    before, began = cpu(*pids), time.monotonic()
    time.sleep(IDLE)
    share = (cpu(*pids) - before) / (time.monotonic() - began)
    return [
        Measure("memory of the proxy", sum(map(memory, pids)), "MB", 60),
        Measure("work of the idle proxy", 100 * share, "% of a core", 0.1),
    ]


# Small things.


def _answers(proxy: Proxy) -> bool:
    try:
        with contextlib.closing(_connected(proxy)) as connection:
            _ask(connection, proxy.host)
    except (OSError, SystemExit):
        return False
    return True


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _until(condition: Any) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("something did not begin to listen")
        time.sleep(0.05)
