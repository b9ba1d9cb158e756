"""What names instead of ports need of this machine: the proxy, trust in its certificates, and programs that
find the names. Each check returns `ok` or `warn`, one sentence, and the next step or nothing.
"""

from __future__ import annotations

import shutil
import socket
from contextlib import contextmanager

from locald.client import daemon, trust
from locald.client.http import Denied, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from typing import Any

    from locald.wire.home import Home

Found = tuple[str, str, str]

NAME = "web.doctor.localhost"
DASHBOARD = "locald.localhost"
WITHIN = 5.0
"""seconds"""
MYHOSTNAME = "run `apt install libnss-myhostname` (browsers and curl find them anyway)"


def proxy(home: Home) -> Found:
    """Whether it runs, and speaks HTTP/2 with TLS at its port."""
    told = _told(home)
    if told is None:
        return "ok", "not running (starts with the first service that has a name)", ""
    if not told["running"]:
        return _missing(told)
    ports = f"https port {told['https_port']}, http port {told['http_port']}"
    spoken = _spoken(told)
    if spoken != "h2":
        detail = f"{ports}, but it speaks {spoken or 'no TLS'} instead of HTTP/2"
        return "warn", detail, "run `locald server stop` and `locald up`"
    notes = "; ".join(told["notes"])
    hint = "end the other program, or set LOCALD_PROXY_HTTPS_PORT, then `locald server stop`"
    return ("warn", notes, hint) if notes else ("ok", f"Caddy {told['caddy']}, {ports}, HTTP/2", "")


def _missing(told: dict[str, Any]) -> Found:
    if told["trouble"]:
        return "warn", f"no names: {told['trouble']}", told["hint"] or ""
    return "ok", "not running (starts with the first service that has a name)", ""


def dashboard(home: Home) -> Found:
    """Whether the proxy brings who asks for it by name to the dashboard, signed in or not."""
    told = _told(home)
    if told is None or not told["dashboard"]:
        return "ok", "has no name while the proxy does not run", ""
    status = _status(told)
    if status is None or status >= 500:
        answer = f"answers {status}" if status else "does not answer"
        return (
            "warn",
            f"{told['dashboard']} {answer}",
            "run `locald server restart`; the port works meanwhile",
        )
    return "ok", f"{told['dashboard']} answers", ""


def certificates(home: Home) -> Found:
    told = _told(home)
    root = told["ca"] if told else None
    if not root:
        return "ok", "no certificate authority yet", ""
    if trust.is_trusted(trust.Certificate(root)):
        return "ok", f"this system trusts {root}", ""
    return "warn", f"this system does not trust {root}", "run `locald proxy trust`"


def resolution() -> Found:
    """Whether programs find names below `.localhost`, by the C library and by Node, which asks it too."""
    missing = [name for name, finds in (("the C library", _c_library), ("Node", _node)) if not finds()]
    if missing:
        return "warn", f"{' and '.join(missing)} cannot find names like {NAME}", MYHOSTNAME
    return "ok", f"names like {NAME} are found", ""


def _c_library() -> bool:
    try:
        found = {address[4][0] for address in socket.getaddrinfo(NAME, 80)}
    except OSError:
        return False
    return found <= {"127.0.0.1", "::1"}


def _node() -> bool:
    """True where there is no Node."""
    program = shutil.which("node")
    if program is None:
        return True
    import subprocess

    ask = f"require('dns').lookup({NAME!r}, (error) => process.exit(error ? 1 : 0))"
    try:
        return subprocess.run([program, "-e", ask], timeout=WITHIN, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return True


def _told(home: Home) -> dict[str, Any] | None:
    """What the daemon says of the proxy; None without a daemon."""
    api = daemon.find(home)
    try:
        found: dict[str, Any] | None = api.get("/v1/proxy", timeout=WITHIN) if api else None
    except (Unreachable, Denied):  # of which another check tells
        return None
    return found


def _spoken(told: dict[str, Any]) -> str | None:
    """The protocol that is agreed on at the port; None without TLS."""
    try:
        with _connected(told, "h2", "http/1.1") as connection:
            return connection.selected_alpn_protocol()
    except (OSError, ValueError):
        return None


def _status(told: dict[str, Any]) -> int | None:
    """What is answered to who asks for the dashboard by name; None for nothing."""
    try:
        with _connected(told, "http/1.1") as connection:
            host = f"{DASHBOARD}:{told['https_port']}"
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return int(connection.recv(64).split(maxsplit=2)[1])
    except (OSError, ValueError, IndexError):
        return None


@contextmanager
def _connected(told: dict[str, Any], *protocols: str) -> Iterator[ssl.SSLSocket]:
    import ssl

    context = ssl.create_default_context(cafile=told["ca"])
    context.set_alpn_protocols([*protocols])
    with (
        socket.create_connection(("127.0.0.1", told["https_port"]), WITHIN) as raw,
        context.wrap_socket(raw, server_hostname=DASHBOARD) as connection,
    ):
        yield connection
