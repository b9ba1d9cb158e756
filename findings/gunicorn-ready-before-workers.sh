#!/usr/bin/env bash
# gunicorn says READY=1 on NOTIFY_SOCKET when its arbiter listens, before a worker has imported the application.
#
# Seen with gunicorn 27.0.1 (PyPI) on Python 3.11: with an application that takes two seconds to import, READY=1
# comes about two seconds before the import is done. Connections are queued meanwhile, none is refused. What
# waits for READY=1 waits for the arbiter, not for the application (`--preload` turns the order round).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check gunicorn==27.0.1
cat >"$folder/slow.py" <<'END'
import time

time.sleep(2)
with open("imported", "w") as file:
    file.write(str(time.time()))


def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
END
cd "$folder"
"$folder/venv/bin/python" - <<'END'
import os
import pathlib
import socket
import subprocess
import sys
import time

listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listening.bind("notify")
listening.settimeout(30)
server = subprocess.Popen(
    [f"{sys.prefix}/bin/gunicorn", "--bind", "127.0.0.1:0", "slow:app"],
    env={**os.environ, "NOTIFY_SOCKET": os.path.abspath("notify")},
    stderr=subprocess.DEVNULL,
)
try:
    while b"READY=1" not in listening.recv(4096):
        pass
    ready_at = time.time()
    imported = pathlib.Path("imported")
    while not imported.exists() or not imported.read_text():
        time.sleep(0.01)
    early = float(imported.read_text()) - ready_at
finally:
    server.terminate()
    server.wait()
print(f"READY=1 came {early:.1f} s before the application was imported")
sys.exit(0 if early > 1 else 1)
END
